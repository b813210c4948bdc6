//! A way to Postgres that can be disturbed: a Unix socket of our own in front of the server's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::support::cluster::scratch_folder;

/// The file name of Postgres' socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// The present state of the connection.
#[derive(Clone, Copy, Default)]
struct Condition {
    /// How often every connection was cut.
    cuts: u32,
    refuses: bool,
    stalls: bool,
    /// How often every connection fell silent for ever.
    silences: u32,
    to_client: Duration,
    to_server: Duration,
}

/// The way. Gone when dropped, with its connections.
pub struct Proxy {
    folder: PathBuf,
    condition: watch::Sender<Condition>,
    target: watch::Sender<PathBuf>,
    forwarding: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.forwarding.abort();
        self.cut();
    }
}

impl Proxy {
    /// Opens a way to the server whose socket is in a folder.
    pub fn open(server: &Path) -> Self {
        let folder = scratch_folder("way");
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        let (condition, watched) = watch::channel(Condition::default());
        let (target, targets) = watch::channel(server.join(SOCKET));
        let forwarding = tokio::spawn(forward(listener, targets, watched)).abort_handle();
        Self { folder, condition, target, forwarding }
    }

    /// A URL of the server that takes this way instead.
    pub fn url(&self, url: &str) -> String {
        let (start, _) = url.split_once("?host=").unwrap();
        format!("{start}?host={}&sslmode=disable", self.folder.to_str().unwrap().replace('/', "%2F"))
    }

    /// Ends every connection; new ones are welcome.
    pub fn cut(&self) {
        self.condition.send_modify(|condition| condition.cuts += 1);
    }

    /// Leads new connections to the server whose socket is in another folder.
    pub fn lead_to(&self, server: &Path) {
        self.target.send_replace(server.join(SOCKET));
    }

    /// Lets nothing through on any connection that there is, for ever, without ending it. New ones are welcome.
    pub fn fall_silent(&self) {
        self.condition.send_modify(|condition| condition.silences += 1);
    }

    /// Whether new connections are ended at once.
    pub fn refuse(&self, refuses: bool) {
        self.condition.send_modify(|condition| condition.refuses = refuses);
    }

    /// Whether nothing gets through in either direction, without any connection ending. Data sent meanwhile arrives
    /// late.
    pub fn stall(&self, stalls: bool) {
        self.condition.send_modify(|condition| condition.stalls = stalls);
    }

    /// How long everything takes on its way.
    pub fn delay(&self, to_client: Duration, to_server: Duration) {
        self.condition.send_modify(|condition| (condition.to_client, condition.to_server) = (to_client, to_server));
    }
}

async fn forward(listener: UnixListener, target: watch::Receiver<PathBuf>, condition: watch::Receiver<Condition>) {
    while let Ok((client, _)) = listener.accept().await {
        if !condition.borrow().refuses {
            let server = target.borrow().clone();
            tokio::spawn(connection(client, server, condition.clone()));
        }
    }
}

/// Forwards until one side ends the connection, or it is cut. Failures are what this is for.
async fn connection(client: UnixStream, target: PathBuf, mut condition: watch::Receiver<Condition>) {
    let Condition { cuts, silences, .. } = *condition.borrow();
    let Ok(server) = UnixStream::connect(target).await else { return };
    let ((client_reads, client_writes), (server_reads, server_writes)) = (client.into_split(), server.into_split());
    let (there, back) = (condition.clone(), condition.clone());
    tokio::select! {
        _ = condition.wait_for(|condition| condition.cuts != cuts) => {}
        () = pump(client_reads, server_writes, there, silences, |condition| condition.to_server) => {}
        () = pump(server_reads, client_writes, back, silences, |condition| condition.to_client) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut condition: watch::Receiver<Condition>,
    silences: u32,
    delay: fn(&Condition) -> Duration,
) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let delay = match condition.wait_for(|condition| !condition.stalls && condition.silences == silences).await {
            Ok(condition) => delay(&condition),
            Err(_) => return,
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
