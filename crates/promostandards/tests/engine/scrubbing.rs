//! The login in what a supplier writes.

use promostandards::{AnswerError, Limits, Login, Scrub};

use super::support::{LOGIN, asked, read, read_with, soap, text};

const ESCAPED: &str = "S3nt&amp;nel&lt;pw&gt;";
const TWICE: &str = "S3nt&amp;amp;nel&amp;lt;pw&amp;gt;";

fn clean(json: &str) {
    for trace in ["S3nt", "nel<pw", "pw>", "sentinel-user"] {
        assert!(!json.contains(trace), "{json}");
    }
}

#[test]
fn a_password_leaves_no_value_of_any_kind() {
    let xml = soap(&format!(
        "<GetInventoryLevelsResponse><Inventory><productId>{ESCAPED}</productId><PartInventoryArray><PartInventory><partId>x{ESCAPED}y</partId>\
         <mainPart>{ESCAPED}</mainPart><partColor><![CDATA[S3nt&nel]]>&lt;pw&gt;</partColor><partDescription>{TWICE}</partDescription>\
         <labelSize>S3nt<!-- -->&amp;nel&lt;pw&gt;</labelSize><lastModified>{ESCAPED}</lastModified></PartInventory></PartInventoryArray></Inventory>\
         <ServiceMessageArray><ServiceMessage><code>999</code><description>sentinel-user:{ESCAPED}</description>\
         <severity>{ESCAPED}</severity></ServiceMessage></ServiceMessageArray></GetInventoryLevelsResponse>"
    ));
    let answer = read(&asked("getInventoryByProductV200"), &xml).unwrap();
    clean(text(&answer));
    clean(&format!("{answer:?}{:?}", answer.messages));
    assert_eq!(text(&answer).matches("***").count(), 10, "{}", text(&answer));
}

#[test]
fn a_password_of_digits_leaves_no_number() {
    let scrub = Scrub::new(Login { username: "u", password: "12345678" });
    let xml = super::support::inventory("<replenishmentLeadTime>12345678</replenishmentLeadTime>");
    let answer =
        read_with(&asked("getInventoryByProductV200"), None, xml.as_bytes(), Limits::default(), &scrub).unwrap();
    assert!(text(&answer).contains("\"replenishmentLeadTime\":\"***\""), "{}", text(&answer));
}

#[test]
fn a_fault_is_scrubbed_before_it_is_cut() {
    for place in 180..205 {
        let xml =
            soap(&format!("<Fault><faultstring>{}{ESCAPED} sentinel-user</faultstring></Fault>", ".".repeat(place)));
        match read(&asked("getInventoryByProductV200"), &xml) {
            Err(AnswerError::Fault { text, about_login: false }) => {
                clean(&text);
                assert!(text.chars().count() <= 200);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_text_message_is_scrubbed_as_a_message() {
    let xml = soap(
        "<Reply><productID>sentinel-user</productID><errorMessage>105: no user sentinel-user</errorMessage></Reply>",
    );
    let answer = read(&asked("getInventoryByProductV121"), &xml).unwrap();
    // The user name is a value in data, and taken out of the message.
    assert!(text(&answer).contains("\"productID\":\"sentinel-user\""));
    assert!(text(&answer).contains("\"errorMessage\":\"105: no user ***\""), "{}", text(&answer));
    assert_eq!(answer.messages[0].description, "105: no user ***");
}

#[test]
fn a_digest_is_scrubbed_too() {
    let xml = soap(&format!(
        "<GetProductSellableResponse><ProductSellableArray><ProductSellable><productId>{ESCAPED}</productId><partId>{ESCAPED}</partId>\
         </ProductSellable></ProductSellableArray></GetProductSellableResponse>"
    ));
    for id in ["getAllSellables", "getAllSellableProductIds"] {
        let answer = read(&asked(id), &xml).unwrap();
        clean(text(&answer));
        assert!(text(&answer).contains("***"));
    }
}

#[test]
fn nothing_shows_a_login() {
    let request = asked("getInventoryByProductV200");
    clean(&format!("{LOGIN:?} {:?} {request:?} {}", Scrub::new(LOGIN), request.canonical()));
}

#[test]
fn a_code_is_read_before_the_login_is_taken_out() {
    let scrub = Scrub::new(Login { username: "105", password: "160" });
    for (request, xml) in [
        ("getInventoryByProductV121", "<Reply><errorMessage>105: refused</errorMessage></Reply>"),
        (
            "getFobPoints",
            "<GetFobPointsResponse><ErrorMessage><code>105</code><description>105</description></ErrorMessage></GetFobPointsResponse>",
        ),
    ] {
        let answer = read_with(&asked(request), None, soap(xml).as_bytes(), Limits::default(), &scrub).unwrap();
        assert_eq!(answer.verdict, promostandards::Verdict::Refused { code: 105 });
        assert!(answer.messages[0].description.starts_with("***"));
    }
}

#[test]
fn nothing_that_is_taken_out_of_a_text_makes_a_login() {
    let scrub = Scrub::new(Login { username: "some user", password: "two words" });
    let fault = |text: &str| {
        let xml = soap(&format!("<Fault><faultstring>{text}</faultstring></Fault>"));
        read_with(&asked("getFobPoints"), None, xml.as_bytes(), Limits::default(), &scrub).unwrap_err().to_string()
    };
    for text in ["two\nwords", "two \t words", "t\u{4}wo words", "two\u{7f} words", "some\n user"] {
        assert_eq!(fault(text), "failed: ***", "{text:?}");
    }
    let xml = soap(
        "<GetFobPointsResponse><FobPointArray><FobPoint><fobId>a two\n words</fobId></FobPoint></FobPointArray><ErrorMessage>\
         <description>some\nuser: two\twords</description></ErrorMessage></GetFobPointsResponse>",
    );
    let answer = read_with(&asked("getFobPoints"), None, xml.as_bytes(), Limits::default(), &scrub).unwrap();
    assert!(
        text(&answer).contains("\"fobId\":\"a ***\"") && text(&answer).contains("\"***: ***\""),
        "{}",
        text(&answer)
    );
}
