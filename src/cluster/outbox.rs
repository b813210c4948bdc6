//! The messages that wait for the change feed's connection. Everything that waits goes in one statement, so that many
//! writes at once cost few round trips, and a write needs no second connection of the pool.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot, watch};

use super::store::Notice;

/// Whether somebody carries messages out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// There is no feed in this process.
    None,
    /// The feed is looking for a connection.
    Away,
    /// The feed is connected.
    Here,
}

/// A message on its way.
pub(super) struct Outgoing {
    pub notices: Vec<Notice>,
    /// Completed when the message has been sent; dropped if it will not be.
    pub sent: oneshot::Sender<()>,
}

/// The messages that wait. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outbox {
    waiting: mpsc::UnboundedSender<Outgoing>,
    collected: Arc<Mutex<mpsc::UnboundedReceiver<Outgoing>>>,
    carrier: Arc<watch::Sender<Carrier>>,
}

impl Default for Outbox {
    fn default() -> Self {
        let (waiting, collected) = mpsc::unbounded_channel();
        let carrier = Arc::new(watch::Sender::new(Carrier::None));
        Self { waiting, collected: Arc::new(Mutex::new(collected)), carrier }
    }
}

impl Outbox {
    /// Sends a message on the feed's connection; false if it was not sent there. Waits for a feed that is away: its caller
    /// limits that.
    pub async fn send(&self, notices: Vec<Notice>) -> bool {
        let mut carrier = self.carrier.subscribe();
        let settled = carrier.wait_for(|carrier| *carrier != Carrier::Away).await.is_ok_and(|c| *c == Carrier::Here);
        let (sent, result) = oneshot::channel();
        settled && self.waiting.send(Outgoing { notices, sent }).is_ok() && result.await.is_ok()
    }

    /// Waits until the feed is connected.
    pub async fn carried(&self) {
        // It fails only when the sender is gone, and it is ours.
        let _ = self.carrier.subscribe().wait_for(|carrier| *carrier == Carrier::Here).await;
    }

    /// Whether the feed is connected.
    pub fn is_carried(&self) -> bool {
        *self.carrier.borrow() == Carrier::Here
    }

    /// Makes the caller the one who carries messages out.
    pub async fn carry(&self) -> Carrying<'_> {
        self.carrier.send_replace(Carrier::Away);
        Carrying { outbox: self, collected: self.collected.lock().await }
    }
}

/// The right to carry messages out. Dropping it completes the waiting senders with a failure.
pub(super) struct Carrying<'a> {
    outbox: &'a Outbox,
    collected: MutexGuard<'a, mpsc::UnboundedReceiver<Outgoing>>,
}

impl Carrying<'_> {
    /// There is a connection.
    pub fn connected(&self) {
        self.outbox.carrier.send_replace(Carrier::Here);
    }

    /// There is no connection any more: nothing that waits will be sent.
    pub fn lost(&mut self) {
        self.outbox.carrier.send_replace(Carrier::Away);
        while self.collected.try_recv().is_ok() {}
    }

    /// The next message, when there is one. Nothing is lost if the caller stops waiting.
    pub async fn next(&mut self) -> Outgoing {
        match self.collected.recv().await {
            Some(outgoing) => outgoing,
            // The outbox keeps a sender, so the queue never ends.
            None => std::future::pending().await,
        }
    }

    /// Another message, if one waits already.
    pub fn another(&mut self) -> Option<Outgoing> {
        self.collected.try_recv().ok()
    }
}

impl Drop for Carrying<'_> {
    fn drop(&mut self) {
        self.outbox.carrier.send_replace(Carrier::None);
        while self.collected.try_recv().is_ok() {}
    }
}
