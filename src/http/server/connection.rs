//! Serves one connection: as many requests as its client sends, until one side ends it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tower::ServiceExt;

use super::activity::{Activity, Patience, UnderWay};
use super::connections::Place;
use super::leftover::{Leftover, expects_continue};
use super::socket::broken;
use super::until;
use crate::app::App;
use crate::http::routes::ListenerService;

/// Largest head of a request, in bytes: request line, all headers, and the line that ends them. hyper refuses a larger one
/// with 431 by itself. Its buffer has the same size, and by itself would let through what the last read added to it.
const HEADER_LIMIT: usize = 32 << 10;
/// Longest wait for a request that is perhaps on its way, when the listener stops.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// A connection that was accepted.
pub(super) struct Connection {
    pub stream: Arc<TcpStream>,
    pub peer: SocketAddr,
    pub activity: Arc<Activity>,
    pub place: Place,
    pub patience: Patience,
    pub app: Arc<App>,
    pub service: ListenerService,
    /// Whether the listener was stopped.
    pub stopped: watch::Receiver<bool>,
}

impl Connection {
    /// Serves it until the client or the listener ends it, it does nothing for too long, or its place is needed.
    pub async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { stream, peer, activity, place, patience, app, service, mut stopped } = self;
        activity.begin();
        let watched = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let under_way = Arc::new(watched.begin_request());
            let expects = expects_continue(request.headers());
            let (mut request, left) = Leftover::watch(request);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = service.clone().oneshot(request);
            let app = Arc::clone(&app);
            async move {
                let mut answer = answer.await?;
                if let Some(rest) = left.and_then(|left| left.take()) {
                    rest.read(expects, answer.headers_mut(), Arc::clone(&under_way));
                }
                if app.stopping.has_begun() {
                    // The client makes its next connection to somebody else.
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer.map(|body| Answer { body, _under_way: under_way }))
            }
        });
        let mut http = http1::Builder::new();
        // A client that has sent everything may close its half.
        http.half_close(true).header_read_timeout(None);
        http.max_header_size(HEADER_LIMIT).max_buf_size(HEADER_LIMIT);
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), service));
        let ended = async {
            tokio::select! {
                () = activity.overdue(patience) => {}
                () = broken(&stream) => {}
            }
        };
        let mut ended = pin!(ended);
        let told_to_end = async {
            tokio::select! {
                () = place.evicted() => {}
                () = until(&mut stopped) => {
                    if !activity.is_at_rest() {
                        sleep(LAST_REQUEST).await;
                    }
                }
            }
        };
        // What a client does to its connection is not our failure.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = ended.as_mut() => return,
            () = told_to_end => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = ended => {}
        }
    }
}

/// The body of an answer, with the request that it ends.
struct Answer {
    body: Body,
    _under_way: Arc<UnderWay>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
