//! Sends a request to a supplier's endpoint, and hands its answer over as it comes.
//!
//! The endpoint is one that the operator named, and the connection goes to it and nowhere else: no redirects, no proxies, no
//! addresses of private networks unless the endpoint's row allows them. Nothing is sent twice: there are no retries here, and
//! none below.

mod address;
mod error;
mod names;
mod reply;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};
use zeroize::Zeroizing;

pub use address::is_public;
pub use error::{TlsError, TransportError};
pub use names::Lookup;
pub use reply::{Reply, ReplyBody};

use names::{Checked, Names};

/// Longest wait for a connection, its look-up and its handshake included.
const CONNECT: Duration = Duration::from_secs(5);
/// Most connections of a host that are kept for the next call, and for how long.
const IDLE: usize = 8;
const IDLE_FOR: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("credenza/", env!("CARGO_PKG_VERSION"));
const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// The connections to suppliers. Cheap to clone.
#[derive(Clone)]
pub struct Transport(Arc<Clients>);

/// The clients, each made when it is first needed: reading the system's authorities takes a while.
struct Clients {
    authorities: Vec<Certificate>,
    names: Names,
    connect: Duration,
    /// By [`Target::allow_private`] and [`Target::new_connection`]. They share no connections. `None` is one that cannot be
    /// made.
    made: [[OnceLock<Option<Client>>; 2]; 2],
}

/// The way to reach a service of a supplier.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// URL of the endpoint, from the operator's table.
    pub url: &'a Url,
    /// `SOAPAction`, without quotation marks.
    pub soap_action: &'a str,
    /// Whether the row allows `http` and addresses that are not of the internet.
    pub allow_private: bool,
    /// Whether the request needs a connection of its own. A kept one may have been closed by the other side just now, and
    /// then nobody knows whether the request was received. Orders need one.
    pub new_connection: bool,
    /// End of the call's time.
    pub deadline: Instant,
}

/// Settings of the connections.
#[derive(Clone, Default)]
pub struct TransportSettings {
    /// Authorities to trust with the system's, in PEM.
    pub authorities: Option<Vec<u8>>,
    /// Looks host names up in place of the system.
    pub lookup: Option<Lookup>,
}

impl Transport {
    /// Prepares clients that trust the system's authorities, and those of the settings.
    ///
    /// # Errors
    /// If the authorities of the settings are not certificates in PEM.
    pub fn new(settings: &TransportSettings) -> reqwest::Result<Self> {
        Self::with_connect_timeout(settings, CONNECT)
    }

    /// Prepares clients with another time for a connection than five seconds.
    ///
    /// # Errors
    /// As for [`Transport::new`].
    pub fn with_connect_timeout(settings: &TransportSettings, connect: Duration) -> reqwest::Result<Self> {
        let authorities = settings.authorities.as_deref().map(Certificate::from_pem_bundle).transpose()?;
        Ok(Self(Arc::new(Clients {
            authorities: authorities.unwrap_or_default(),
            names: Names::new(settings.lookup.clone().unwrap_or_else(names::system)),
            connect,
            made: Default::default(),
        })))
    }

    /// Sends one request of SOAP 1.1, and waits for the head of the answer.
    ///
    /// The envelope is wiped when it has been sent, or cannot be. Copies of it in the buffers of HTTP, of TLS and of the socket
    /// are out of reach; they are freed as they are.
    pub async fn post(&self, target: &Target<'_>, envelope: Zeroizing<Vec<u8>>) -> Result<Reply, TransportError> {
        target.check()?;
        let client = self.0.client(target)?;
        let action = HeaderValue::from_str(&format!("\"{}\"", target.soap_action));
        let request = client
            .post(target.url.clone())
            .header(SOAP_ACTION, action.map_err(|_| TransportError::Endpoint)?)
            .body(Body::from(Bytes::from_owner(envelope)));
        let response = timeout_at(target.deadline, request.send()).await.map_err(|_| TransportError::TimedOut)?;
        let response = response.map_err(|error| TransportError::of_request(&error))?;
        if response.status().is_redirection() {
            return Err(TransportError::Redirect);
        }
        Ok(Reply::new(response, target.deadline))
    }
}

impl Clients {
    fn client(&self, target: &Target<'_>) -> Result<&Client, TransportError> {
        let made = &self.made[usize::from(target.allow_private)][usize::from(target.new_connection)];
        let client = made.get_or_init(|| {
            let client = self.make(target.allow_private, if target.new_connection { 0 } else { IDLE });
            client.inspect_err(|error| tracing::error!(%error, "no client for calls to suppliers can be made")).ok()
        });
        client.as_ref().ok_or(TransportError::Tls(TlsError::NoAuthorities))
    }

    fn make(&self, allow_private: bool, idle: usize) -> reqwest::Result<Client> {
        Client::builder()
            .default_headers(headers())
            .user_agent(USER_AGENT)
            .dns_resolver(Arc::new(Checked { names: self.names.clone(), allow_private }))
            .tls_certs_merge(self.authorities.iter().cloned())
            .https_only(!allow_private)
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect)
            .pool_max_idle_per_host(idle)
            .pool_idle_timeout(IDLE_FOR)
            .build()
    }
}

impl Target<'_> {
    /// Refuses an endpoint that must not be called. Addresses of host names are checked when they are looked up; an address
    /// in the URL is never looked up.
    fn check(&self) -> Result<(), TransportError> {
        let is_allowed_scheme = match self.url.scheme() {
            "https" => true,
            "http" => self.allow_private,
            _ => false,
        };
        let has_user = !self.url.username().is_empty() || self.url.password().is_some();
        if !is_allowed_scheme || has_user || self.soap_action.contains('"') {
            return Err(TransportError::Endpoint);
        }
        let is_allowed_address = match self.url.host() {
            Some(Host::Ipv4(address)) => self.allow_private || is_public(address.into()),
            Some(Host::Ipv6(address)) => self.allow_private || is_public(address.into()),
            Some(Host::Domain(_)) => true,
            None => return Err(TransportError::Endpoint),
        };
        if is_allowed_address { Ok(()) } else { Err(TransportError::ForbiddenAddress) }
    }
}

fn headers() -> HeaderMap {
    let text = |text| HeaderValue::from_static(text);
    HeaderMap::from_iter([(CONTENT_TYPE, text("text/xml; charset=utf-8")), (ACCEPT, text("text/xml"))])
}
