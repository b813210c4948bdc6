//! Hostile answers: each is refused at its limit.

use std::fmt::Write as _;

use promostandards::{AnswerError, Limits, Scrub};

use super::support::{LOGIN, asked, inventory, read_with, soap};

fn read(xml: &str, limits: Limits) -> Result<promostandards::Answer, AnswerError> {
    read_with(&asked("getInventoryByProductV200"), None, xml.as_bytes(), limits, &Scrub::new(LOGIN))
}

#[test]
fn an_answer_is_refused_one_byte_over_its_limit() {
    let xml = inventory("<partId>P1</partId>");
    let limits = |bytes: usize| Limits { bytes: bytes as u64, ..Limits::default() };
    assert!(read(&xml, limits(xml.len())).is_ok());
    assert!(matches!(read(&xml, limits(xml.len() - 1)), Err(AnswerError::TooLarge)));
}

#[test]
fn an_answer_is_refused_one_element_over_its_limit() {
    // Eight elements and the two of the parts.
    let xml = inventory("<partId>P1</partId><x><y/></x>");
    let elements = xml.matches('<').count() - xml.matches("</").count();
    let limits = |elements| Limits { elements, ..Limits::default() };
    assert!(read(&xml, limits(elements)).is_ok());
    assert!(matches!(read(&xml, limits(elements - 1)), Err(AnswerError::TooManyElements)));
}

#[test]
fn an_answer_is_refused_one_level_over_its_limit() {
    let nested = |depth: usize| {
        let above = 2;
        soap(&format!("{}{}<GetInventoryLevelsResponse/>", "<a>".repeat(depth - above), "</a>".repeat(depth - above)))
    };
    assert!(read(&nested(64), Limits::default()).is_ok());
    assert!(matches!(read(&nested(65), Limits::default()), Err(AnswerError::TooDeep)));
    assert!(matches!(read(&"<a>".repeat(1_000_000), Limits::default()), Err(AnswerError::WrongElement)));
    let endless = format!("<Envelope>{}", "<a>".repeat(1_000_000));
    assert!(matches!(read(&endless, Limits::default()), Err(AnswerError::TooDeep)));
}

#[test]
fn the_nulls_of_an_answer_do_not_multiply_it_without_bound() {
    let part = "<PartInventory><partId>1</partId></PartInventory>";
    let xml = soap(&format!(
        "<GetInventoryLevelsResponse><Inventory><PartInventoryArray>{}</PartInventoryArray></Inventory></GetInventoryLevelsResponse>",
        part.repeat(1_000)
    ));
    let limits = Limits { bytes: xml.len() as u64, ..Limits::default() };
    assert!(matches!(read(&xml, limits), Err(AnswerError::TooLarge)));
    assert!(read(&xml, Limits::default()).is_ok());
}

#[test]
fn a_giant_piece_is_refused_long_before_the_whole_limit() {
    let giant = "x".repeat(17 << 20);
    for xml in [
        inventory(&format!("<partId>{giant}</partId>")),
        inventory(&format!("<partId a='{giant}'>1</partId>")),
        inventory(&format!("<!--{giant}-->")),
        inventory(&format!("<partId><![CDATA[{giant}]]></partId>")),
        inventory(&format!("<{giant}>")),
        inventory(&format!("&{giant};")),
    ] {
        assert!(matches!(read(&xml, Limits::default()), Err(AnswerError::TooLarge)));
    }
}

#[test]
fn garbage_is_refused_at_its_first_byte_and_an_endless_answer_at_its_limit() {
    struct Endless(u64, &'static [u8]);
    impl tokio::io::AsyncRead for Endless {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            unreachable!()
        }
    }
    impl tokio::io::AsyncBufRead for Endless {
        fn poll_fill_buf(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<&[u8]>> {
            std::task::Poll::Ready(Ok(self.get_mut().1))
        }

        fn consume(self: std::pin::Pin<&mut Self>, amount: usize) {
            self.get_mut().0 += amount as u64;
        }
    }
    let request = asked("getInventoryByProductV200");
    let scrub = Scrub::new(LOGIN);
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let read = |piece, content_type| {
        let mut body = Endless(0, piece);
        let result =
            super::support::run(promostandards::read_answer(&request, content_type, &mut body, limits, &scrub));
        (result.unwrap_err(), body.0)
    };
    let (error, taken) = read(b"x", None);
    assert!(matches!(error, AnswerError::NotXml(_)) && taken <= 1_024, "{error} {taken}");
    for piece in [&b" "[..], b"<!--", b"<a/>"] {
        let (error, taken) = read(piece, None);
        let expected = matches!(error, AnswerError::TooLarge) || piece == b"<a/>";
        assert!(expected && taken <= 1 << 20, "{error} {taken}");
    }
    let (error, taken) = read(b"--x\r\nno\r\n", Some("multipart/related; boundary=b"));
    assert!(matches!(error, AnswerError::TooLarge) && taken <= 1 << 20, "{error}");
}

#[test]
fn two_million_elements_take_no_longer_than_their_number() {
    // Torn lists and repeated keys, which a careless writer would move again and again.
    let took = |count: usize| {
        let mut inner = String::new();
        for number in 0..count {
            write!(inner, "<description>{number}</description><productName>n</productName>").unwrap();
        }
        let xml = soap(&format!("<GetProductResponse><Product>{inner}</Product></GetProductResponse>"));
        let start = std::time::Instant::now();
        let scrub = Scrub::new(LOGIN);
        let answer = read_with(&asked("getProductV200"), None, xml.as_bytes(), Limits::default(), &scrub).unwrap();
        assert!(answer.json.windows(2).filter(|pair| pair == b"\",").count() >= count);
        start.elapsed()
    };
    // The best of three: other work on the machine only ever takes longer.
    let best = |count| (0..3).map(|_| took(count)).min().unwrap();
    let (few, many) = (best(5_000), best(40_000));
    assert!(many < few * 40, "{few:?} {many:?}");
}
