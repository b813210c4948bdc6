//! The content of the tables.

use std::collections::BTreeSet;
use std::time::Duration;

use promostandards::{Location, Method};

use super::support::{STANDARD, route};

#[test]
fn each_route_has_its_paths_and_the_short_ones_of_version_2() {
    let inventory = route("getInventoryByProductV200");
    let templates: Vec<_> =
        inventory.paths().iter().map(|path| (path.template.as_str(), path.version.as_str())).collect();
    assert_eq!(
        templates,
        [
            ("/v2.0.0/suppliers/{supplier_code}/inventory/{product_id}", "2.0.0"),
            ("/v2/suppliers/{supplier_code}/inventory/{product_id}", "2.0.0"),
        ]
    );
    let sellables = route("getAllSellables");
    let templates: Vec<_> = sellables.paths().iter().map(|path| path.template.as_str()).collect();
    assert_eq!(
        templates,
        [
            "/v1.0.0/suppliers/{supplier_code}/sellables",
            "/v2.0.0/suppliers/{supplier_code}/sellables",
            "/v2/suppliers/{supplier_code}/sellables",
        ]
    );
    let all: Vec<_> = STANDARD.routes().iter().flat_map(promostandards::Route::paths).collect();
    let different: BTreeSet<_> = all.iter().map(|path| &path.template).collect();
    assert_eq!(all.len(), different.len());
    assert!(
        all.iter().filter(|path| path.alias).all(|path| path.template.starts_with("/v2/") && path.version == "2.0.0")
    );
}

#[test]
fn media_content_1_0_0_has_endpoints_of_its_own_and_the_messages_of_1_1_0() {
    assert_eq!(route("getMediaContentV100").endpoint_version("1.0.0"), "1.0.0");
    assert_eq!(route("getMediaContentV110").endpoint_version("1.1.0"), "1.1.0");
    let request = super::support::asked("getMediaContentV100");
    let envelope = request.envelope(super::support::LOGIN).unwrap();
    let envelope = std::str::from_utf8(&envelope).unwrap();
    assert!(envelope.contains("<s:wsVersion>1.0.0</s:wsVersion>"), "{envelope}");
}

#[test]
fn orders_are_posts_and_never_kept() {
    for route in STANDARD.routes() {
        assert_eq!(route.is_order(), route.id() == "sendPo");
        assert_eq!(route.method() == Method::Post, route.is_order());
        let transactional = ["PO", "ODRSTAT", "OSN", "INVC"].contains(&route.service());
        assert_eq!(route.kept_for().is_none(), transactional, "{}", route.id());
        assert!(!route.summary().is_empty());
    }
    assert_eq!(route("getInventoryByProductV200").kept_for(), Some(Duration::from_hours(4)));
    assert_eq!(route("getProductV200").kept_for(), Some(Duration::from_hours(7 * 24)));
}

#[test]
fn each_service_version_of_a_route_has_a_probe_that_reads() {
    let probed: BTreeSet<_> =
        STANDARD.probes().iter().map(|probe| (probe.service.as_str(), probe.version.as_str())).collect();
    let routed: BTreeSet<_> = STANDARD
        .routes()
        .iter()
        .flat_map(|route| route.versions().map(|version| (route.service(), route.endpoint_version(version))))
        .collect();
    assert_eq!(probed, routed);
    assert!(STANDARD.probes().iter().all(|probe| probe.request.operation().starts_with("get")));
    let order: Vec<_> = STANDARD.probes().iter().take(3).map(|probe| probe.request.operation()).collect();
    assert_eq!(order, ["getSupportedOrderTypes", "getOrderStatusTypes", "getServiceMethods"]);
}

#[test]
fn each_answer_and_each_parameter_has_a_schema() {
    for route in STANDARD.routes() {
        for version in route.versions() {
            let schema = route.response_schema(version);
            assert_eq!(schema["type"], "object", "{}", route.id());
            assert!(!schema["properties"].as_object().unwrap().is_empty());
            for parameter in route.parameters(version) {
                assert!(parameter.schema().get("type").is_some(), "{} {}", route.id(), parameter.name());
                assert_eq!(parameter.name().is_empty(), parameter.location() == Location::Body);
            }
        }
        assert_eq!(route.body_schema().is_some(), route.is_order());
    }
    let body = route("sendPo").body_schema().unwrap();
    let artwork = body.pointer("/properties/LineItemArray/properties/LineItem/items/properties/Configuration/properties/LocationArray/properties/Location/items/properties/DecorationArray/properties/Decoration/items/properties/Artwork/properties").unwrap();
    assert_eq!(artwork["TypesetArray"]["type"], serde_json::json!(["array", "null"]));
    assert_eq!(body["properties"]["rush"]["type"], serde_json::json!(["boolean", "string"]));
    assert_eq!(body["properties"]["lastModified"]["type"], serde_json::json!(["string", "null"]));
    let query_type = route("getInvoices").parameters("1.0.0")[0].allowed();
    assert_eq!(query_type, ["AVAILABLE_DATE_TIME", "DATE", "INVOICE_NUMBER", "PO_NUMBER"]);
}
