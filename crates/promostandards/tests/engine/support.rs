//! Short ways to ask and to answer.

use std::sync::LazyLock;

use promostandards::{Answer, AnswerError, Limits, Login, Request, Route, Scrub, Standard, read_answer};

pub static STANDARD: LazyLock<Standard> = LazyLock::new(|| Standard::embedded().unwrap());

pub const LOGIN: Login<'static> = Login { username: "sentinel-user", password: "S3nt&nel<pw>" };

pub fn route(id: &str) -> &'static Route {
    STANDARD.route(id).unwrap()
}

/// A request by a route with the parameters that it demands.
pub fn asked(id: &str) -> Request {
    asked_of(id, route(id).versions().next().unwrap())
}

pub fn asked_of(id: &str, version: &str) -> Request {
    let query: Vec<(String, String)> = [
        ("query_type", "PO_SEARCH"),
        ("query_type", "PO_NUMBER"),
        ("since", "2024-01-01"),
        ("location_id", "1"),
        ("currency", "USD"),
        ("fob_id", "1"),
        ("price_type", "List"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let invoices = id.contains("nvoices");
    let query: Vec<_> =
        query.into_iter().filter(|(name, value)| name != "query_type" || (value == "PO_NUMBER") == invoices).collect();
    let order = super::orders::smallest();
    route(id).request(version, &[("product_id", "X1"), ("issue_id", "I1")], &query, Some(order.as_bytes())).unwrap()
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub fn read_as(request: &Request, content_type: Option<&str>, body: &[u8]) -> Result<Answer, AnswerError> {
    read_with(request, content_type, body, Limits::default(), &Scrub::new(LOGIN))
}

pub fn read_with(
    request: &Request,
    content_type: Option<&str>,
    body: &[u8],
    limits: Limits,
    scrub: &Scrub,
) -> Result<Answer, AnswerError> {
    run(read_answer(request, content_type, body, limits, scrub))
}

pub fn read(request: &Request, body: &str) -> Result<Answer, AnswerError> {
    read_as(request, Some("text/xml"), body.as_bytes())
}

pub fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.json).unwrap()
}

pub fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.json).unwrap()
}

/// A SOAP envelope around a response element without a namespace.
pub fn soap(inner: &str) -> String {
    format!("<Envelope><Body>{inner}</Body></Envelope>")
}

/// The JSON of an inventory answer (INV 2.0.0) with the given children of one `PartInventory`.
pub fn part(children: &str) -> serde_json::Value {
    let answer = read(&asked("getInventoryByProductV200"), &inventory(children)).unwrap();
    json(&answer)["Inventory"]["PartInventoryArray"]["PartInventory"][0].clone()
}

pub fn inventory(children: &str) -> String {
    soap(&format!(
        "<GetInventoryLevelsResponse><Inventory><productId>X1</productId><PartInventoryArray><PartInventory>{children}\
         </PartInventory></PartInventoryArray></Inventory></GetInventoryLevelsResponse>"
    ))
}
