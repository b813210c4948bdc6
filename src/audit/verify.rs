//! Searches for damage: walks every chain from its first record, in batches and with bounded memory, and names the records
//! that are damaged. `damage.rs` has the kinds of damage, `suspects.rs` finds out what happened to records that do not fit.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::chain::{self, AuditKey};
use super::checkpoint::{Checkpoint, range};
pub use super::damage::{Damage, Fault};
use super::event::Action;
use super::instance_store;
use super::read_store::{self, AccountRecord, Part};
use super::record::Record;
use super::recordings::Recordings;
use super::store::{AccountHead, Head};
use super::suspects::{Changed, Suspects};
use crate::postgres::{self, Tenant};
use crate::types::AccountId;

/// Records and heads of one round trip.
const BATCH: i64 = 2000;
/// Most faults that are listed one by one; the others are counted.
const MOST_FAULTS: usize = 10_000;

/// Result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Number of chains that were walked.
    pub chains: u64,
    /// Number of records that were walked.
    pub records: u64,
    /// Number of records of gaps: an instance ended without writing its last events of resolves. They are no damage.
    pub gaps: u64,
    /// Recordings of resolves that have begun and not ended, when the operator's chain was verified.
    pub open_recordings: Vec<OpenRecording>,
    /// Damage, by account and record.
    pub faults: Vec<Fault>,
    /// Number of further faults that are not listed.
    pub further_faults: u64,
}

/// A recording that has begun and not ended, by the operator's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OpenRecording {
    /// The instance that records.
    pub instance: Uuid,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// Whether the instance is alive. If not, events of resolves since its beginning may be missing.
    pub is_alive: bool,
}

impl Report {
    /// Returns whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Verifies every chain, or one account's, also against checkpoints that were kept elsewhere. Reads the database as it is at
/// one moment, while others go on writing. Calls `progress` with the number of records so far, after each batch.
pub async fn verify(
    pool: &PgPool,
    key: &AuditKey,
    account: Option<AccountId>,
    checkpoints: &[Checkpoint],
    mut progress: impl FnMut(u64),
) -> Result<Report, sqlx::Error> {
    let mut transaction = postgres::begin(pool, Tenant::Every).await?;
    read_store::freeze_snapshot(&mut transaction).await?;
    let (first, last) = range(account);
    let mut heads = Heads { part: Part { after: (first, 0), last, limit: BATCH }, read: VecDeque::new() };
    let mut known = Known::new(account, checkpoints);
    let mut findings = Findings::default();
    let mut chain: Option<Chain> = None;
    let mut part = Part { after: (first, i64::MAX), last, limit: BATCH };
    loop {
        let records = read_store::records(&mut transaction, part).await?;
        let Some(end) = records.last() else { break };
        part.after = (end.account_id, end.record.sequence);
        for AccountRecord { account_id, record } in records {
            if chain.as_ref().is_none_or(|chain| chain.account != account_id) {
                if let Some(chain) = chain.take() {
                    chain.end(key, &mut findings);
                }
                let head = heads.of(&mut transaction, account_id, &mut known, key, &mut findings).await?;
                chain = Some(Chain::new(account_id, head, known.take(account_id)));
            }
            if let Some(chain) = &mut chain {
                chain.step(key, record, &mut findings);
            }
        }
        progress(findings.report.records);
    }
    if let Some(chain) = chain.take() {
        chain.end(key, &mut findings);
    }
    heads.without_records(&mut transaction, None, &mut known, key, &mut findings).await?;
    // Chains of which nothing is left.
    for (account, checkpoints) in known.0 {
        Chain::new(account, None, checkpoints).end(key, &mut findings);
    }
    find_accounts_without_chain(&mut transaction, first, last, &mut findings).await?;
    find_copies(&mut transaction, &mut findings).await?;
    transaction.rollback().await?;
    let Findings { mut report, recordings, .. } = findings;
    report.open_recordings = open_recordings(pool, key, recordings).await?;
    report.faults.sort_by_key(|fault| (fault.account_id, fault.first));
    Ok(report)
}

/// Looks which of the recordings that are open have an instance that is alive.
async fn open_recordings(
    pool: &PgPool,
    key: &AuditKey,
    mut recordings: Recordings,
) -> Result<Vec<OpenRecording>, sqlx::Error> {
    let mut gone = Vec::new();
    if recordings.open().next().is_some() {
        let mut transaction = postgres::begin(pool, Tenant::Every).await?;
        for (instance, _) in recordings.open() {
            if instance_store::is_gone(&mut transaction, instance).await? {
                gone.push(instance);
            }
        }
        // An instance records its end before its lock is free; that may have happened while the chains were walked.
        recordings.read_on(&mut transaction, key).await?;
        transaction.rollback().await?;
    }
    let open = recordings.open();
    Ok(open
        .map(|(instance, begun_at)| OpenRecording { instance, begun_at, is_alive: !gone.contains(&instance) })
        .collect())
}

/// Findings so far.
#[derive(Default)]
struct Findings {
    report: Report,
    /// Recordings by the genuine records of the operator's chain.
    recordings: Recordings,
    /// Changed records of which it is not known yet whether they are copies.
    changed: Vec<Changed>,
}

impl Findings {
    fn add(&mut self, fault: Fault) {
        if self.report.faults.len() < MOST_FAULTS {
            self.report.faults.push(fault);
        } else {
            self.report.further_faults += 1;
        }
    }
}

/// Records of checkpoints, by account: number and MAC, in order.
struct Known(BTreeMap<AccountId, Vec<(i64, Vec<u8>)>>);

impl Known {
    fn new(account: Option<AccountId>, checkpoints: &[Checkpoint]) -> Self {
        let mut known: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for checkpoint in checkpoints {
            if account.is_none_or(|account| account == checkpoint.account_id)
                && let Some(mac) = checkpoint.mac()
            {
                known.entry(checkpoint.account_id).or_default().push((checkpoint.sequence, mac));
            }
        }
        for checkpoints in known.values_mut() {
            checkpoints.sort();
        }
        Self(known)
    }

    fn take(&mut self, account: AccountId) -> Vec<(i64, Vec<u8>)> {
        self.0.remove(&account).unwrap_or_default()
    }
}

/// Heads, read in the order of the records.
struct Heads {
    part: Part,
    read: VecDeque<AccountHead>,
}

impl Heads {
    async fn peek(&mut self, connection: &mut PgConnection) -> Result<Option<AccountId>, sqlx::Error> {
        if self.read.is_empty() {
            self.read = read_store::heads(connection, self.part).await?.into();
            if let Some(last) = self.read.back() {
                self.part.after = (last.account_id, 0);
            }
        }
        Ok(self.read.front().map(|head| head.account_id))
    }

    /// Returns the head of an account, if it has one. Heads before it belong to chains that have no records.
    async fn of(
        &mut self,
        connection: &mut PgConnection,
        account: AccountId,
        known: &mut Known,
        key: &AuditKey,
        findings: &mut Findings,
    ) -> Result<Option<Head>, sqlx::Error> {
        self.without_records(connection, Some(account), known, key, findings).await?;
        if self.peek(connection).await? == Some(account) {
            return Ok(self.read.pop_front().map(|head| head.head));
        }
        Ok(None)
    }

    /// Ends the chains that have a head and no records, up to an account.
    async fn without_records(
        &mut self,
        connection: &mut PgConnection,
        before: Option<AccountId>,
        known: &mut Known,
        key: &AuditKey,
        findings: &mut Findings,
    ) -> Result<(), sqlx::Error> {
        while let Some(account) = self.peek(connection).await? {
            if before.is_some_and(|before| account >= before) {
                break;
            }
            let head = self.read.pop_front().map(|head| head.head);
            Chain::new(account, head, known.take(account)).end(key, findings);
        }
        Ok(())
    }
}

/// A chain that is being walked.
struct Chain {
    account: AccountId,
    head: Option<Head>,
    /// Records of checkpoints, from the place that was reached.
    known: VecDeque<(i64, Vec<u8>)>,
    /// The last record on which a checkpoint agreed.
    agreed: i64,
    /// Whether a checkpoint did not agree.
    is_forked: bool,
    /// The last number.
    last: i64,
    /// The MAC of the last record, unless that record is missing.
    previous: Option<Vec<u8>>,
    suspects: Suspects,
}

impl Chain {
    fn new(account: AccountId, head: Option<Head>, known: Vec<(i64, Vec<u8>)>) -> Self {
        Self {
            account,
            head,
            known: known.into(),
            agreed: 0,
            is_forked: false,
            last: 0,
            previous: Some(Vec::new()),
            suspects: Suspects::default(),
        }
    }

    fn fault(&self, first: i64, last: i64, damage: Damage) -> Fault {
        Fault { account_id: self.account, first, last, damage }
    }

    /// Verifies the next record.
    fn step(&mut self, key: &AuditKey, record: Record<String>, findings: &mut Findings) {
        findings.report.records += 1;
        findings.report.gaps += u64::from(record.action == Action::ResolvesGap.as_str());
        let (sequence, mac) = (record.sequence, record.mac.clone());
        if sequence < 1 {
            // Numbers begin with 1.
            findings.add(self.fault(sequence, sequence, Damage::Changed));
            return;
        }
        if sequence > self.last + 1 {
            findings.add(self.fault(self.last + 1, sequence - 1, Damage::Deleted));
            self.suspects.missing(self.last + 1, sequence - 1, self.previous.as_ref());
            self.previous = None;
        }
        match self.previous.take() {
            Some(previous) if !chain::follows(key, self.account, &previous, &record) => {
                self.suspects.add(record, previous);
            }
            Some(_) if self.account == AccountId::OPERATOR => findings.recordings.add(&record),
            _ => {}
        }
        self.compare(sequence, &mac, findings);
        self.last = sequence;
        self.previous = Some(mac);
    }

    /// Compares a record with those of checkpoints.
    fn compare(&mut self, sequence: i64, mac: &[u8], findings: &mut Findings) {
        while let Some((number, known)) = self.known.front()
            && *number <= sequence
        {
            if *number == sequence && known == mac {
                self.agreed = sequence;
            } else if *number == sequence && !self.is_forked {
                self.is_forked = true;
                findings.add(self.fault(sequence, sequence, Damage::Forked { after: self.agreed }));
            }
            self.known.pop_front();
        }
    }

    /// Verifies the end of the chain.
    fn end(self, key: &AuditKey, findings: &mut Findings) {
        findings.report.chains += 1;
        let last = self.last;
        let head_at = self.head.as_ref().map_or(last, |head| head.sequence);
        if head_at > last {
            findings.add(self.fault(last + 1, head_at, Damage::Truncated));
        } else if head_at < last {
            findings.add(self.fault(head_at + 1, last, Damage::BehindHead));
        } else if let Some(head) = &self.head {
            if self.previous.as_ref().is_some_and(|mac| *mac != head.mac) {
                findings.add(self.fault(last, last, Damage::HeadChanged));
            }
        } else if last > 0 {
            findings.add(self.fault(last, last, Damage::HeadMissing));
        }
        if let Some((number, _)) = self.known.back()
            && *number > last.max(head_at)
        {
            findings.add(self.fault(last.max(head_at) + 1, *number, Damage::Rewound));
        }
        let explained = self.suspects.explain(key, self.account);
        explained.faults.into_iter().for_each(|fault| findings.add(fault));
        for changed in explained.changed {
            if findings.changed.len() < MOST_FAULTS {
                findings.changed.push(changed);
            } else {
                findings.add(changed.fault);
            }
        }
    }
}

/// Finds accounts of whose chains nothing is left, and of which there is no checkpoint.
async fn find_accounts_without_chain(
    connection: &mut PgConnection,
    first: AccountId,
    last: AccountId,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let mut part = Part { after: (first, 0), last, limit: BATCH };
    loop {
        let accounts = read_store::accounts_without_head(connection, part).await?;
        let Some(end) = accounts.last() else { return Ok(()) };
        part.after = (*end, 0);
        for account_id in accounts {
            let is_known = findings.report.faults.iter().any(|fault| fault.account_id == account_id);
            if !is_known {
                findings.add(Fault { account_id, first: 0, last: 0, damage: Damage::NoChain });
            }
        }
    }
}

/// Finds out which of the changed records are copies of others.
async fn find_copies(connection: &mut PgConnection, findings: &mut Findings) -> Result<(), sqlx::Error> {
    let changed = std::mem::take(&mut findings.changed);
    if changed.is_empty() {
        return Ok(());
    }
    let macs: Vec<_> = changed.iter().map(|changed| changed.mac.clone()).collect();
    let places = read_store::places_of(connection, &macs).await?;
    for Changed { mut fault, mac } in changed {
        let original = places.iter().find(|(account, sequence, other)| {
            *other == mac && (*account, *sequence) != (fault.account_id, fault.first)
        });
        if let Some(&(account, sequence, _)) = original {
            fault.damage = Damage::Replayed { account, sequence };
        }
        findings.add(fault);
    }
    Ok(())
}
