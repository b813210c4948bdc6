//! What the contract wants beside the answer, and nothing of how the service does it: a line of the log for each request; a
//! record of each resolve, chained with an HMAC and written in batches; of each write a record in its transaction, and a
//! notice for other instances. With it a reference shows how much of a ratio is asked for.

use std::collections::HashMap;
use std::io::{Write, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;

/// As long as the service collects resolves for a batch.
const COLLECT: Duration = Duration::from_millis(50);
const CHANNEL: &str = "bare_changes";

/// The end of a chain: the number of its last record, and its MAC.
type Head = (i64, Vec<u8>);

/// A request on its way.
pub(crate) struct Begun(Instant);

/// Does what is asked for beside the answer.
pub(crate) struct Duties {
    key: Hmac<Sha256>,
    waiting: Mutex<Vec<Resolve>>,
}

struct Resolve {
    account: i64,
    supplier: String,
    request: u64,
}

/// Records of resolves, column by column.
#[derive(Default)]
struct Columns {
    accounts: Vec<i64>,
    sequences: Vec<i64>,
    suppliers: Vec<String>,
    requests: Vec<String>,
    macs: Vec<Vec<u8>>,
}

impl Duties {
    /// Begins to write what is recorded, and to listen to changes.
    pub async fn begin(pool: PgPool) -> Result<Arc<Self>> {
        let key = Hmac::new_from_slice(&[9; 32]).context("the key of the chains")?;
        let duties = Arc::new(Self { key, waiting: Mutex::default() });
        let heads = sqlx::query_as::<_, (i64, i64, Vec<u8>)>("select account_id, sequence, mac from bare_heads");
        let heads = heads.fetch_all(&pool).await?;
        let heads = heads.into_iter().map(|(account, sequence, mac)| (account, (sequence, mac))).collect();
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        tokio::spawn(async move { while listener.recv().await.is_ok() {} });
        let writing = Arc::clone(&duties).write_batches(pool, heads);
        tokio::spawn(async move {
            // Whoever records nothing has no duties: the measurement has to notice.
            if let Err(error) = writing.await {
                eprintln!("resolves cannot be recorded: {error}");
                std::process::exit(1);
            }
        });
        Ok(duties)
    }

    /// A request came.
    pub fn request() -> Begun {
        Begun(Instant::now())
    }

    /// Records a resolve, to be written soon.
    pub fn record(&self, account: i64, supplier: &str) {
        let resolve = Resolve { account, supplier: supplier.to_owned(), request: rand::random() };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(resolve);
    }

    /// Logs a request that was answered.
    #[allow(clippy::disallowed_methods, reason = "when a line was written is nothing that a test moves")]
    pub fn log(begun: &Begun, method: &str, route: &str, account: i64) {
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        let micros = begun.0.elapsed().as_micros();
        let request: u64 = rand::random();
        let line = format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"INFO\",\"message\":\"request\",\"method\":\"{method}\",\
             \"route\":\"{route}\",\"status\":200,\"duration_us\":{micros},\"account\":{account},\
             \"request_id\":\"{request:016x}\"}}\n"
        );
        // A log that cannot be written is no reason not to answer.
        let _ = stderr().write_all(line.as_bytes());
    }

    fn next(&self, head: &Head, account: i64, what: &str, supplier: &str, request: u64) -> Head {
        let sequence = head.0 + 1;
        let mac = self.key.clone().chain_update(&head.1).chain_update(account.to_be_bytes());
        let mac = mac.chain_update(sequence.to_be_bytes()).chain_update(what).chain_update(supplier);
        (sequence, mac.chain_update(request.to_be_bytes()).finalize().into_bytes().to_vec())
    }

    async fn write_batches(self: Arc<Self>, pool: PgPool, mut heads: HashMap<i64, Head>) -> Result<(), sqlx::Error> {
        loop {
            sleep(COLLECT).await;
            let mut batch = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if batch.is_empty() {
                continue;
            }
            batch.sort_by_key(|resolve| resolve.account);
            let mut columns = Columns::default();
            for Resolve { account, supplier, request } in batch {
                let head = heads.entry(account).or_default();
                *head = self.next(head, account, "credentials.resolved", &supplier, request);
                columns.accounts.push(account);
                columns.sequences.push(head.0);
                columns.suppliers.push(supplier);
                columns.requests.push(format!("{request:016x}"));
                columns.macs.push(head.1.clone());
            }
            sqlx::query(
                "with heads as (
                     update bare_heads set sequence = head.sequence, mac = head.mac
                     from (select distinct on (1) * from unnest($1::bigint[], $2::bigint[], $5::bytea[])
                           as records (account_id, sequence, mac) order by 1, 2 desc) head
                     where bare_heads.account_id = head.account_id)
                 insert into bare_events (account_id, format, sequence, occurred_at, action, acting_account_id, user_email,
                     key_id, supplier_code, service, environment, outcome, source, request_id, client_address, mac)
                 select account, 2, sequence, now(), 'credentials.resolved', account, 'owner@example.com',
                     '00000000-0000-4000-8000-000000000000', supplier, 'INV', 'PROD', 200, 'service', request, '127.0.0.1', mac
                 from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])
                     as records (account, sequence, supplier, request, mac)",
            )
            .bind(columns.accounts)
            .bind(columns.sequences)
            .bind(columns.suppliers)
            .bind(columns.requests)
            .bind(columns.macs)
            .execute(&pool)
            .await?;
        }
    }

    /// Records a write in its transaction, and tells other instances of it.
    pub async fn record_write(
        &self,
        connection: &mut PgConnection,
        account: i64,
        supplier: &str,
    ) -> Result<(), sqlx::Error> {
        // The lock of the chain comes last, with the notice.
        let head: Head = sqlx::query_as(
            "select sequence, mac from bare_heads, pg_notify($2, $3) where account_id = $1 for update of bare_heads",
        )
        .bind(account)
        .bind(CHANNEL)
        .bind(format!("{account} {supplier}"))
        .fetch_one(&mut *connection)
        .await?;
        let request: u64 = rand::random();
        let (sequence, mac) = self.next(&head, account, "credentials.updated", supplier, request);
        sqlx::query(
            "with heads as (update bare_heads set sequence = $2, mac = $5 where account_id = $1)
             insert into bare_events (account_id, format, sequence, occurred_at, action, acting_account_id, user_email, key_id,
                 supplier_code, outcome, request_id, client_address, mac)
             values ($1, 2, $2, now(), 'credentials.updated', $1, 'owner@example.com',
                 '00000000-0000-4000-8000-000000000000', $3, 200, $4, '127.0.0.1', $5)",
        )
        .bind(account)
        .bind(sequence)
        .bind(supplier)
        .bind(format!("{request:016x}"))
        .bind(mac)
        .execute(connection)
        .await?;
        Ok(())
    }
}
