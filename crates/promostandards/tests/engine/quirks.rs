//! Habits of suppliers that the standard does not know.

use promostandards::{AnswerError, NotXml, Verdict};
use serde_json::{Value, json};

use super::support::{asked, inventory, json, part, read, read_as, soap, text};

const GOOD: &str = "<partId>P1</partId><mainPart>true</mainPart>";

fn read_bytes(content_type: Option<&str>, bytes: &[u8]) -> Result<Value, AnswerError> {
    read_as(&asked("getInventoryByProductV200"), content_type, bytes).map(|answer| json(&answer))
}

fn part_id(content_type: Option<&str>, bytes: &[u8]) -> String {
    let json = read_bytes(content_type, bytes).unwrap();
    json["Inventory"]["PartInventoryArray"]["PartInventory"][0]["partId"].as_str().unwrap().to_owned()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{FEFF}" } else { "" };
    let units = mark.encode_utf16().chain(text.encode_utf16());
    units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn elements_are_found_by_local_name_in_any_namespace_and_with_any_prefix() {
    let strange = r#"<?xml version="1.0"?><!-- a --><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope">
        <SOAP-ENV:Header><x:Body xmlns:x="y"/></SOAP-ENV:Header><SOAP-ENV:Body><a:GetInventoryLevelsResponse xmlns:a="wrong">
        <b:Inventory xmlns:b="wrong:too"><!-- c --><?pi x?><PartInventoryArray xmlns="third"><PartInventory><partId>P1</partId>
        </PartInventory></PartInventoryArray><b:productId>X1</b:productId></b:Inventory></a:GetInventoryLevelsResponse>
        </SOAP-ENV:Body></SOAP-ENV:Envelope> trailing"#;
    let json = read_bytes(None, strange.as_bytes()).unwrap();
    assert_eq!(json["Inventory"]["productId"], "X1");
    assert_eq!(json["Inventory"]["PartInventoryArray"]["PartInventory"][0]["partId"], "P1");
    assert_eq!(json["ServiceMessageArray"], Value::Null);
}

#[test]
fn the_content_type_is_ignored_where_the_answer_is_xml() {
    for content_type in
        [None, Some("text/html"), Some("application/octet-stream"), Some("nonsense;;;=\""), Some("text/xml;charset=")]
    {
        assert_eq!(part_id(content_type, inventory(GOOD).as_bytes()), "P1");
    }
}

#[test]
fn blanks_and_a_byte_order_mark_may_come_first() {
    let xml = inventory(GOOD);
    assert_eq!(part_id(None, format!("\n \r\n\t{xml}").as_bytes()), "P1");
    assert_eq!(part_id(None, format!("\u{FEFF}<?xml version=\"1.0\"?>{xml}").as_bytes()), "P1");
    assert_eq!(part_id(None, format!("\u{FEFF}\n{xml}").as_bytes()), "P1");
}

#[test]
fn the_encoding_is_the_mark_then_the_declaration_then_the_charset_then_utf_8() {
    let xml = inventory("<partId>é</partId>");
    let declared = |label: &str| format!("<?xml version=\"1.0\" encoding=\"{label}\"?>{xml}");
    assert_eq!(part_id(None, &latin1(&declared("ISO-8859-1"))), "é");
    assert_eq!(part_id(Some("text/xml; charset=utf-8"), &latin1(&declared("iso-8859-1"))), "é");
    assert_eq!(part_id(Some("text/xml; charset=\"ISO-8859-1\""), &latin1(&xml)), "é");
    assert_eq!(part_id(None, declared("windows-1252").replace('é', "x").as_bytes()), "x");
    // A mark wins over a wrong declaration, and so do the zeros of UTF-16.
    assert_eq!(part_id(None, format!("\u{FEFF}{}", declared("ISO-8859-1")).as_bytes()), "é");
    for little in [true, false] {
        assert_eq!(part_id(None, &utf16(&declared("UTF-16"), little, true)), "é");
        assert_eq!(part_id(None, &utf16(&declared("UTF-8"), little, false)), "é");
    }
    // Declared as UTF-16 or as something unknown, and plainly neither.
    assert_eq!(part_id(None, declared("UTF-16").as_bytes()), "é");
    assert_eq!(part_id(None, declared("x-nonsense").as_bytes()), "é");
    // Declared as UTF-8 and none: the byte is lost, the answer is not.
    assert_eq!(part_id(None, &latin1(&declared("UTF-8"))), "\u{FFFD}");
    for bytes in [&[0xFF, 0xFE, 0, 0, b'<', 0, 0, 0][..], &[0, 0, 0xFE, 0xFF, 0, 0, 0, b'<']] {
        assert!(matches!(read_bytes(None, bytes), Err(AnswerError::Encoding)));
    }
}

#[test]
fn the_root_part_of_a_multipart_answer_is_read() {
    let xml = inventory("<partId>é</partId>");
    let part = |headers: &str, content: &str| format!("--b1\r\n{headers}\r\n\r\n{content}\r\n");
    let first = part("Content-Type: application/xop+xml; charset=UTF-8\r\nContent-ID: <root@x>", &xml);
    let other = part("Content-Type: image/png\r\nContent-ID: <other@x>", "--b2\r\nnot <xml>");
    let header = r#"multipart/related; type="application/xop+xml"; boundary="b1"; start-info="text/xml""#;
    let with_start = format!("{header}; start=\"<root@x>\"");
    assert_eq!(part_id(Some(header), format!("\r\n{first}{other}--b1--").as_bytes()), "é");
    assert_eq!(part_id(Some(header), format!("preamble\r\n{first}").as_bytes()), "é");
    assert_eq!(part_id(Some(&with_start), format!("{other}{first}--b1--").as_bytes()), "é");
    // A header without a boundary, and a header that lies.
    assert_eq!(part_id(Some("Multipart/Related"), first.as_bytes()), "é");
    assert_eq!(part_id(Some(header), xml.as_bytes()), "é");
    // The part's own charset.
    let bytes = latin1(&part("Content-Type: application/xop+xml; charset=ISO-8859-1", &xml));
    assert_eq!(part_id(Some(header), &bytes), "é");
    assert!(matches!(read_bytes(Some(header), b"--b1\r\n"), Err(AnswerError::NotXml(NotXml::Empty))));
    let encoded = part("Content-Transfer-Encoding: base64", "PEE+");
    assert!(matches!(read_bytes(Some(header), encoded.as_bytes()), Err(AnswerError::Encoding)));
}

#[test]
fn text_comes_in_pieces() {
    let part =
        part("<partId>A<![CDATA[&<]]><!-- no -->B&amp;&#x43;<x>no</x>&lt;&gt;&quot;&apos;<?pi no?>\r\nD</partId>");
    assert_eq!(part["partId"], "A&<B&C<>\"'\nD");
}

#[test]
fn no_entity_but_the_five_is_known() {
    for text in ["&nbsp;", "&xxe;", "&#xD800;", "&#1114112;", "&#;", "& "] {
        let result = read_bytes(None, inventory(&format!("<partId>{text}</partId>")).as_bytes());
        assert!(matches!(result, Err(AnswerError::Malformed)), "{text} {result:?}");
    }
}

#[test]
fn a_document_type_is_refused() {
    let bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]>{}",
        inventory(GOOD)
    );
    assert!(matches!(read_bytes(None, bomb.as_bytes()), Err(AnswerError::Doctype)));
    let outer = format!("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">{}", inventory(GOOD));
    assert!(matches!(read_bytes(None, outer.as_bytes()), Err(AnswerError::Doctype)));
    let late = inventory("<partId>P1</partId><!DOCTYPE x>");
    assert!(matches!(read_bytes(None, late.as_bytes()), Err(AnswerError::Doctype)));
}

#[test]
fn each_answer_that_is_no_xml_has_its_error() {
    for (body, expected) in [
        ("", NotXml::Empty),
        (" \r\n", NotXml::Empty),
        ("<!DOCTYPE html><html><body>Sorry</body></html>", NotXml::Html),
        ("<html><body>Sorry</body></html>", NotXml::Html),
        ("<HTML><br></HTML>", NotXml::Html),
        ("{\"error\": 1}", NotXml::Garbage),
        ("Service Unavailable", NotXml::Garbage),
        ("\u{0}\u{1}\u{2}", NotXml::Garbage),
    ] {
        let result = read_bytes(Some("text/xml"), body.as_bytes());
        assert!(matches!(result, Err(AnswerError::NotXml(kind)) if kind == expected), "{body} {result:?}");
    }
}

#[test]
fn another_element_is_no_answer() {
    for xml in [
        soap(""),
        soap("<GetInventoryResponse/>"),
        "<error>no</error>".to_owned(),
        "<Envelope/>".to_owned(),
        "<Envelope><GetInventoryLevelsResponse/></Envelope>".to_owned(),
    ] {
        let result = read_bytes(None, xml.as_bytes());
        assert!(matches!(result, Err(AnswerError::WrongElement)), "{xml} {result:?}");
    }
    // Beside others it is one.
    let json = read_bytes(None, soap("<Other/><GetInventoryLevelsResponse/>").as_bytes()).unwrap();
    assert_eq!(json, json!({"Inventory": null, "ServiceMessageArray": null}));
}

#[test]
fn an_answer_that_ends_early_is_no_answer() {
    let xml = inventory(GOOD);
    for end in 1..xml.len() {
        let result = read_bytes(None, &xml.as_bytes()[..end]);
        assert!(matches!(result, Err(AnswerError::Truncated)), "{} {result:?}", &xml[..end]);
    }
}

#[test]
fn malformed_xml_is_no_answer() {
    for inner in ["<partId>P1</partID>", "<partId>P1</x:partId>", "</PartInventory></partId>", "<partId a=>x"] {
        let result = read_bytes(None, inventory(inner).as_bytes());
        assert!(matches!(result, Err(AnswerError::Malformed)), "{inner} {result:?}");
    }
}

fn fault(xml: &str) -> (String, bool) {
    match read(&asked("getInventoryByProductV200"), xml) {
        Err(AnswerError::Fault { text, about_login }) => (text, about_login),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fault_of_either_version_is_an_error_with_its_text() {
    let old = soap(
        "<Fault><faultcode>soap:Server</faultcode><faultstring>Index was\n outside &amp; gone</faultstring><detail><x>no</x></detail></Fault>",
    );
    assert_eq!(fault(&old), ("Index was outside & gone".to_owned(), false));
    let new = soap(
        "<e:Fault xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Code><e:Value>e:Sender</e:Value></e:Code><e:Reason>\
         <e:Text xml:lang='en'>Login failed</e:Text><e:Text xml:lang='de'>Nein</e:Text></e:Reason></e:Fault>",
    );
    assert_eq!(fault(&new), ("Login failed".to_owned(), true));
    assert_eq!(fault(&soap("<Fault><faultcode>x:Y</faultcode></Fault>")).0, "x:Y");
    assert_eq!(fault(&soap("<Fault/>")).0, "no reason given");
    let long = soap(&format!("<Fault><faultstring>{}</faultstring></Fault>", "ü".repeat(100_000)));
    assert_eq!(fault(&long).0, "ü".repeat(200));
}

#[test]
fn missing_fields_are_null_and_missing_flags_have_their_defaults() {
    let part = part("<partId>P1</partId>");
    assert_eq!(part["partColor"], Value::Null);
    assert_eq!(
        (&part["mainPart"], &part["manufacturedItem"], &part["buyToOrder"]),
        (&json!(true), &json!(false), &json!(false))
    );
    assert_eq!(part.as_object().unwrap().len(), 12);
}

#[test]
fn a_single_item_is_a_list_and_an_empty_wrapper_is_null() {
    let one = part(
        "<partId>P1</partId><InventoryLocationArray><InventoryLocation><country>us</country></InventoryLocation></InventoryLocationArray>",
    );
    assert_eq!(one["InventoryLocationArray"]["InventoryLocation"].as_array().unwrap().len(), 1);
    assert_eq!(one["InventoryLocationArray"]["InventoryLocation"][0]["country"], "US");
    for empty in [
        "<InventoryLocationArray/>",
        "<InventoryLocationArray> \n </InventoryLocationArray>",
        "<InventoryLocationArray xsi:nil='true'/>",
        "<InventoryLocationArray><InventoryLocation/></InventoryLocationArray>",
        "<InventoryLocationArray><InventoryLocation><country> </country></InventoryLocation></InventoryLocationArray>",
        "<InventoryLocationArray i:nil='1'><InventoryLocation><country>US</country></InventoryLocation></InventoryLocationArray>",
    ] {
        assert_eq!(part(&format!("<partId>P1</partId>{empty}"))["InventoryLocationArray"], Value::Null, "{empty}");
    }
    let none = read(&asked("getInventoryByProductV200"), &inventory("")).unwrap();
    assert_eq!(json(&none)["Inventory"]["PartInventoryArray"], Value::Null);
}

#[test]
fn a_list_that_is_torn_apart_is_one_list() {
    let answer = read(
        &asked("getInventoryByProductV200"),
        &soap(
            "<GetInventoryLevelsResponse><Inventory><PartInventoryArray><PartInventory><partId>1</partId></PartInventory><x/>\
             <PartInventory><partId>2</partId></PartInventory></PartInventoryArray><productId>X</productId><productId>Y</productId>\
             <PartInventoryArray><PartInventory><partId>3</partId></PartInventory></PartInventoryArray></Inventory>\
             </GetInventoryLevelsResponse>",
        ),
    )
    .unwrap();
    let ids: Vec<_> = json(&answer)["Inventory"]["PartInventoryArray"]["PartInventory"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["partId"].clone())
        .collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(json(&answer)["Inventory"]["productId"], "X");
    let product = read(
        &asked("getProductV200"),
        &soap("<GetProductResponse><Product><description>a</description><productName>n</productName><description>b</description></Product></GetProductResponse>"),
    )
    .unwrap();
    assert!(
        text(&product)
            .starts_with("{\"Product\":{\"productId\":null,\"productName\":\"n\",\"description\":[\"a\",\"b\"]"),
        "{}",
        text(&product)
    );
}

#[test]
fn numbers_keep_their_digits_and_what_does_not_parse_is_passed_on() {
    let part = |value: &str| {
        part(&format!("<replenishmentLeadTime>{value}</replenishmentLeadTime><mainPart>{value}</mainPart>"))
    };
    for (sent, number) in [
        ("007", "7"),
        ("+5", "5"),
        ("-0", "-0"),
        (" 12 ", "12"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ] {
        let answer = read(
            &asked("getInventoryByProductV200"),
            &inventory(&format!("<replenishmentLeadTime>{sent}</replenishmentLeadTime>")),
        )
        .unwrap();
        assert!(text(&answer).contains(&format!("\"replenishmentLeadTime\":{number},")), "{}", text(&answer));
    }
    for sent in ["soon", "1.5", "1,000", "5-7", "0x10"] {
        assert_eq!(part(sent)["replenishmentLeadTime"], sent);
    }
    assert_eq!(
        (&part("TRUE")["mainPart"], &part("0")["mainPart"], &part("Y")["mainPart"]),
        (&json!(true), &json!(false), &json!("Y"))
    );
    let decimals = read(
        &asked("getOrderShipmentNotificationV100"),
        &soap(
            "<GetOrderShipmentNotificationResponse><OrderShipmentNotificationArray><OrderShipmentNotification><SalesOrderArray><SalesOrder>\
             <ShipmentLocationArray><ShipmentLocation><PackageArray><Package><length>309.60</length><width>.5</width><height>1e3</height>\
             <ItemArray><Item><purchaseOrderLineNumber>1.0</purchaseOrderLineNumber><quantity>10</quantity></Item><Item>\
             <purchaseOrderLineNumber>A1</purchaseOrderLineNumber></Item></ItemArray></Package></PackageArray></ShipmentLocation>\
             </ShipmentLocationArray></SalesOrder></SalesOrderArray></OrderShipmentNotification></OrderShipmentNotificationArray>\
             </GetOrderShipmentNotificationResponse>",
        ),
    )
    .unwrap();
    for piece in [
        "\"length\":309.60,",
        "\"width\":0.5,",
        "\"height\":\"1e3\",",
        "\"purchaseOrderLineNumber\":1,",
        "\"quantity\":10}",
        "\"purchaseOrderLineNumber\":\"A1\"",
    ] {
        assert!(text(&decimals).contains(piece), "{piece} {}", text(&decimals));
    }
}

#[test]
fn values_are_passed_on_as_sent_and_only_known_capitals_are_put_right() {
    let part = part(
        "<labelSize>xl</labelSize><partDescription> two  words </partDescription><lastModified>2024-01-01</lastModified>\
         <quantityAvailable><Quantity><uom>ea</uom><value>10.50</value></Quantity></quantityAvailable>",
    );
    assert_eq!(part["labelSize"], "XL");
    assert_eq!(part["partDescription"], " two  words ");
    assert_eq!(part["lastModified"], "2024-01-01");
    assert_eq!(part["quantityAvailable"]["Quantity"], json!({"uom": "EA", "value": "10.50"}));
    assert_eq!(self::part("<labelSize>Irregular</labelSize>")["labelSize"], "Irregular");
    assert_eq!(
        self::part("<lastModified>2024-01-01T10:00:00.1-05:00</lastModified>")["lastModified"],
        "2024-01-01T10:00:00.1-05:00"
    );
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_the_same() {
    struct Slow<'a>(&'a [u8], bool);
    impl tokio::io::AsyncRead for Slow<'_> {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            unreachable!()
        }
    }
    impl tokio::io::AsyncBufRead for Slow<'_> {
        fn poll_fill_buf(
            self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<&[u8]>> {
            let this = self.get_mut();
            this.1 = !this.1;
            if this.1 {
                context.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(Ok(&this.0[..this.0.len().min(1)]))
        }

        fn consume(self: std::pin::Pin<&mut Self>, amount: usize) {
            let this = self.get_mut();
            this.0 = &this.0[amount..];
        }
    }
    let xml = format!("<?xml version='1.0' encoding='utf-16'?>{}", inventory("<partId>日本 &amp; 😀</partId>"));
    for bytes in [xml.clone().into_bytes(), utf16(&xml, true, true)] {
        let request = asked("getInventoryByProductV200");
        let scrub = promostandards::Scrub::new(super::support::LOGIN);
        let answer = super::support::run(promostandards::read_answer(
            &request,
            None,
            Slow(&bytes, false),
            promostandards::Limits::default(),
            &scrub,
        ))
        .unwrap();
        assert_eq!(json(&answer)["Inventory"]["PartInventoryArray"]["PartInventory"][0]["partId"], "日本 & 😀");
        assert_eq!(answer.verdict, Verdict::Accepted);
    }
}
