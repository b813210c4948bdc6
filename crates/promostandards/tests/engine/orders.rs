//! Order bodies.

use promostandards::{Fault, Request};
use serde_json::{Value, json};

use super::support::{LOGIN, route};

/// The smallest body that the schema takes.
pub fn smallest() -> String {
    serde_json::json!({
        "orderType": "Blank", "orderNumber": "PO-1", "orderDate": "2023-06-15", "totalAmount": "309.60", "rush": false, "currency": "USD",
        "ShipmentArray": {"Shipment": [{
            "allowConsolidation": true, "blindShip": false, "packingListRequired": 0,
            "FreightDetails": {"carrier": "UPS", "service": "Ground"},
            "ShipTo": {"customerPickup": false, "ContactDetails": {"city": "Bonn"}, "shipmentId": 1},
        }]},
        "LineItemArray": {"LineItem": [{
            "lineNumber": "1", "description": "", "lineType": "New", "ToleranceDetails": {"tolerance": "AllowOverRun"},
            "allowPartialShipments": "true", "lineItemTotal": 309.6,
        }]},
        "termsAndConditions": "",
    })
    .to_string()
}

fn order(body: &str) -> Result<Request, Vec<Fault>> {
    route("sendPo").request("1.0.0", &[], &[], Some(body.as_bytes()))
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut body: Value = serde_json::from_str(&smallest()).unwrap();
    change(&mut body);
    body
}

fn xml(body: &str) -> String {
    let request = order(body).unwrap_or_else(|faults| panic!("{faults:?}"));
    String::from_utf8(request.envelope(LOGIN).unwrap().to_vec()).unwrap()
}

fn faults(body: &Value) -> Vec<String> {
    let faults = order(&body.to_string()).unwrap_err();
    faults.iter().map(|fault| format!("{} {}", fault.location.join("."), fault.kind)).collect()
}

#[test]
fn an_order_stands_in_the_schemas_order_whatever_the_clients() {
    let xml = xml(&smallest());
    let po = &xml[xml.find("<m:PO>").unwrap()..xml.find("</m:PO>").unwrap()];
    assert_eq!(
        po,
        "<m:PO><m:orderType>Blank</m:orderType><m:orderNumber>PO-1</m:orderNumber><m:orderDate>2023-06-15T00:00:00</m:orderDate>\
         <m:totalAmount>309.60</m:totalAmount><m:rush>false</m:rush><s:currency>USD</s:currency><m:ShipmentArray><s:Shipment>\
         <s:allowConsolidation>true</s:allowConsolidation><s:blindShip>false</s:blindShip><s:packingListRequired>false</s:packingListRequired>\
         <s:FreightDetails><s:carrier>UPS</s:carrier><s:service>Ground</s:service></s:FreightDetails><s:ShipTo><s:customerPickup>false\
         </s:customerPickup><s:ContactDetails><s:city>Bonn</s:city></s:ContactDetails><s:shipmentId>1</s:shipmentId></s:ShipTo></s:Shipment>\
         </m:ShipmentArray><m:LineItemArray><m:LineItem><m:lineNumber>1</m:lineNumber><s:description></s:description><m:lineType>New</m:lineType>\
         <s:ToleranceDetails><s:tolerance>AllowOverrun</s:tolerance></s:ToleranceDetails><m:allowPartialShipments>true</m:allowPartialShipments>\
         <m:lineItemTotal>309.6</m:lineItemTotal></m:LineItem></m:LineItemArray><m:termsAndConditions></m:termsAndConditions>"
    );
}

#[test]
fn an_order_may_be_wrapped_and_names_its_environment_in_either_place() {
    let bare = with(|body| body["environment"] = json!("STAGING"));
    let inside = json!({"po": bare});
    let outside = json!({"po": with(|_| ()), "environment": "STAGING"});
    for body in [&bare, &inside, &outside] {
        let request = order(&body.to_string()).unwrap();
        assert_eq!(request.body_environment(), Some("STAGING"));
        assert_eq!(xml(&body.to_string()), xml(&smallest()));
    }
    assert_eq!(order(&smallest()).unwrap().body_environment(), None);
    assert_eq!(order(&with(|body| body["environment"] = Value::Null).to_string()).unwrap().body_environment(), None);
    let torn = json!({"po": bare, "environment": "PROD"});
    assert_eq!(faults(&torn), ["body.environment repeated"]);
    assert_eq!(faults(&with(|body| body["environment"] = json!(1))), ["body.environment string_type"]);
    assert_eq!(faults(&json!({"po": {"x": 1}, "environment": "PROD"}))[0], "body.po.x extra_forbidden");
}

#[test]
fn the_digits_of_numbers_are_the_clients() {
    for (token, goes) in [
        ("309.60", "309.60"),
        ("0.10", "0.10"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("1e2", "100"),
        ("-5", "-5"),
        ("\"1.50\"", "1.50"),
        ("1.0E-2", "0.010"),
    ] {
        let body = smallest().replace("\"309.60\"", token);
        assert!(xml(&body).contains(&format!("<m:totalAmount>{goes}</m:totalAmount>")), "{token}");
    }
    for token in ["1e400", "\"NaN\"", "\"1,5\"", "true", "[]", "{}"] {
        let faults = order(&smallest().replace("\"309.60\"", token)).unwrap_err();
        assert_eq!(faults[0].location, ["body", "totalAmount"], "{token}");
    }
    // A number where text belongs keeps its digits too.
    assert!(xml(&smallest().replace("\"PO-1\"", "10.50")).contains("<m:orderNumber>10.50</m:orderNumber>"));
}

#[test]
fn values_without_content_are_left_out() {
    let body = with(|body| {
        body["paymentTerms"] = Value::Null;
        body["salesChannel"] = json!("");
        body["OrderContactArray"] = json!({"Contact": []});
        body["TaxInformationArray"] = json!({"TaxInformation": null});
        body["DigitalProof"] = json!({"required": null, "DigitalProofAddressArray": {"DigitalProofAddress": []}});
        body["LineItemArray"]["LineItem"][0]["Program"] = json!({});
    });
    assert_eq!(xml(&body.to_string()), xml(&smallest()));
}

#[test]
fn all_faults_of_an_order_come_at_once_with_their_places() {
    let body = with(|body| {
        body.as_object_mut().unwrap().remove("orderType");
        body["orderNumber"] = json!("");
        body["orderDate"] = json!("soon");
        body["rush"] = json!("perhaps");
        body["secretKey"] = json!("hush");
        body["currency"] = json!(null);
        body["LineItemArray"]["LineItem"][0]["lineNumber"] = json!("one");
        body["LineItemArray"]["LineItem"][0]["lineType"] = json!("Old");
        body["ShipmentArray"]["Shipment"] = json!([]);
        body["OrderContactArray"] = json!({"Contact": {"contactType": "Bill"}});
        body["promoCode"] = json!("x".repeat(65));
    });
    assert_eq!(
        faults(&body),
        [
            "body.secretKey extra_forbidden",
            "body.orderType missing",
            "body.orderNumber string_too_short",
            "body.orderDate datetime_parsing",
            "body.rush bool_parsing",
            "body.currency missing",
            "body.OrderContactArray.Contact list_type",
            "body.ShipmentArray.Shipment too_short",
            "body.LineItemArray.LineItem.0.lineNumber int_parsing",
            "body.LineItemArray.LineItem.0.lineType enum",
            "body.promoCode string_too_long",
        ]
    );
    assert!(!format!("{:?}", order(&body.to_string()).unwrap_err()).contains("hush"));
}

#[test]
fn a_body_that_is_no_order_is_a_fault() {
    for (body, expected) in [
        ("", "body missing"),
        ("  ", "body missing"),
        ("{", "body json_invalid"),
        ("[]", "body model_attributes_type"),
        ("null", "body model_attributes_type"),
        ("{\"po\": 1}", "body.po model_attributes_type"),
        ("{} {}", "body json_invalid"),
    ] {
        let fault = &order(body).unwrap_err()[0];
        assert_eq!(format!("{} {}", fault.location.join("."), fault.kind), expected, "{body}");
    }
    assert_eq!(order("\u{FEFF}{}").unwrap_err()[0].kind, "json_invalid");
    assert_eq!(route("sendPo").request("1.0.0", &[], &[], None).unwrap_err()[0].kind, "missing");
    assert_eq!(route("sendPo").request("1.0.0", &[], &[], Some(b"\"\xFF\"")).unwrap_err()[0].kind, "json_invalid");
}

#[test]
fn a_key_given_twice_is_a_fault() {
    let body = smallest().replacen('{', "{\"rush\":true,", 1);
    let fault = &order(&body).unwrap_err()[0];
    assert_eq!((fault.location.join("."), fault.kind), ("body.rush".to_owned(), "repeated"));
}

#[test]
fn a_hostile_body_is_refused_with_bounded_faults() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(order(&deep).unwrap_err()[0].kind, "recursion_loop");
    let nested = |depth: usize| {
        let program = format!("{}null{}", "{\"a\":".repeat(depth - 1), "}".repeat(depth - 1));
        order(&smallest().replacen('{', &format!("{{\"paymentTerms\":{program},"), 1))
    };
    assert!(nested(32).is_ok());
    assert_eq!(nested(33).unwrap_err()[0].kind, "recursion_loop");
    assert!(order(&smallest().replace("PO-1", &"[{\\\"".repeat(9))).is_ok());
    let keys: Vec<String> = (0..50_000).map(|number| format!("\"{number}{}\":1", "k".repeat(200))).collect();
    let faults = order(&format!("{{{}}}", keys.join(","))).unwrap_err();
    assert_eq!(faults.len(), 100);
    assert!(faults.iter().all(|fault| fault.location[1].len() <= 64));
    let many = with(|body| body["ShipmentArray"]["Shipment"] = Value::Array(vec![Value::Null; 10_001]));
    assert!(self::faults(&many).iter().any(|fault| fault == "body.ShipmentArray.Shipment too_long"));
}

/// A decoration with a list of typesets in either form.
fn decorated(typesets: &Value) -> Value {
    with(|body| {
        body["LineItemArray"]["LineItem"][0]["Configuration"] = json!({
            "preProductionProof": false,
            "LocationArray": {"Location": [{"locationLinkId": 1, "locationId": 2, "DecorationArray": {"Decoration": [{
                "decorationId": "3", "Artwork": {"TypesetArray": typesets},
            }]}}]},
        });
    })
}

#[test]
fn typesets_are_a_bare_list_or_wrapped() {
    let list = json!([{"sequenceNumber": 1, "value": "Hi", "fontSize": 10.50}]);
    let bare = xml(&decorated(&list).to_string().replace("10.5,", "10.50,").replace("10.5}", "10.50}"));
    let wrapped = xml(&decorated(&json!({"Typeset": list})).to_string());
    assert!(wrapped.contains("<s:TypesetArray><s:Typeset><s:fontSize>10.5</s:fontSize><s:sequenceNumber>1</s:sequenceNumber><s:value>Hi</s:value></s:Typeset></s:TypesetArray>"), "{wrapped}");
    assert_eq!(bare.replace("10.50<", "10.5<"), wrapped);
    assert!(!xml(&decorated(&json!([])).to_string()).contains("TypesetArray"));
    assert_eq!(
        faults(&decorated(&json!([{"value": "x"}]))),
        [
            "body.LineItemArray.LineItem.0.Configuration.LocationArray.Location.0.DecorationArray.Decoration.0.Artwork.TypesetArray.0.sequenceNumber missing",
        ]
    );
}

#[test]
fn the_vendors_contact_type_is_sent_as_it_is() {
    let contact = |kind: &str| {
        with(|body| {
            body["OrderContactArray"] = json!({"Contact": [{"contactType": kind, "ContactDetails": {"city": "Bonn"}}]});
        })
        .to_string()
    };
    assert!(xml(&contact("ship")).contains("<s:contactType>Ship</s:contactType>"));
    assert!(xml(&contact("BILL")).contains("<s:contactType>Bill</s:contactType>"));
    assert!(order(&contact("Friend")).is_err());
}
