//! TLS of both listeners, of the real program: who is let in, the answer to those who are not, and certificates that
//! change while it runs.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};

use crate::support::certificates::{Authority, Certificate, EXPIRED, VALID};
use crate::support::cluster::scratch_folder;
use crate::support::installation::{Installation, Service, log_lines};
use crate::support::program::{Finished, PATIENCE, Running, credenza, eventually, run};

/// A service with TLS on both listeners, and client certificates on the internal one.
struct Secured {
    authority: Authority,
    clients: Authority,
    folder: PathBuf,
    installation: Installation,
}

impl Secured {
    async fn new() -> Self {
        let folder = scratch_folder("tls");
        let (authority, clients) = (Authority::new("authority"), Authority::new("authority of clients"));
        authority.sign(VALID).write(&folder, "server");
        clients.certificate.write(&folder, "clients");
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let installation = Installation::new()
            .await
            .with("CREDENZA_TLS_CERT", &path("server.pem"))
            .with("CREDENZA_TLS_KEY", &path("server.key"))
            .with("CREDENZA_INTERNAL_TLS_CERT", &path("server.pem"))
            .with("CREDENZA_INTERNAL_TLS_KEY", &path("server.key"))
            .with("CREDENZA_INTERNAL_TLS_CLIENT_CA", &path("clients.pem"));
        Self { authority, clients, folder, installation }
    }

    /// A client that trusts the authority, without a certificate of its own.
    fn client(&self) -> Client {
        Client { trusted: self.authority.certificate.der.clone(), own: None, versions: vec![&TLS12, &TLS13] }
    }
}

#[derive(Clone)]
struct Client {
    trusted: Vec<u8>,
    own: Option<(Vec<u8>, Vec<u8>)>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Client {
    fn with(self, certificate: &Certificate) -> Self {
        Self { own: Some((certificate.der.clone(), certificate.key.clone())), ..self }
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.trusted.clone())).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(&self.versions).unwrap().with_root_certificates(roots);
        let mut config = match self.own.clone() {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
                builder.with_client_auth_cert(vec![CertificateDer::from(certificate)], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// The status of `/healthz`, over a connection of its own.
    async fn ask(&self, address: SocketAddr) -> io::Result<u16> {
        ask(&mut self.connect(address).await?).await
    }
}

/// The status of `/healthz`, on a connection that is kept.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<u16> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap())
}

#[tokio::test]
async fn both_listeners_speak_tls_1_2_and_1_3_and_http_1_1() {
    let secured = Secured::new().await;
    let service = secured.installation.serve().await;
    let own = secured.clients.sign(VALID);
    for version in [&TLS12, &TLS13] {
        let client = Client { versions: vec![version], ..secured.client() };
        assert_eq!(client.ask(service.public.address()).await.unwrap(), 200);
        assert_eq!(client.with(&own).ask(service.internal.address()).await.unwrap(), 200);
    }
    let stream = secured.client().connect(service.public.address()).await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    service.program.stop().await.done();
}

#[tokio::test]
async fn the_internal_listener_admits_only_clients_of_its_authority() {
    let secured = Secured::new().await;
    let service = secured.installation.serve().await;
    let internal = service.internal.address();
    let stranger = Authority::new("authority of clients").sign(VALID);
    let of_the_servers_authority = secured.authority.sign(VALID);
    let expired = secured.clients.sign(EXPIRED);
    for version in [&TLS12, &TLS13] {
        let nobody = Client { versions: vec![version], ..secured.client() };
        for certificate in [&stranger, &of_the_servers_authority, &expired] {
            assert!(nobody.clone().with(certificate).ask(internal).await.is_err());
            // The public listener asks for none.
            assert_eq!(nobody.clone().with(certificate).ask(service.public.address()).await.unwrap(), 200);
        }
        assert!(nobody.ask(internal).await.is_err());
        assert_eq!(nobody.with(&secured.clients.sign(VALID)).ask(internal).await.unwrap(), 200);
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_refused_with_the_reason() {
    let secured = Secured::new().await;
    let service = secured.installation.serve().await;
    for endpoint in [&service.public, &service.internal] {
        let answer = endpoint.with_key("czs_secret").get("/extra/v2/credentials").await;
        answer.expect_text(400, r#"{"detail":"This address speaks HTTPS, not HTTP"}"#);
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn ready_uses_tls_when_asked_to() {
    let secured = Secured::new().await;
    let service = secured.installation.serve().await;
    let ready = async |more: &[&str]| -> Finished {
        let address = service.public.address().to_string();
        run(credenza([&["ready", "--address", &address], more].concat()), "").await
    };
    eventually("it is ready", async || ready(&["--tls"]).await.code == Some(0)).await;
    assert!(ready(&["--tls"]).await.done().contains(r#""lease":"ok""#));
    ready(&[]).await.refused(1, "HTTPS, not HTTP");
    service.program.stop().await.done();
}

#[tokio::test]
async fn a_silent_handshake_delays_nobody_and_is_cut_off() {
    let secured = Secured::new().await;
    let service = secured.installation.serve().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(service.public.connect().await);
    }
    // Half a hello, too.
    let mut half = service.public.connect().await;
    half.write_all(&[22, 3, 1]).await.unwrap();
    // The newest of them is cut off after ten seconds; a client that is served before that did not wait for it. A machine
    // that is too busy for one handshake in ten seconds gets another try.
    let mut is_open = async || {
        let newest = service.public.connect().await;
        assert_eq!(secured.client().ask(service.public.address()).await.unwrap(), 200);
        let is_open = newest.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        silent.push(newest);
        is_open
    };
    eventually("a client is served while silent ones are there", async || is_open().await).await;
    silent.push(half);
    for mut stream in silent {
        let end = timeout(PATIENCE, stream.read(&mut [0; 8])).await.expect("it is cut off");
        assert!(end.is_err() || end.is_ok_and(|length| length == 0));
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn a_silent_handshake_does_not_delay_the_end() {
    let secured = Secured::new().await;
    // It would be cut off after ten seconds. An end that a busy machine makes longer than that shows nothing.
    for _ in 0..5 {
        let mut service = secured.installation.serve().await;
        let _silent = service.public.connect().await;
        let begun = Instant::now();
        assert_eq!(secured.client().ask(service.public.address()).await.unwrap(), 200);
        service.program.signal(Signal::TERM);
        eventually("it ends", async || service.program.has_ended()).await;
        let is_shown = begun.elapsed() < Duration::from_secs(9);
        service.program.end().await.done();
        if is_shown {
            return;
        }
    }
    panic!("the end takes as long as the handshake may take");
}

#[tokio::test]
async fn handshakes_count_as_connections() {
    let secured = Secured::new().await;
    // Two fifths of the files that the system allows: 25 connections.
    let mut command = tokio::process::Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" serve", env!("CARGO_BIN_EXE_credenza")]).env_clear();
    command.envs(secured.installation.settings.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
    let service = Service::start(command).await;
    // The first of them is closed for a later one, and not because its handshake took too long, after ten seconds. A machine
    // that is busier than that gets another try.
    eventually("a handshake is closed for another", async || {
        let begun = Instant::now();
        let mut silent = Vec::new();
        for _ in 0..25 {
            silent.push(service.public.connect().await);
        }
        assert_eq!(secured.client().ask(service.public.address()).await.unwrap(), 200);
        assert_eq!(silent[0].read(&mut [0]).await.unwrap_or_default(), 0);
        begun.elapsed() < Duration::from_secs(9)
    })
    .await;
    service.program.stop().await.done();
}

#[tokio::test]
async fn new_files_are_taken_at_sighup_and_open_connections_go_on() {
    let secured = Secured::new().await;
    let service = secured.installation.serve().await;
    let (public, internal) = (service.public.address(), service.internal.address());
    let old = secured.client();
    let old_member = old.clone().with(&secured.clients.sign(VALID));
    let mut kept = old.connect(public).await.unwrap();
    assert_eq!(ask(&mut kept).await.unwrap(), 200);
    assert_eq!(old_member.ask(internal).await.unwrap(), 200);

    // Another authority of the server, and another one of its clients.
    let (authority, clients) = (Authority::new("new"), Authority::new("new clients"));
    authority.sign(VALID).write(&secured.folder, "server");
    clients.certificate.write(&secured.folder, "clients");
    service.program.signal(Signal::HUP);
    let new = Client { trusted: authority.certificate.der.clone(), ..secured.client() };
    eventually("the new certificate is used", async || new.ask(public).await.is_ok()).await;
    assert!(old.ask(public).await.is_err());
    let new_member = new.clone().with(&clients.sign(VALID));
    eventually("the new authority is used", async || new_member.ask(internal).await.is_ok()).await;
    assert!(new.clone().with(&secured.clients.sign(VALID)).ask(internal).await.is_err());
    assert_eq!(ask(&mut kept).await.unwrap(), 200);

    // Files that cannot be used change nothing.
    for wrong in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(secured.folder.join("server.pem"), wrong).unwrap();
        let before = errors(&service.program);
        service.program.signal(Signal::HUP);
        eventually("an error is logged", async || errors(&service.program) >= before + 2).await;
        assert_eq!(new.ask(public).await.unwrap(), 200);
        assert_eq!(new_member.ask(internal).await.unwrap(), 200);
    }
    service.program.stop().await.done();
}

/// How many errors the service has logged.
fn errors(program: &Running) -> usize {
    log_lines(&program.stderr()).iter().filter(|line| line["level"] == "ERROR").count()
}

#[tokio::test]
async fn a_service_without_tls_outlives_sighup() {
    let mut service = Installation::new().await.serve().await;
    service.program.signal(Signal::HUP);
    service.public.get("/healthz").await.expect(200);
    assert!(!service.program.has_ended());
    service.program.stop().await.done();
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused_at_the_start() {
    let secured = Secured::new().await;
    let other = Authority::new("other").sign(VALID);
    other.write(&secured.folder, "other");
    std::fs::write(secured.folder.join("empty.pem"), "").unwrap();
    let path = |name: &str| Path::new(&secured.folder).join(name).to_str().unwrap().to_owned();
    for (name, file, part) in [
        ("CREDENZA_TLS_CERT", "nowhere.pem", "nowhere.pem` cannot be read as PEM with a certificate"),
        ("CREDENZA_TLS_CERT", "empty.pem", "empty.pem` cannot be read as PEM with a certificate"),
        ("CREDENZA_TLS_KEY", "server.pem", "server.pem` cannot be read as PEM with a private key"),
        ("CREDENZA_TLS_KEY", "other.key", "cannot be used with the key"),
        ("CREDENZA_INTERNAL_TLS_KEY", "other.key", "cannot be used with the key"),
        ("CREDENZA_INTERNAL_TLS_CLIENT_CA", "empty.pem", "empty.pem` cannot be read as PEM with a certificate"),
    ] {
        let refused = secured.installation.with(name, &path(file)).run(&["serve"]).await;
        refused.refused(1, "error: TLS cannot be set up: ");
        refused.refused(1, part);
    }
    for (missing, part) in [
        ("CREDENZA_TLS_KEY", "CREDENZA_TLS_CERT is set without CREDENZA_TLS_KEY"),
        ("CREDENZA_TLS_CERT", "CREDENZA_TLS_KEY is set without CREDENZA_TLS_CERT"),
        ("CREDENZA_INTERNAL_TLS_KEY", "CREDENZA_INTERNAL_TLS_CERT is set without CREDENZA_INTERNAL_TLS_KEY"),
    ] {
        secured.installation.without(missing).run(&["serve"]).await.refused(1, part);
    }
    let neither = secured.installation.without("CREDENZA_INTERNAL_TLS_KEY").without("CREDENZA_INTERNAL_TLS_CERT");
    neither.run(&["serve"]).await.refused(1, "CREDENZA_INTERNAL_TLS_CLIENT_CA is set without");
}
