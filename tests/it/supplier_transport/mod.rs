//! The connection to a supplier, against real sockets: each way in which a supplier, its certificate or its name can
//! misbehave, and what is sent.

mod answers;
mod connecting;
mod sending;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use credenza::calls::transport::{Reply, Target, Transport, TransportError, TransportSettings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;
use url::Url;
use zeroize::Zeroizing;

use crate::support::certificates::Certificate;

/// Time of a call that is not to run out.
const MINUTE: Duration = Duration::from_mins(1);
const ENVELOPE: &str = "<Envelope/>";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>";

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A supplier that follows a script on each of its connections.
struct Supplier {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    /// Requests that were received whole, head and body.
    requests: Vec<String>,
}

/// A connection of a supplier. Dropping it closes it.
struct Connection {
    stream: Box<dyn Stream>,
    seen: Arc<Mutex<Seen>>,
}

impl Supplier {
    /// A supplier that uses no TLS.
    async fn plain<F: Future<Output = ()> + Send>(
        script: impl Fn(Connection) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::new(None, script).await
    }

    /// A supplier that answers each request in the same way, on one connection after the other.
    async fn answering(answer: &'static [u8]) -> Self {
        Self::plain(move |mut connection| async move {
            while connection.request().await.is_some() {
                connection.send(answer).await;
            }
        })
        .await
    }

    /// A supplier that sends something as its answer and closes the connection.
    async fn sending(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::plain(move |mut connection| {
            let answer = answer.clone();
            async move {
                connection.request().await;
                connection.send(&answer).await;
            }
        })
        .await
    }

    /// A supplier with a certificate.
    async fn secure(certificate: &Certificate) -> Self {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.key.clone()));
        let chain = vec![CertificateDer::from(certificate.der.clone())];
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
        Self::new(Some(acceptor), |mut connection| async move {
            while connection.request().await.is_some() {
                connection.send(OK).await;
            }
        })
        .await
    }

    async fn new<F: Future<Output = ()> + Send>(
        tls: Option<TlsAcceptor>,
        script: impl Fn(Connection) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let of_task = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, script, seen) = (tls.clone(), script.clone(), Arc::clone(&of_task));
                seen.lock().unwrap().connections += 1;
                tokio::spawn(async move {
                    let stream: Box<dyn Stream> = match tls {
                        None => Box::new(stream),
                        // A client that does not trust it goes away.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    script(Connection { stream, seen }).await;
                });
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Its URL by a host, without TLS.
    fn url(&self, host: &str) -> Url {
        format!("http://{host}:{}/ws?x=1", self.address.port()).parse().unwrap()
    }

    /// Its URL by a host, with TLS.
    fn secure_url(&self, host: &str) -> Url {
        format!("https://{host}:{}/ws", self.address.port()).parse().unwrap()
    }

    /// Calls it by its address.
    async fn call(&self, transport: &Transport) -> Result<Reply, TransportError> {
        call(transport, &target(&self.url("127.0.0.1"))).await
    }

    /// Calls it by its address, and reads its answer.
    async fn ask(&self, transport: &Transport) -> Result<(u16, Vec<u8>), TransportError> {
        read(self.call(transport).await?).await
    }
}

impl Connection {
    /// Reads a request, and returns it if it comes whole.
    async fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let is_whole = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).to_lowercase();
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
            (body.len() == length).then_some(())
        };
        while is_whole(&bytes).is_none() {
            if self.stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        let request = String::from_utf8(bytes).unwrap();
        self.seen.lock().unwrap().requests.push(request.clone());
        Some(request)
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The client may have had enough.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Sends something again and again, as long as the client takes it.
    async fn send_forever(&mut self, bytes: &[u8]) {
        while self.stream.write_all(bytes).await.is_ok() {}
    }

    /// Waits until the client has closed the connection.
    async fn wait_for_end(&mut self) {
        while self.stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
    }

    /// Ends the connection by a reset.
    fn reset(self) {
        self.stream.tcp().set_zero_linger().unwrap();
    }
}

fn transport() -> Transport {
    Transport::new(&TransportSettings::default()).unwrap()
}

/// An endpoint that may be anywhere.
fn target(url: &Url) -> Target<'_> {
    let deadline = Instant::now() + MINUTE;
    Target { url, soap_action: "getProduct", allow_private: true, new_connection: false, deadline }
}

/// An endpoint that must be on the internet.
fn strict(url: &Url) -> Target<'_> {
    Target { allow_private: false, ..target(url) }
}

/// An endpoint that has little time.
fn hurried(url: &Url) -> Target<'_> {
    Target { deadline: Instant::now() + Duration::from_millis(150), ..target(url) }
}

async fn call(transport: &Transport, target: &Target<'_>) -> Result<Reply, TransportError> {
    transport.post(target, Zeroizing::new(ENVELOPE.as_bytes().to_vec())).await
}

async fn read(mut reply: Reply) -> Result<(u16, Vec<u8>), TransportError> {
    let mut body = Vec::new();
    match reply.body.read_to_end(&mut body).await {
        Ok(_) => Ok((reply.status, body)),
        Err(error) => Err(TransportError::of(&error).unwrap()),
    }
}
