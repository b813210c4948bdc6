//! The change feed: one connection of the process, on which it receives announced changes, acknowledges the holds of others,
//! renews its lease, and sends the messages of its own writes.
//!
//! Postgres keeps no messages for a listener that is away. So there is no lease from the moment the connection is in
//! doubt, and everything cached before is void when it is back. `PgListener` reconnects by itself and hides the gap; here
//! any irregularity ends the session, and a new one is made from nothing.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::oneshot;
use tokio::time::{error::Elapsed, sleep, timeout};
use uuid::Uuid;

use super::message::{self, AUTHENTICATED, CHANGES, MEMBERS, Message};
use super::mutant::Mutant;
use super::outbox::{Carrying, Outgoing};
use super::owner::Owner;
use super::store::{self, Seen};
use super::{Cluster, Role};
use crate::postgres::Servers;

/// Longest wait for a connection, and for the instance's row.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before a new attempt to connect.
const RETRY: Duration = Duration::from_millis(250);
/// Number of renewals in the life of a lease.
const RENEWALS_PER_LEASE: u32 = 4;

/// Why a session was given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection failed")]
    Connection(#[from] sqlx::Error),
    #[error("the connection was closed")]
    Closed,
    #[error("the connection did not answer in time")]
    Silent(#[from] Elapsed),
    #[error("another instance took this one for dead")]
    Removed,
}

impl Lost {
    /// Names the reason in metrics.
    fn reason(&self) -> &'static str {
        match self {
            Lost::Connection(_) | Lost::Closed => "connection",
            Lost::Silent(_) => "silence",
            Lost::Removed => "removed",
        }
    }
}

/// Listens until the task is dropped. `servers` must be reached directly, not through a transaction pooler.
pub async fn run(cluster: Cluster, servers: impl Into<Servers>, role: Role) {
    let servers = servers.into();
    let mut outgoing = cluster.outbox.carry().await;
    loop {
        let Err(lost) = begin_session(&cluster, &servers, role, &mut outgoing).await;
        outgoing.lost();
        if !Mutant::IgnoreLostListener.is(cluster.trust.mutant) {
            cluster.trust.end_lease();
        }
        metrics::counter!("credenza_cache_drops_total", "reason" => lost.reason()).increment(1);
        tracing::warn!(error = &lost as &dyn std::error::Error, "change feed lost, caches are bypassed");
        sleep(RETRY).await;
    }
}

/// Looks for the server that takes writes, if there are several, and listens there.
async fn begin_session(
    cluster: &Cluster,
    servers: &Servers,
    role: Role,
    outgoing: &mut Carrying<'_>,
) -> Result<Infallible, Lost> {
    let (feed, pool) = tokio::join!(servers.follow(), cluster.database.follow());
    feed.and(pool)?;
    let options = session(servers.current().clone()).options([("lock_timeout", cluster.lease_ms())]);
    Session::run(cluster, &options, role, outgoing).await
}

/// Returns the options of the feed's sessions. Renewals need not wait for the disk; `join_members` asks for that itself.
pub(super) fn session(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("credenza-feed").options([("synchronous_commit", "off")])
}

/// One connection, for as long as it is beyond doubt.
struct Session<'a> {
    cluster: &'a Cluster,
    listener: PgListener,
    role: Role,
    /// Number of renewals in this session, the first by joining.
    renewals: i64,
    /// Renewals whose echo was not received yet, and when each was sent.
    sent: VecDeque<(i64, Duration)>,
    next_renewal: Duration,
    /// Changes of others to be acknowledged.
    heard: Vec<Uuid>,
    /// Whether an instance of a version that does not authenticate its messages is a member. Then those are believed.
    has_older: bool,
    /// The others' renewals, and when we first saw that number.
    seen: HashMap<Uuid, (i64, Duration)>,
    /// Changes that the mutant [`Mutant::AcknowledgeFirst`] acknowledges before it applies them.
    put_off: Vec<(Uuid, Vec<Owner>)>,
}

impl<'a> Session<'a> {
    async fn run(
        cluster: &'a Cluster,
        options: &PgConnectOptions,
        role: Role,
        outgoing: &mut Carrying<'_>,
    ) -> Result<Infallible, Lost> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options.clone());
        let mut listener = timeout(PATIENCE, PgListener::connect_with(&pool)).await??;
        listener.eager_reconnect(false);
        timeout(PATIENCE, listener.listen_all([CHANGES, MEMBERS])).await??;
        let mut session = Self {
            cluster,
            listener,
            role,
            renewals: 0,
            sent: VecDeque::new(),
            next_renewal: Duration::ZERO,
            heard: Vec::new(),
            has_older: true,
            seen: HashMap::new(),
            put_off: Vec::new(),
        };
        session.join().await?;
        outgoing.connected();
        session.listen(outgoing).await
    }

    /// Adds the row of this process, which from here on may answer from memory, so that writes wait for it.
    async fn join(&mut self) -> Result<(), Lost> {
        let cluster = self.cluster;
        // Everything that commits after LISTEN is received; everything that was cached before is void.
        if !Mutant::IgnoreLostListener.is(cluster.trust.mutant) {
            cluster.trust.start_over();
        }
        let now = self.now();
        if self.role == Role::Member {
            self.sent.push_back((0, now));
            let renewed = cluster.key.sign(&Message::Renewed(cluster.instance, 0));
            let join = store::join(&mut self.listener, cluster.instance, &cluster.name, cluster.lease_ms(), &renewed);
            timeout(PATIENCE, join).await??;
        }
        // At once: the answer says which messages are to be believed.
        self.next_renewal = now;
        tracing::debug!("change feed is listening");
        Ok(())
    }

    async fn listen(&mut self, outgoing: &mut Carrying<'_>) -> Result<Infallible, Lost> {
        loop {
            // Everything that came with the answers to our own statements, before anything more is sent.
            while let Some(message) = self.listener.next_buffered() {
                self.hear(&message);
            }
            let mut waiting: Vec<Outgoing> = std::iter::from_fn(|| outgoing.another()).collect();
            if !self.heard.is_empty() || !waiting.is_empty() {
                self.send(waiting).await?;
                continue;
            }
            let now = self.now();
            if now >= self.next_renewal {
                self.renew().await?;
                continue;
            }
            tokio::select! {
                message = self.listener.try_recv() => match message? {
                    Some(message) => {
                        self.apply_put_off();
                        self.hear(&message);
                    }
                    None => return Err(Lost::Closed),
                },
                first = outgoing.next() => {
                    waiting.push(first);
                    self.send(waiting).await?;
                }
                () = sleep(self.next_renewal.saturating_sub(now)) => {}
            }
        }
    }

    /// Reads a notification. Everybody who may connect can send one, so that only an authenticated one is acted upon; and a
    /// committed change, which triggers announce, and which costs a needless load if it is made up.
    fn hear(&mut self, notification: &PgNotification) {
        let payload = notification.payload();
        let message = if notification.channel() == MEMBERS {
            self.cluster.key.read(payload)
        } else {
            Some(Message::parse(payload)).filter(|message| self.has_older || matches!(message, Message::Changed(_)))
        };
        match message {
            Some(message) => self.apply(message),
            None => metrics::counter!("credenza_changes_heard_total", "kind" => "foreign").increment(1),
        }
    }

    fn apply(&mut self, message: Message) {
        let trust = &self.cluster.trust;
        metrics::counter!("credenza_changes_heard_total", "kind" => message.kind()).increment(1);
        match message {
            Message::Changed(owner) => {
                if owner == Owner::Everything {
                    metrics::counter!("credenza_cache_drops_total", "reason" => "everything changed").increment(1);
                }
                trust.bump(&owner);
            }
            // Its own holds began before they were announced.
            Message::Hold { by, .. } if by == self.cluster.instance => {}
            Message::Hold { change, changed, .. } => {
                let owners = message::owners(&changed);
                if Mutant::AcknowledgeFirst.is(trust.mutant) {
                    self.put_off.push((change, owners));
                } else {
                    trust.hold(change, owners);
                }
                if self.role == Role::Member {
                    self.heard.push(change);
                }
            }
            Message::Done(change) => {
                self.put_off.retain(|(other, _)| *other != change);
                trust.release(change);
            }
            Message::Acknowledged { instance, changes } => self.cluster.acknowledgements.note(instance, &changes),
            Message::Gone(instance) => self.cluster.acknowledgements.note_gone(instance),
            Message::Renewed(instance, renewal) if instance == self.cluster.instance => self.renewed(renewal),
            Message::Renewed(..) => {}
        }
    }

    /// Extends the lease by the echo of a renewal: everything that was announced before it has been received, so the lease
    /// lasts for its time from the moment at which the renewal was sent. Less a tenth, because no two clocks run alike.
    fn renewed(&mut self, renewal: i64) {
        while let Some((number, at)) = self.sent.pop_front_if(|(number, _)| *number <= renewal) {
            if number == renewal {
                self.cluster.trust.extend_lease(at + self.cluster.lease * 9 / 10);
            }
        }
    }

    /// Sends all messages that wait, and acknowledges all holds that were received, in one statement.
    async fn send(&mut self, waiting: Vec<Outgoing>) -> Result<(), Lost> {
        let (notices, waiting): (Vec<_>, Vec<oneshot::Sender<()>>) =
            waiting.into_iter().map(|Outgoing { notices, sent }| (notices, sent)).unzip();
        let mut notices = notices.concat();
        for changes in self.heard.chunks(Message::MOST_CHANGES) {
            let message = Message::Acknowledged { instance: self.cluster.instance, changes: changes.to_vec() };
            notices.extend(self.cluster.notices(&message, self.has_older));
        }
        self.heard.clear();
        timeout(self.cluster.lease, store::send(&mut self.listener, &notices)).await??;
        for sent in waiting {
            // The writer may have stopped waiting.
            let _ = sent.send(());
        }
        Ok(())
    }

    /// Renews the lease. That also finds a connection that is half open: it brings neither messages nor errors, but it does
    /// not answer either.
    async fn renew(&mut self) -> Result<(), Lost> {
        self.apply_put_off();
        let cluster = self.cluster;
        cluster.trust.expire_holds();
        let now = self.now();
        self.next_renewal = now + self.pause();
        self.renewals += 1;
        if self.role == Role::Member {
            self.sent.push_back((self.renewals, now));
        }
        let renewed = cluster.key.sign(&Message::Renewed(cluster.instance, self.renewals));
        let everybody = store::renew(&mut self.listener, cluster.instance, self.renewals, &renewed);
        let everybody = timeout(cluster.lease, everybody).await??;
        self.has_older = everybody.iter().any(|row| row.protocol < AUTHENTICATED);
        let is_there = everybody.iter().any(|row| row.id == cluster.instance);
        if self.role == Role::Member && !is_there {
            return Err(Lost::Removed);
        }
        self.evict_stalled(everybody).await
    }

    /// Removes instances that did not renew for a whole lease since we first saw their number, so that nobody waits for
    /// them. That is measured on our own clock, and only within one session: a restart of the database may take back
    /// renewals.
    async fn evict_stalled(&mut self, everybody: Vec<Seen>) -> Result<(), Lost> {
        let now = self.now();
        self.seen.retain(|id, _| everybody.iter().any(|row| row.id == *id));
        for row in everybody.into_iter().filter(|row| row.id != self.cluster.instance) {
            let (renewals, since) = self.seen.entry(row.id).or_insert((row.renewals, now));
            if *renewals != row.renewals {
                (*renewals, *since) = (row.renewals, now);
            }
            let lease = Duration::from_millis(u64::try_from(row.lease_ms).unwrap_or(u64::MAX));
            if now.saturating_sub(*since) > lease {
                let gone = self.cluster.key.sign(&Message::Gone(row.id));
                let remove = store::remove(&mut self.listener, row.id, Some(row.renewals), &gone);
                if timeout(self.cluster.lease, remove).await?? {
                    tracing::warn!(instance = row.name, "an instance stopped renewing its lease");
                }
            }
        }
        Ok(())
    }

    fn apply_put_off(&mut self) {
        for (change, owners) in self.put_off.drain(..) {
            self.cluster.trust.hold(change, owners);
        }
    }

    fn pause(&self) -> Duration {
        self.cluster.lease / RENEWALS_PER_LEASE
    }

    fn now(&self) -> Duration {
        self.cluster.trust.now()
    }
}
