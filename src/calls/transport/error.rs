//! Reasons for which a supplier gave no answer, or an answer that cannot be read. None of them shows a URL or an address.

use std::error::Error as StdError;
use std::io;

use thiserror::Error;
use tokio_rustls::rustls;

/// A call that brought no answer, or not the whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The endpoint's URL or its `SOAPAction` cannot be used; nothing was sent.
    #[error("the endpoint cannot be used")]
    Endpoint,
    /// The endpoint is at an address that its row does not allow; nothing was sent.
    #[error("the endpoint is at a forbidden address")]
    ForbiddenAddress,
    /// The endpoint's host name has no address.
    #[error("the host name was not found")]
    Dns,
    /// No connection was made.
    #[error("the connection was refused")]
    Refused,
    /// No connection was made in time.
    #[error("the connection took too long")]
    ConnectTimedOut,
    /// The connection could not be secured; nothing was sent.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The connection ended before an answer. The request may have been received.
    #[error("the connection was closed before an answer")]
    Reset,
    /// The call's time was over. The request may have been received.
    #[error("the answer took too long")]
    TimedOut,
    /// The answer is a redirect, which is not followed.
    #[error("the answer is a redirect")]
    Redirect,
    /// The answer is not HTTP, or its head is too large.
    #[error("the answer is not HTTP")]
    Malformed,
    /// The connection ended within the answer.
    #[error("the answer is incomplete")]
    Truncated,
    /// The answer is not compressed in the form that its head names.
    #[error("the answer cannot be decompressed")]
    Encoding,
}

/// Reasons for which a connection is not secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// The certificate has expired, or is not valid yet.
    #[error("the certificate has expired or is not valid yet")]
    Expired,
    /// The certificate is for other names.
    #[error("the certificate is for another name")]
    WrongName,
    /// No authority that is trusted issued the certificate.
    #[error("the certificate's authority is not trusted")]
    UnknownIssuer,
    /// The certificate is refused for another reason.
    #[error("the certificate is not valid")]
    Certificate,
    /// No authority is trusted: the system has none, or they cannot be read.
    #[error("no authority is trusted")]
    NoAuthorities,
    /// The two sides did not come to terms, or the other one does not use TLS.
    #[error("the TLS handshake failed")]
    Handshake,
}

impl TransportError {
    /// Whether no byte of an answer came, for a reason that may not be there the next time.
    pub fn before_a_byte(self) -> bool {
        match self {
            Self::Dns | Self::Refused | Self::ConnectTimedOut | Self::Tls(_) | Self::Reset => true,
            Self::Endpoint
            | Self::ForbiddenAddress
            | Self::TimedOut
            | Self::Redirect
            | Self::Malformed
            | Self::Truncated
            | Self::Encoding => false,
        }
    }

    /// Whether the supplier may have received the request.
    pub fn may_be_received(self) -> bool {
        match self {
            Self::Endpoint
            | Self::ForbiddenAddress
            | Self::Dns
            | Self::Refused
            | Self::ConnectTimedOut
            | Self::Tls(_) => false,
            Self::Reset | Self::TimedOut | Self::Redirect | Self::Malformed | Self::Truncated | Self::Encoding => true,
        }
    }

    /// Whether the supplier is away, as far as one call shows.
    pub fn is_outage(self) -> bool {
        match self {
            Self::Dns | Self::Refused | Self::ConnectTimedOut | Self::Tls(_) | Self::Reset | Self::TimedOut => true,
            Self::Endpoint
            | Self::ForbiddenAddress
            | Self::Redirect
            | Self::Malformed
            | Self::Truncated
            | Self::Encoding => false,
        }
    }

    /// Returns the reason in an error of reading a [`Reply`](super::Reply).
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// Finds the reason for which no head of an answer came.
    pub(super) fn of_request(error: &reqwest::Error) -> Self {
        if let Some(ours) = find::<Self>(error) {
            return *ours;
        }
        if error.is_connect() {
            return Self::of_connecting(error);
        }
        if error.is_timeout() {
            return Self::TimedOut;
        }
        match find::<hyper::Error>(error) {
            Some(http) if http.is_parse() => Self::Malformed,
            _ => Self::Reset,
        }
    }

    fn of_connecting(error: &reqwest::Error) -> Self {
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::Tls(TlsError::of(tls));
        }
        if error.is_dns() {
            return Self::Dns;
        }
        if error.is_timeout() || has_kind(error, &[io::ErrorKind::TimedOut]) {
            return Self::ConnectTimedOut;
        }
        // TCP was there, and ended within the handshake.
        if has_kind(error, &[io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe]) {
            return Self::Tls(TlsError::Handshake);
        }
        Self::Refused
    }

    /// Finds the reason for which the rest of an answer did not come.
    pub(super) fn of_body(error: &reqwest::Error) -> Self {
        match find::<hyper::Error>(error) {
            Some(http) if http.is_timeout() => Self::TimedOut,
            // The length of a chunk is not one.
            Some(_) if has_kind(error, &[io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData]) => Self::Malformed,
            Some(_) => Self::Truncated,
            // Only the connection makes errors of HTTP; the rest is the decoder's.
            None => Self::Encoding,
        }
    }
}

impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        let kind = match error {
            TransportError::TimedOut | TransportError::ConnectTimedOut => io::ErrorKind::TimedOut,
            TransportError::Reset | TransportError::Truncated => io::ErrorKind::UnexpectedEof,
            TransportError::Malformed | TransportError::Encoding => io::ErrorKind::InvalidData,
            TransportError::Endpoint
            | TransportError::ForbiddenAddress
            | TransportError::Dns
            | TransportError::Refused
            | TransportError::Tls(_)
            | TransportError::Redirect => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl TlsError {
    fn of(error: &rustls::Error) -> Self {
        use rustls::CertificateError as Certificate;
        match error {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                Certificate::Expired
                | Certificate::ExpiredContext { .. }
                | Certificate::NotValidYet
                | Certificate::NotValidYetContext { .. } => Self::Expired,
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => Self::WrongName,
                Certificate::UnknownIssuer => Self::UnknownIssuer,
                _ => Self::Certificate,
            },
            _ => Self::Handshake,
        }
    }
}

/// Finds an error of a type among the causes of another.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// Whether an I/O error of some kind is among the causes of an error.
fn has_kind(error: &(dyn StdError + 'static), kinds: &[io::ErrorKind]) -> bool {
    causes(error).filter_map(|error| error.downcast_ref()).any(|error: &io::Error| kinds.contains(&error.kind()))
}

/// Goes from an error to its causes.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        // The source of an I/O error would be the source of the error in it.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner))
    })
}
