//! The requests of the benchmark, as bytes on the wire.

use std::sync::Arc;

use credenza::types::Environment;
use serde_json::{Value, json};

use crate::furnish::SERVICE;
use crate::load::Request;
use crate::world::{Tenant, World, password, username};

/// One resolve for every entry, with the key of its account. Service credentials answer them: the level at which one value
/// is opened, which is what the floor does.
pub fn resolves(world: &World) -> Arc<Vec<Request>> {
    let resolve = |(tenant, supplier): (&Tenant, &str)| {
        let body = json!({
            "account_id": tenant.account,
            "supplier_code": supplier,
            "service": SERVICE.as_str(),
            "environment": Environment::Production.as_str(),
        });
        Request {
            bytes: with_body("POST", "/internal/v1/resolve", &tenant.key, &body),
            status: 200,
            field: format!(r#""password":"{}""#, password(tenant.account, supplier)).into_bytes(),
        }
    };
    Arc::new(world.entries().map(resolve).collect())
}

/// One write of base credentials for every entry, which says again what is stored.
pub fn writes(world: &World) -> Arc<Vec<Request>> {
    let write = |(tenant, supplier): (&Tenant, &str)| {
        let (username, password) = (username(tenant.account, supplier), password(tenant.account, supplier));
        let body = json!({
            "supplier_code": supplier,
            "production_username": username,
            "production_password": password,
        });
        Request {
            bytes: with_body("POST", "/extra/v2/credentials", &tenant.key, &body),
            status: 201,
            field: format!(r#""supplier_code":"{supplier}""#).into_bytes(),
        }
    };
    Arc::new(world.entries().map(write).collect())
}

/// One listing for every account.
pub fn listings(world: &World) -> Arc<Vec<Request>> {
    let listing = |tenant: &Tenant| Request {
        bytes: format!("GET /extra/v2/credentials HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n\r\n", tenant.key)
            .into_bytes(),
        status: 200,
        field: format!(r#""username":"{}""#, username(tenant.account, &world.suppliers[0])).into_bytes(),
    };
    Arc::new(world.tenants.iter().map(listing).collect())
}

/// A request with a body of JSON.
pub fn with_body(method: &str, path: &str, key: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
