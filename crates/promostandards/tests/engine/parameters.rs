//! Parameters of a call, and what is sent for them.

use std::collections::BTreeMap;

use promostandards::{Fault, Login, LoginField, ParameterKind, Request, read_request};

use super::support::{LOGIN, STANDARD, route};

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn call(id: &str, pairs: &[(&str, &str)]) -> Result<Request, Vec<Fault>> {
    call_of(id, "X1", pairs)
}

fn call_of(id: &str, product: &str, pairs: &[(&str, &str)]) -> Result<Request, Vec<Fault>> {
    let route = route(id);
    let version = route.versions().last().unwrap();
    route.request(version, &[("product_id", product), ("issue_id", "I1")], &query(pairs), None)
}

fn xml(request: &Request) -> String {
    String::from_utf8(request.envelope(LOGIN).unwrap().to_vec()).unwrap()
}

/// The values that go out, by path.
fn sent(id: &str, pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    let request = call(id, pairs).unwrap();
    let back = read_request(&STANDARD, request.soap_action(), &request.envelope(LOGIN).unwrap()).unwrap();
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, value) in back.values {
        values.entry(path).or_default().push(value);
    }
    values
}

/// The faults, as `place message (kind)`.
fn faults(id: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let faults = call(id, pairs).unwrap_err();
    faults.iter().map(|fault| format!("{} {}", fault.location.join("."), fault.kind)).collect()
}

#[test]
fn a_request_stands_in_the_schemas_order_and_namespaces() {
    let request = call(
        "getInventoryByProductV200",
        &[("size", "xl"), ("color", "Red & <Blue>"), ("part_id", "P1"), ("part_id", "P2")],
    )
    .unwrap();
    assert_eq!(
        xml(&request),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:m=\"http://www.promostandards.org/WSDL/Inventory/2.0.0/\" \
         xmlns:s=\"http://www.promostandards.org/WSDL/Inventory/2.0.0/SharedObjects/\"><soap:Body><m:GetInventoryLevelsRequest>\
         <s:wsVersion>2.0.0</s:wsVersion><s:id>sentinel-user</s:id><s:password>S3nt&amp;nel&lt;pw&gt;</s:password>\
         <s:productId>X1</s:productId><s:Filter><s:partIdArray><s:partId>P1</s:partId><s:partId>P2</s:partId></s:partIdArray>\
         <s:LabelSizeArray><s:labelSize>XL</s:labelSize></s:LabelSizeArray><s:PartColorArray><s:partColor>Red &amp; &lt;Blue&gt;\
         </s:partColor></s:PartColorArray></s:Filter></m:GetInventoryLevelsRequest></soap:Body></soap:Envelope>"
    );
    assert_eq!(request.soap_action(), "getInventoryLevels");
}

#[test]
fn the_traps_of_the_services_are_kept() {
    let old = xml(&call("getInventoryByProductV121", &[]).unwrap());
    assert!(old.contains("<m:Request><m:wsVersion>1.2.1</m:wsVersion>"), "{old}");
    assert!(old.contains("<m:productID>X1</m:productID><m:productIDtype>Supplier</m:productIDtype></m:Request>"));
    let colors = xml(&call("getDecorationColors", &[("location_id", "5")]).unwrap());
    assert!(
        colors.contains("<s:locationId>5</s:locationId><s:productId>X1</s:productId><s:localizationCountry>US<"),
        "{colors}"
    );
    assert_eq!(
        call("getMediaDateModified", &[("since", "2024-01-01")]).unwrap().soap_action(),
        "urn:getMediaDateModified"
    );
    let status = xml(&call("getOrderStatusDetailsV100", &[("query_type", "all_open_search")]).unwrap());
    assert!(status.ends_with("<m:queryType>4</m:queryType><m:statusTimeStamp xsi:nil=\"true\"/></m:GetOrderStatusDetailsRequest></soap:Body></soap:Envelope>"), "{status}");
    let status =
        xml(&call("getOrderStatusDetailsV100", &[("query_type", "PO_SEARCH"), ("status_timestamp", "2024-01-01")])
            .unwrap());
    assert!(status.contains("<m:statusTimeStamp>2024-01-01T00:00:00</m:statusTimeStamp>"), "{status}");
    let shipments = xml(&call(
        "getOrderShipmentNotificationV100",
        &[("query_type", "SHIP_DATE_SEARCH"), ("shipment_date_timestamp", "2024-01-01T10:00:00Z")],
    )
    .unwrap());
    assert!(
        shipments.contains("<m:queryType>3</m:queryType><m:shipmentDateTimeStamp>2024-01-01T10:00:00Z<"),
        "{shipments}"
    );
    let shipments = xml(&call(
        "getOrderShipmentNotificationV200",
        &[("query_type", "SHIP_DATE_SEARCH"), ("shipment_date_timestamp", "2024-01-01T10:00:00Z")],
    )
    .unwrap());
    assert!(shipments.contains("<s:queryType>3</s:queryType><s:shipmentDateTimestamp>"), "{shipments}");
}

#[test]
fn defaults_and_constants_are_sent() {
    let product = sent("getProductV200", &[]);
    assert_eq!(product["localizationCountry"], ["US"]);
    assert_eq!(product["localizationLanguage"], ["en"]);
    assert_eq!(sent("getMediaContentV110", &[])["mediaType"], ["Image"]);
    assert_eq!(sent("getProductSellableV200", &[])["isSellable"], ["true"]);
    assert_eq!(sent("getAllSellables", &[])["localizationCountry"], ["US"]);
    let old = route("getAllSellables").request("1.0.0", &[], &query(&[("line_name", "x")]), None).unwrap();
    assert!(!xml(&old).contains("localizationCountry") && !xml(&old).contains("lineName"));
}

#[test]
fn a_real_product_id_wins_over_the_path() {
    assert_eq!(sent("getProductV200", &[("real_product_id", "A/B")])["productId"], ["A/B"]);
    assert_eq!(sent("getProductV200", &[("real_product_id", "")])["productId"], ["X1"]);
    // Also over one that could not be sent.
    let long = "x".repeat(65);
    assert!(call_of("getProductV200", &long, &[("real_product_id", "A/B")]).is_ok());
    assert_eq!(call_of("getProductV200", &long, &[]).unwrap_err()[0].location, ["path", "product_id"]);
    assert_eq!(call_of("getProductV200", " ", &[]).unwrap_err()[0].kind, "missing");
}

#[test]
fn booleans_come_in_any_spelling() {
    for (given, goes) in [("1", "true"), ("True", "true"), ("TRUE", "true"), ("0", "false"), ("fAlse", "false")] {
        assert_eq!(sent("getProductSellableV200", &[("is_sellable", given)])["isSellable"], [goes]);
    }
    assert_eq!(faults("getProductSellableV200", &[("is_sellable", "yes")]), ["query.is_sellable bool_parsing"]);
}

#[test]
fn a_blank_in_a_time_is_a_plus() {
    let since = |given| sent("getProductDateModifiedV200", &[("since", given)])["changeTimeStamp"][0].clone();
    assert_eq!(since("2024-01-01T00:00:00 00:00"), "2024-01-01T00:00:00+00:00");
    assert_eq!(since("2024-01-01"), "2024-01-01T00:00:00");
    assert_eq!(faults("getProductDateModifiedV200", &[("since", "2024-02-30")]), ["query.since datetime_parsing"]);
    let invoices = sent("getInvoices", &[("query_type", "DATE"), ("requested_date", "2024-01-31T10:00:00Z")]);
    assert_eq!(invoices["requestedDate"], ["2024-01-31"]);
}

#[test]
fn enumerations_ignore_case_and_outdated_lists_are_not_checked() {
    assert_eq!(sent("getMediaContentV110", &[("media_type", "VIDEO")])["mediaType"], ["Video"]);
    assert_eq!(faults("getMediaContentV110", &[("media_type", "Film")]), ["query.media_type enum"]);
    let price = |currency, price_type| {
        call("getConfigurationAndPricing", &[("currency", currency), ("fob_id", "1"), ("price_type", price_type)])
    };
    assert!(xml(&price("byn", "net").unwrap()).contains("<s:currency>BYN</s:currency>"));
    assert_eq!(price("usd", "customer").unwrap().price_type(), Some("Customer"));
    assert!(
        price("usd", "customer").unwrap().is_customer_price() && !price("usd", "list").unwrap().is_customer_price()
    );
    assert_eq!(
        sent("getInventoryByProductV200", &[("size", "youth s")])["Filter.LabelSizeArray.labelSize"],
        ["YOUTH S"]
    );
    assert_eq!(sent("getFilterValuesV121", &[("product_id_type", "distributor")])["productIDtype"], ["Distributor"]);
    let fault = &call("getFilterValuesV121", &[("product_id_type", "x")]).unwrap_err()[0];
    assert_eq!(fault.message, "Input should be 'Distributor' or 'Supplier'");
}

#[test]
fn all_faults_come_at_once_and_repeat_no_value() {
    let secret = "zzz".repeat(30);
    let faults = call(
        "getConfigurationAndPricing",
        &[("fob_id", &secret), ("price_type", "zzz"), ("part_id", "a\u{1}zzz"), ("localization_country", "zzz")],
    )
    .unwrap_err();
    let kinds: Vec<_> = faults.iter().map(|fault| (fault.location[1].as_str(), fault.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("currency", "missing"),
            ("fob_id", "string_too_long"),
            ("price_type", "enum"),
            ("part_id", "string_characters"),
            ("localization_country", "string_too_long"),
        ]
    );
    assert!(!format!("{faults:?}").contains("zzz"));
    assert_eq!(faults[1].message, "String should have at most 64 characters");
    assert_eq!(self::faults("getInvoices", &[]), ["query.query_type missing"]);
    assert_eq!(
        self::faults("getDecorationColors", &[("location_id", "1.5"), ("decoration_id", "99999999999")]),
        ["query.location_id int_parsing", "query.decoration_id int_parsing_size",]
    );
}

#[test]
fn a_parameter_given_twice_is_a_fault_and_an_unknown_one_is_ignored() {
    assert_eq!(
        faults("getProductV200", &[("localization_country", "US"), ("localization_country", "CA")]),
        ["query.localization_country repeated"]
    );
    assert_eq!(
        sent("getProductV200", &[("nonsense", "1"), ("localization_country", ""), ("localization_country", "CA")])["localizationCountry"],
        ["CA"]
    );
    assert_eq!(
        faults("getInventoryByProductV200", &[("part_id", "ok"), ("part_id", "a\u{0}")]),
        ["query.part_id.1 string_characters"]
    );
    assert!(
        !sent("getInventoryByProductV200", &[("part_id", ""), ("part_id", " ")])
            .contains_key("Filter.partIdArray.partId")
    );
}

#[test]
fn equal_calls_are_equal_in_their_canonical_form() {
    let one = call("getInventoryByProductV200", &[("part_id", "P1"), ("color", "Red"), ("size", "xl")]).unwrap();
    let other = call_of(
        "getInventoryByProductV200",
        "ignored",
        &[("size", "XL"), ("color", "Red"), ("part_id", "P1"), ("real_product_id", "X1"), ("x", "y")],
    )
    .unwrap();
    assert_eq!(one.canonical(), other.canonical());
    let third = call("getInventoryByProductV200", &[("part_id", "P1"), ("color", "Red")]).unwrap();
    assert_ne!(one.canonical(), third.canonical());
    // The same operation in another shape, and another version of the same messages.
    assert_ne!(
        call("getAllSellables", &[]).unwrap().canonical(),
        call("getAllSellableProductIds", &[]).unwrap().canonical()
    );
    assert_ne!(
        call("getMediaContentV100", &[]).unwrap().canonical(),
        call("getMediaContentV110", &[]).unwrap().canonical()
    );
}

#[test]
fn a_login_that_xml_cannot_carry_is_refused_with_the_name_of_its_part() {
    let request = call("getProductV200", &[]).unwrap();
    let field = |username, password| request.envelope(Login { username, password }).unwrap_err().field;
    assert_eq!(field("a\u{8}", "p"), LoginField::Username);
    assert_eq!(field("a", "p\u{FFFF}"), LoginField::Password);
    assert_eq!(
        request.envelope(Login { username: "a", password: "p\u{0}" }).unwrap_err().to_string(),
        "the password has a character that XML cannot carry"
    );
    // Its length is the supplier's business.
    let long = "x".repeat(200);
    assert!(request.envelope(Login { username: &long, password: "" }).is_ok());
    let back = |password| {
        let xml = request.envelope(Login { username: "u", password }).unwrap();
        read_request(&STANDARD, "getProduct", &xml).unwrap().password.to_string()
    };
    for password in [" a  b ", "\r\n\t", "]]>", "&amp;", "😀", "<![CDATA[x]]>", "\"'"] {
        assert_eq!(back(password), password);
    }
}

#[test]
fn parameters_tell_what_the_document_needs() {
    let parameters = route("getInventoryByProductV200").parameters("2.0.0");
    let size = parameters.iter().find(|parameter| parameter.name() == "size").unwrap();
    assert!(size.many() && !size.required() && size.allowed().is_empty());
    let location = &route("getDecorationColors").parameters("1.0.0")[2];
    assert_eq!((location.name(), location.kind(), location.required()), ("location_id", ParameterKind::Integer, true));
    let since = &route("getProductDateModifiedV200").parameters("2.0.0")[0];
    assert_eq!((since.kind(), since.schema()["format"].as_str()), (ParameterKind::DateTime, Some("date-time")));
    let sellable = &route("getProductSellableV200").parameters("2.0.0")[0];
    assert_eq!(sellable.schema(), serde_json::json!({"type": "boolean", "default": true}));
    assert!(route("getProductV200").request("9.9.9", &[], &[], None).is_err());
}

#[test]
fn a_schema_of_a_parameter_allows_only_values_that_are_taken() {
    let schema = |id: &str, name: &str| {
        let route = route(id);
        let parameters = route.parameters(route.versions().last().unwrap());
        parameters.iter().find(|parameter| parameter.name() == name).unwrap().schema()
    };
    let location = schema("getDecorationColors", "location_id");
    assert_eq!((&location["minimum"], &location["maximum"]), (&i32::MIN.into(), &i32::MAX.into()));
    assert!(schema("getProductDateModifiedV200", "since").get("pattern").is_none());
    // A required text is not blank; any other may be.
    let currency = schema("getConfigurationAndPricing", "currency");
    assert!(currency["pattern"].as_str().unwrap().contains(r"[^\s"), "{currency}");
    assert_eq!(faults("getConfigurationAndPricing", &[("currency", " ")])[0], "query.currency missing");
}
