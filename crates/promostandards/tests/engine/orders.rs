//! Order bodies.

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
