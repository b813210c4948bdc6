//! Messages and verdicts.

use promostandards::sample::{self, Called};
use promostandards::{Severity, Verdict};
use serde_json::json;

use super::support::{STANDARD, asked, asked_of, json, read, soap};

#[test]
fn each_service_refuses_a_login_in_its_own_form() {
    for route in STANDARD.routes() {
        for version in route.versions() {
            let request = asked_of(route.id(), version);
            let table = if route.service() == "MED" { "1.1.0" } else { request.ws_version() };
            let called = Called { service: route.service(), version: table, operation: route.operation() };
            let xml = sample::message(&STANDARD, called, 105, "Authentication Credentials failed").unwrap();
            let answer = read(&request, &xml).unwrap();
            assert_eq!(answer.verdict, Verdict::Refused { code: 105 }, "{}", route.id());
            assert!(!answer.complete_without_error && !answer.verdict.only_this_service());
            assert_eq!((answer.messages[0].code, answer.messages[0].severity), (Some(105), Severity::Error));
            assert!(answer.messages[0].description.contains("Authentication Credentials failed"));
            let json = json(&answer);
            let filled: Vec<_> = json
                .as_object()
                .unwrap()
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, _)| key.as_str())
                .collect();
            let error = filled.iter().any(|key| ["ServiceMessageArray", "ErrorMessage", "errorMessage"].contains(key));
            assert!(error, "{} {filled:?}", route.id());
        }
    }
}

fn inventory(messages: &str, data: bool) -> promostandards::Answer {
    let data = if data { "<Inventory><productId>X</productId></Inventory>" } else { "" };
    read(
        &asked("getInventoryByProductV200"),
        &soap(&format!("<GetInventoryLevelsResponse>{data}<ServiceMessageArray>{messages}</ServiceMessageArray></GetInventoryLevelsResponse>")),
    )
    .unwrap()
}

fn message(code: &str, severity: &str) -> String {
    format!(
        "<ServiceMessage><code>{code}</code><description>d</description><severity>{severity}</severity></ServiceMessage>"
    )
}

#[test]
fn the_verdict_is_the_worst_of_the_messages() {
    let verdict = |messages: &[&str], data| {
        let messages: String = messages.iter().map(|code| message(code, "Error")).collect();
        inventory(&messages, data).verdict
    };
    assert_eq!(verdict(&[], true), Verdict::Accepted);
    assert_eq!(verdict(&[], false), Verdict::Silent);
    assert_eq!(verdict(&["999"], false), Verdict::Silent);
    assert_eq!(verdict(&["999"], true), Verdict::Accepted);
    assert_eq!(verdict(&["600"], false), Verdict::Accepted);
    assert_eq!(verdict(&["600", "105", "100"], true), Verdict::Refused { code: 105 });
    assert_eq!(verdict(&["104"], false), Verdict::Refused { code: 104 });
    assert!(verdict(&["104"], false).only_this_service());
    assert_eq!(verdict(&["one hundred"], false), Verdict::Silent);
    let many: Vec<&str> = std::iter::repeat_n("999", 500).chain(["110"]).collect();
    assert_eq!(verdict(&many, false), Verdict::Refused { code: 110 });
}

#[test]
fn an_answer_may_be_kept_if_no_message_is_an_error() {
    assert!(inventory(&message("999", "warning"), true).complete_without_error);
    assert!(inventory(&message("999", "Information"), true).complete_without_error);
    assert!(!inventory(&message("999", "Error"), true).complete_without_error);
    assert!(!inventory(&message("999", "strange"), true).complete_without_error);
    assert!(!inventory(&message("600", "Information"), false).messages.is_empty());
    assert!(!inventory("", false).complete_without_error);
}

#[test]
fn a_message_without_severity_is_an_error_and_capitals_are_put_right() {
    let answer = inventory("<ServiceMessage><code>160</code><description>d</description></ServiceMessage>", false);
    assert_eq!(
        json(&answer)["ServiceMessageArray"]["ServiceMessage"][0],
        json!({"code": 160, "description": "d", "severity": "Error"})
    );
    assert_eq!(answer.messages[0].severity, Severity::Error);
    let severities = [("warning", "Warning"), ("INFORMATION", "Information"), ("fatal", "Fatal")];
    for (sent, shown) in severities {
        assert_eq!(
            json(&inventory(&message("1", sent), false))["ServiceMessageArray"]["ServiceMessage"][0]["severity"],
            shown
        );
    }
}

#[test]
fn the_echo_of_a_product_id_is_no_verdict() {
    let request = asked("getInventoryByProductV121");
    let reply =
        |inner: &str| read(&request, &soap(&format!("<Reply><productID>X</productID>{inner}</Reply>"))).unwrap();
    assert_eq!(reply("").verdict, Verdict::Silent);
    assert_eq!(reply("<errorMessage>something is wrong</errorMessage>").verdict, Verdict::Silent);
    assert_eq!(reply("<errorMessage>Authentication failed</errorMessage>").verdict, Verdict::Silent);
    assert_eq!(reply("<errorMessage>600: no such product</errorMessage>").verdict, Verdict::Accepted);
    assert_eq!(
        reply("<CustomMessageArray><customMessage>hello</customMessage></CustomMessageArray>").verdict,
        Verdict::Silent
    );
    let data = "<ProductVariationInventoryArray><ProductVariationInventory><partID>1</partID></ProductVariationInventory></ProductVariationInventoryArray>";
    assert_eq!(reply(data).verdict, Verdict::Accepted);
}

#[test]
fn an_order_with_a_transaction_and_a_warning_has_both() {
    let xml = soap(&format!(
        "<SendPOResponse><transactionId>T1</transactionId><ServiceMessageArray>{}</ServiceMessageArray></SendPOResponse>",
        message("250", "Warning")
    ));
    let answer = read(&asked("sendPo"), &xml).unwrap();
    assert_eq!(json(&answer)["transactionId"], "T1");
    assert_eq!(json(&answer)["ServiceMessageArray"]["ServiceMessage"][0]["code"], 250);
    assert_eq!(answer.verdict, Verdict::Accepted);
}

#[test]
fn lists_become_bare_and_values_become_objects_where_the_vendor_has_them_so() {
    let xml = soap(
        "<Reply><productID>X</productID><CustomMessageArray><customMessage>a</customMessage><customMessage>b</customMessage></CustomMessageArray></Reply>",
    );
    assert_eq!(
        json(&read(&asked("getInventoryByProductV121"), &xml).unwrap())["CustomMessageArray"],
        json!(["a", "b"])
    );
    let xml = soap(
        "<GetServiceMethodsResponse><ServiceMethodArray><serviceMethod>getIssue</serviceMethod><serviceMethod> </serviceMethod></ServiceMethodArray></GetServiceMethodsResponse>",
    );
    assert_eq!(
        json(&read(&asked("getServiceMethodsV200"), &xml).unwrap())["ServiceMethodArray"],
        json!({"ServiceMethod": [{"serviceMethod": "getIssue"}]})
    );
}
