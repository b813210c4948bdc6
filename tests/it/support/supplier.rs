//! A supplier for tests: a server of HTTP on loopback that records what it receives and answers from a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use credenza::principal::Actor;
use credenza::suppliers::endpoints::address::EndpointUrl;
use credenza::suppliers::endpoints::{self, Endpoint, Place};
use credenza::types::{AccountId, Environment};
use credenza::work::Work;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::TestApp;
use super::app::code;

/// A request that the supplier received.
#[derive(Clone, Debug)]
pub struct Received {
    pub uri: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    /// The text of the first element of this local name.
    pub fn element(&self, name: &str) -> Option<String> {
        let start = self.body.find(&format!(":{name}>"))? + name.len() + 2;
        let rest = &self.body[start..];
        Some(rest[..rest.find("</")?].to_owned())
    }

    /// The login that was sent.
    pub fn login(&self) -> (String, String) {
        (self.element("id").unwrap_or_default(), self.element("password").unwrap_or_default())
    }
}

/// The answer to one request.
#[derive(Clone)]
pub enum Reply {
    /// A status and a body of XML.
    Xml(u16, String),
    /// The same with headers.
    With(u16, Vec<(&'static str, String)>, String),
    /// The body, once the test lets it go on.
    Held(Arc<Notify>, String),
    /// No answer: the connection is closed.
    Hangup,
}

#[derive(Default)]
struct Script {
    received: Vec<Received>,
    /// Replies in their order; the last one stays.
    replies: VecDeque<Reply>,
    under_way: usize,
    most_under_way: usize,
}

/// A running supplier.
pub struct Supplier {
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    arrived: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Supplier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Script>>, Arc<Notify>);

impl Supplier {
    /// Starts one that answers every request with this body.
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script { replies: VecDeque::from([reply]), ..Script::default() }));
        let arrived = Arc::new(Notify::new());
        let router = Router::new().fallback(answer).with_state(Shared(Arc::clone(&script), Arc::clone(&arrived)));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, script, arrived, task }
    }

    /// Answers from now on with these, in their order; the last one stays.
    pub fn answers(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().unwrap().replies = replies.into_iter().collect();
    }

    /// All that was received.
    pub fn received(&self) -> Vec<Received> {
        self.script.lock().unwrap().received.clone()
    }

    /// The request that was received last.
    pub fn last(&self) -> Received {
        self.received().pop().expect("nothing was received")
    }

    /// Most requests that were under way at once.
    pub fn most_under_way(&self) -> usize {
        self.script.lock().unwrap().most_under_way
    }

    /// Waits until so many requests have been received.
    pub async fn has_received(&self, count: usize) {
        loop {
            let next = self.arrived.notified();
            if self.script.lock().unwrap().received.len() >= count {
                return;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), next).await;
        }
    }

    /// Makes it the supplier's endpoint for a service.
    pub async fn serves(&self, app: &TestApp, supplier: &str, service: &str, version: &str, environment: Environment) {
        self.serves_with(app, supplier, service, version, environment, |_| ()).await;
    }

    /// The same with other settings of the row.
    pub async fn serves_with(
        &self,
        app: &TestApp,
        supplier: &str,
        service: &str,
        version: &str,
        environment: Environment,
        change: impl FnOnce(&mut Endpoint),
    ) {
        let mut endpoint = Endpoint {
            supplier: code(supplier),
            place: Place { service: service.to_owned(), version: version.to_owned(), environment },
            url: EndpointUrl::parse(&format!("http://{}/{service}?ws=1", self.address), true).unwrap(),
            soap_action: None,
            timeout: Duration::from_secs(20),
            concurrency: 8,
            allow_private: true,
        };
        change(&mut endpoint);
        let import = async |work: &mut Work<'_>| endpoints::import(work, std::slice::from_ref(&endpoint)).await;
        Work::carry_out(&app.app, &Actor::operator(), AccountId::OPERATOR, import).await.unwrap();
    }
}

async fn answer(
    State(Shared(script, arrived)): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let reply = {
        let mut script = script.lock().unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        script.received.push(Received { uri: uri.to_string(), headers, body });
        script.under_way += 1;
        script.most_under_way = script.most_under_way.max(script.under_way);
        let last = script.replies.len() == 1;
        if last { script.replies[0].clone() } else { script.replies.pop_front().unwrap() }
    };
    arrived.notify_waiters();
    let xml = |status: u16, headers: Vec<(&'static str, String)>, body: String| {
        let mut response = Response::builder().status(status).header("content-type", "text/xml");
        for (name, value) in headers {
            response = response.header(name, value);
        }
        response.body(Body::from(body)).unwrap()
    };
    let response = match reply {
        Reply::Xml(status, body) => xml(status, vec![], body),
        Reply::With(status, headers, body) => xml(status, headers, body),
        Reply::Held(go_on, body) => {
            go_on.notified().await;
            xml(200, vec![], body)
        }
        Reply::Hangup => {
            script.lock().unwrap().under_way -= 1;
            // The connection ends without an answer.
            std::panic::resume_unwind(Box::new("hangup"));
        }
    };
    script.lock().unwrap().under_way -= 1;
    response
}

/// An envelope around a body.
pub fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// An answer of Inventory 2.0.0 with one part.
pub fn inventory(product: &str, part: &str, description: &str) -> Reply {
    Reply::Xml(
        200,
        envelope(&format!(
            "<GetInventoryLevelsResponse xmlns=\"http://www.promostandards.org/WSDL/Inventory/2.0.0/\">
               <Inventory xmlns=\"http://www.promostandards.org/WSDL/Inventory/2.0.0/SharedObjects/\">
                 <productId>{product}</productId>
                 <PartInventoryArray><PartInventory>
                   <partId>{part}</partId><mainPart>true</mainPart><partDescription>{description}</partDescription>
                   <quantityAvailable><Quantity><uom>EA</uom><value>309.60</value></Quantity></quantityAvailable>
                 </PartInventory></PartInventoryArray>
               </Inventory>
             </GetInventoryLevelsResponse>"
        )),
    )
}

/// An answer of Inventory 2.0.0 with a message only.
pub fn inventory_says(code: u16, description: &str) -> Reply {
    Reply::Xml(
        200,
        envelope(&format!(
            "<GetInventoryLevelsResponse xmlns=\"http://www.promostandards.org/WSDL/Inventory/2.0.0/\">
               <ServiceMessageArray xmlns=\"http://www.promostandards.org/WSDL/Inventory/2.0.0/SharedObjects/\">
                 <ServiceMessage><code>{code}</code><description>{description}</description><severity>Error</severity></ServiceMessage>
               </ServiceMessageArray>
             </GetInventoryLevelsResponse>"
        )),
    )
}

/// An answer of Product 2.0.0 with a message only.
pub fn product_says(code: u16, description: &str) -> Reply {
    Reply::Xml(
        200,
        envelope(&format!(
            "<GetProductResponse xmlns=\"http://www.promostandards.org/WSDL/ProductDataService/2.0.0/\">
               <ServiceMessageArray xmlns=\"http://www.promostandards.org/WSDL/ProductDataService/2.0.0/SharedObjects/\">
                 <ServiceMessage><code>{code}</code><description>{description}</description><severity>Error</severity></ServiceMessage>
               </ServiceMessageArray>
             </GetProductResponse>"
        )),
    )
}
