//! Answers that are made from the supplier's.

use serde_json::json;

use super::support::{asked, asked_of, json, read, soap};

const SELLABLES: &str = "<ProductSellableArray><ProductSellable><productId>B</productId><partId>B1</partId></ProductSellable>\
    <ProductSellable><partId>A1</partId><productId>A</productId></ProductSellable><ProductSellable><productId>B</productId><partId>B2</partId>\
    </ProductSellable><ProductSellable><productId>C</productId></ProductSellable><ProductSellable><partId>lost</partId></ProductSellable>\
    </ProductSellableArray>";

#[test]
fn products_stand_in_the_order_in_which_they_are_first_seen() {
    let xml = soap(&format!("<GetProductSellableResponse>{SELLABLES}</GetProductSellableResponse>"));
    let ids = read(&asked_of("getAllSellableProductIds", "2.0.0"), &xml).unwrap();
    assert_eq!(json(&ids), json!({"count": 3, "products": ["B", "A", "C"], "ServiceMessageArray": null}));
    let variants = read(&asked_of("getAllSellables", "1.0.0"), &xml).unwrap();
    assert_eq!(
        json(&variants),
        json!({
            "count": 3,
            "products": [
                {"productId": "B", "variants": ["B1", "B2"], "no_variants": 2},
                {"productId": "A", "variants": ["A1"], "no_variants": 1},
                {"productId": "C", "variants": [], "no_variants": 0},
            ],
            "ServiceMessageArray": null,
        })
    );
    assert!(variants.complete_without_error);
}

#[test]
fn the_message_of_either_version_is_a_service_message() {
    let expected = json!({
        "count": 0, "products": [],
        "ServiceMessageArray": {"ServiceMessage": [{"code": 105, "description": "no", "severity": "Error"}]},
    });
    let old = soap(
        "<GetProductSellableResponse><ErrorMessage><code>105</code><description>no</description></ErrorMessage></GetProductSellableResponse>",
    );
    let new = soap(
        "<GetProductSellableResponse><ServiceMessageArray><ServiceMessage><code>105</code><description>no</description><severity>error</severity>\
         </ServiceMessage></ServiceMessageArray></GetProductSellableResponse>",
    );
    for id in ["getAllSellables", "getAllSellableProductIds"] {
        assert_eq!(json(&read(&asked_of(id, "1.0.0"), &old).unwrap()), expected);
        assert_eq!(json(&read(&asked_of(id, "2.0.0"), &new).unwrap()), expected);
    }
}

#[test]
fn filter_values_of_1_2_1_have_the_shape_of_2_0_0() {
    let xml = soap(
        "<GetFilterValuesReply><productID>X</productID><FilterColorArray><filterColor>Red</filterColor><filterColor>Blue</filterColor>\
         </FilterColorArray><FilterSelectionArray><filterSelection>s</filterSelection></FilterSelectionArray></GetFilterValuesReply>",
    );
    let answer = read(&asked("getFilterValuesV121"), &xml).unwrap();
    assert_eq!(
        json(&answer),
        json!({
            "FilterValues": {"productId": "X", "Filter": {
                "partIdArray": null, "LabelSizeArray": null, "PartColorArray": {"partColor": ["Red", "Blue"]},
            }},
            "ServiceMessageArray": null,
        })
    );
    let refused = soap(
        "<GetFilterValuesReply><productID>X</productID><errorMessage>105: no</errorMessage></GetFilterValuesReply>",
    );
    let answer = read(&asked("getFilterValuesV121"), &refused).unwrap();
    assert_eq!(
        json(&answer),
        json!({
            "FilterValues": null,
            "ServiceMessageArray": {"ServiceMessage": [{"code": 105, "description": "105: no", "severity": "Error"}]},
        })
    );
    let torn = soap(
        "<GetFilterValuesReply><FilterSizeArray><filterSize>L</filterSize></FilterSizeArray><productID>X</productID></GetFilterValuesReply>",
    );
    let answer = read(&asked("getFilterValuesV121"), &torn).unwrap();
    assert_eq!(json(&answer)["FilterValues"]["Filter"]["LabelSizeArray"], json!({"labelSize": ["L"]}));
    assert_eq!(json(&answer)["FilterValues"]["productId"], "X");
}
