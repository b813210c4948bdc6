//! A small supplier for `credenza dev --demo-supplier`: a server of `PromoStandards` on loopback, so that a first walk ends with
//! a real call. It takes every login but one whose password is `wrong`, and names the user in its answers.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use promostandards::sample::{self, Called};
use promostandards::{ReadRequest, Standard, read_request};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::calls::standard::standard;

/// The service versions that it offers.
pub const SERVICES: [(&str, &str); 6] =
    [("INV", "1.2.1"), ("INV", "2.0.0"), ("Product", "2.0.0"), ("PPC", "1.0.0"), ("ODRSTAT", "2.0.0"), ("PO", "1.0.0")];

/// The password that it refuses.
const WRONG: &str = "wrong";

/// A running supplier; it ends when it is dropped.
pub struct DemoSupplier {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for DemoSupplier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl DemoSupplier {
    /// Starts it on a free port of loopback.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the demo supplier has ended");
            }
        });
        Ok(Self { address, task })
    }

    /// The URL of a service.
    pub fn url(&self, service: &str, version: &str) -> String {
        format!("http://{}/{service}/{version}", self.address)
    }
}

async fn answer(headers: HeaderMap, body: Bytes) -> Response {
    let action = headers.get("soapaction").and_then(|action| action.to_str().ok()).unwrap_or_default();
    let Ok(standard) = standard() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let (status, xml) = match read_request(standard, action.trim_matches('"'), &body) {
        Ok(request) => (StatusCode::OK, said(standard, &request)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, Some(sample::fault(&error.to_string()))),
    };
    let xml = xml.unwrap_or_else(|| sample::fault("the demo supplier has no answer to this"));
    (status, [(CONTENT_TYPE, "text/xml; charset=utf-8")], xml).into_response()
}

fn said(standard: &Standard, request: &ReadRequest) -> Option<String> {
    let called = Called { service: &request.service, version: &request.version, operation: &request.operation };
    if request.password.as_str() == WRONG {
        return sample::message(standard, called, 105, "Authentication Credentials failed");
    }
    match contents(request) {
        Some(contents) => match sample::compose(standard, called, &contents.to_string()) {
            Ok(answer) => Some(answer),
            Err(faults) => Some(sample::fault(&format!("the demo supplier has a fault: {faults:?}"))),
        },
        None => sample::message(standard, called, 125, "Not supported by the demo supplier"),
    }
}

/// The contents of an answer, by the names of the schema; none for what it does not support.
fn contents(request: &ReadRequest) -> Option<Value> {
    let asked = |name: &str| request.value(name).unwrap_or("PRODUCT123").to_owned();
    let for_whom = format!("Ceramic mug, as {} may see it", request.username);
    match (request.service.as_str(), request.version.as_str(), request.operation.as_str()) {
        ("INV", "2.0.0", "getInventoryLevels") => Some(json!({
            "Inventory": {
                "productId": asked("productId"),
                "PartInventoryArray": { "PartInventory": [{
                    "partId": format!("{}-BLUE", asked("productId")),
                    "mainPart": true,
                    "partColor": "Blue",
                    "partDescription": for_whom,
                    "quantityAvailable": { "Quantity": { "uom": "EA", "value": "1440" } },
                    "manufacturedItem": false,
                    "buyToOrder": false,
                    "lastModified": "2026-01-02T03:04:05Z",
                }] },
            },
        })),
        ("INV", "1.2.1", "getInventoryLevels") => Some(json!({
            "productID": asked("productID"),
            "ProductVariationInventoryArray": { "ProductVariationInventory": [{
                "partID": format!("{}-BLUE", asked("productID")),
                "partDescription": for_whom,
                "quantityAvailable": "1440",
            }] },
        })),
        ("Product", "2.0.0", "getProduct") => Some(json!({
            "Product": {
                "productId": asked("productId"),
                "productName": "Ceramic mug",
                "description": ["A mug of 11 ounces.", for_whom],
                "export": true,
                "ProductPriceGroupArray": { "ProductPriceGroup": [{
                    "ProductPriceArray": { "ProductPrice": [
                        { "quantityMin": 72, "quantityMax": 143, "price": "4.30", "discountCode": "R" },
                    ] },
                    "groupName": "Mugs",
                    "currency": "USD",
                }] },
                "FobPointArray": { "FobPoint": [{
                    "fobId": "1", "fobCity": "Dallas", "fobState": "TX", "fobPostalCode": "75201", "fobCountry": "US",
                }] },
                "lastChangeDate": "2026-01-02T03:04:05Z",
                "creationDate": "2025-01-02T03:04:05Z",
                "ProductPartArray": { "ProductPart": [{
                    "partId": format!("{}-BLUE", asked("productId")),
                    "countryOfOrigin": "US",
                    "ColorArray": { "Color": [{ "colorName": "Blue" }] },
                }] },
            },
        })),
        ("Product", "2.0.0", "getProductSellable") => Some(json!({
            "ProductSellableArray": { "ProductSellable": [
                { "productId": "PRODUCT123", "partId": "PRODUCT123-BLUE" },
                { "productId": "PRODUCT456", "partId": "PRODUCT456-RED" },
            ] },
        })),
        ("PPC", "1.0.0", "getFobPoints") => Some(json!({
            "FobPointArray": { "FobPoint": [{
                "fobId": "1", "fobCity": "Dallas", "fobState": "TX", "fobPostalCode": "75201", "fobCountry": "US",
                "CurrencySupportedArray": { "CurrencySupported": [{ "currency": "USD" }] },
                "ProductArray": { "Product": [{ "productId": asked("productId") }] },
            }] },
        })),
        ("ODRSTAT", "2.0.0", "getServiceMethods") => {
            Some(json!({ "ServiceMethodArray": { "serviceMethod": ["getOrderStatus", "getServiceMethods"] } }))
        }
        ("PO", "1.0.0", "sendPO") => Some(json!({ "transactionId": format!("DEMO-{}", asked("PO.orderNumber")) })),
        ("PO", "1.0.0", "getSupportedOrderTypes") => {
            Some(json!({ "supportedOrderTypes": ["Blank", "Sample", "Simple"] }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use promostandards::sample::Fill;

    use super::*;

    #[test]
    fn each_operation_of_its_services_has_an_answer() {
        let standard = standard().unwrap();
        for called in sample::operations(standard).filter(|called| SERVICES.contains(&(called.service, called.version)))
        {
            let xml = sample::request(standard, called, Fill::Required).unwrap();
            let request = read_request(standard, called.operation, xml.as_bytes()).unwrap();
            let said = said(standard, &request).unwrap_or_default();
            assert!(said.contains("Envelope") && !said.contains("Fault"), "{called:?}: {said}");
        }
    }
}
