//! Makes TLS of a listener from files, and again when they change. Open connections keep the configuration that they began
//! with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::socket::Socket;
use crate::config::TlsFiles;

/// Longest time for a handshake, from the accepted connection on.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// First byte of a client's first record in TLS.
const HANDSHAKE_RECORD: u8 = 22;
/// Answer to a client that begins otherwise: most likely with HTTP, because somebody forgot the `s`.
const WRONG_PROTOCOL: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
    Connection: close\r\nContent-Length: 48\r\n\r\n{\"detail\":\"This address speaks HTTPS, not HTTP\"}";

/// Files that cannot be used for TLS. Never repeats what is in them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of what it should.
    #[error("`{}` cannot be read as PEM with a {what}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The kind of thing that was looked for.
        what: &'static str,
        /// Why not.
        source: pem::Error,
    },
    /// The certificate and the key do not belong together, or are of a kind that is not known.
    #[error("the certificate `{}` cannot be used with the key `{}`", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// One of the clients' authorities is none.
    #[error("the authorities in `{}` cannot be used", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The clients' authorities cannot be used.
    #[error("the authorities in `{}` cannot be used", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: VerifierBuilderError,
    },
}

/// TLS of one listener.
pub struct Tls {
    files: TlsFiles,
    /// Configuration of new connections. Each has sessions of its own, so that nobody resumes one past a change of the
    /// authorities.
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let current = watch::Sender::new(read(&files)?);
        Ok(Self { files, current })
    }

    /// Reads the files again, for new connections. If they cannot be used, the configuration stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.send_replace(read(&self.files)?);
        Ok(())
    }

    /// Makes a connection secure. If that fails, the client gets an answer that it can understand.
    pub(super) async fn accept(&self, socket: Socket) -> io::Result<TlsStream<Socket>> {
        let config = Arc::clone(&self.current.borrow());
        let handshake = async {
            let mut first = [0];
            if socket.stream().peek(&mut first).await? == 1 && first[0] != HANDSHAKE_RECORD {
                return refuse(socket).await;
            }
            TlsAcceptor::from(config).accept(socket).await
        };
        timeout(HANDSHAKE_TIMEOUT, handshake).await?
    }
}

/// Answers a client that does not use TLS.
async fn refuse<T>(mut socket: Socket) -> io::Result<T> {
    // What is there is read first: to close a connection with something unread in it would take the answer back.
    socket.stream().try_read(&mut [0; 16 << 10])?;
    socket.write_all(WRONG_PROTOCOL).await?;
    socket.shutdown().await?;
    Err(io::ErrorKind::InvalidData.into())
}

/// Reads the files into TLS 1.2 and 1.3 with the safe suites of aws-lc-rs, which the database's connections and our own requests use as well.
fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Pem {
        path: files.key.clone(),
        what: "private key",
        source,
    })?;
    let unusable = |source| TlsError::Pair { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority).map_err(|source| TlsError::Authority { path: path.clone(), source })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let unusable = |source| TlsError::Authorities { path: path.clone(), source };
            builder.with_client_cert_verifier(verifier.map_err(unusable)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Reads all certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem { path: path.to_owned(), what: "certificate", source };
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(wrong)?;
    if found.is_empty() {
        return Err(wrong(pem::Error::NoItemsFound));
    }
    Ok(found)
}
