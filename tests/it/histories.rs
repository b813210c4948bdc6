//! The promise of the cache, watched from outside: no read that begins after a write was acknowledged sees an older value.
//! Played with schedules that hold a query, or a commit, inside the database, and with many writers and readers at random.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use credenza::credentials::BaseUpdate;
use credenza::disclosure::Recipient;
use credenza::principal::{Actor, AuthMethod, Grounds, Limits, Principal, Scope};
use credenza::resolver::Call;
use credenza::types::{AccountId, Environment, HalfPair, Pair, Service};
use rand::RngExt;
use serde_json::json;
use sqlx::PgConnection;
use tokio::time::timeout;

use crate::support::app::{code, pair_of};
use crate::support::sql::store_base;
use crate::support::{Caller, TestApp};

/// Makes the first read of base credentials after `restart` wait in the database, after it has decided what it sees, for
/// as long as somebody holds the advisory lock 42.
const HOLD_THE_FIRST_READ: &str = "
    create sequence reads;
    create function hold_the_first() returns boolean language plpgsql security definer as $$
    begin
        if nextval('reads') = 1 then
            perform pg_advisory_lock_shared(42);
            perform pg_advisory_unlock_shared(42);
        end if;
        return true;
    end $$;
    create policy held on supplier_credentials as restrictive using (hold_the_first());
    alter sequence reads restart";

async fn store(caller: &Caller<'_>, password: u64) {
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": password.to_string()});
    caller.post("/extra/v2/credentials", body).await.expect(201);
}

async fn read(caller: &Caller<'_>) -> u64 {
    let answer = caller.resolve("HIT", "INV", "PROD").await.expect(200);
    answer["password"].as_str().unwrap().parse().unwrap()
}

/// Makes commits of changes to base credentials wait while somebody holds the advisory lock 42.
const HOLD_COMMITS: &str = "
    create function hold() returns trigger language plpgsql as $$
    begin
        perform pg_advisory_xact_lock_shared(42);
        return null;
    end $$;
    create constraint trigger hold after insert or update on supplier_credentials deferrable initially deferred
        for each row execute function hold()";

/// Lets `act` go until Postgres makes it wait for the advisory lock 42, which `admin` holds.
async fn until_held<T>(admin: &mut PgConnection, act: Pin<&mut impl Future<Output = T>>) {
    let held = async {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                       and database = (select oid from pg_database where datname = current_database())";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *admin).await.unwrap() == 0 {}
    };
    tokio::select! {
        _ = act => panic!("it was to be held"),
        () = held => {}
    }
}

/// An operator's key, which may be given the pairs of every account.
fn operators_key() -> Actor {
    let principal = Principal {
        method: AuthMethod::ApiKey,
        account: AccountId::OPERATOR,
        acting_account: AccountId::OPERATOR,
        user_email: "operator@example.com".to_owned(),
        key_id: None,
        scopes: vec![Scope::CredentialsResolve],
        is_operator: true,
        grounds: Grounds::OutsideToken { exp: i64::MAX, owner: "".into() },
        limits: Limits::default(),
    };
    Actor { principal: Some(Arc::new(principal)), ..Actor::default() }
}

async fn execute(admin: &mut PgConnection, statements: &'static str) {
    sqlx::raw_sql(statements).execute(admin).await.unwrap();
}

#[tokio::test]
async fn a_query_begun_before_a_write_answers_no_caller_after_it() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    store(&caller, 1).await;
    let mut admin = app.admin().await;
    execute(&mut admin, "select pg_advisory_lock(42)").await;
    execute(&mut admin, HOLD_THE_FIRST_READ).await;

    let mut older = Box::pin(read(&caller));
    until_held(&mut admin, older.as_mut()).await;
    store(&caller, 2).await;
    assert_eq!(read(&caller).await, 2, "while the older query is under way");
    execute(&mut admin, "select pg_advisory_unlock(42)").await;
    // It began before the write, so it may see 1; it also may notice that it looked too early.
    older.await;
    assert_eq!(read(&caller).await, 2, "after the older query has ended");
}

#[tokio::test]
async fn a_value_loaded_during_a_commit_is_void_once_the_commit_is_acknowledged() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    // It believes that it has a lease: its own writes have to do all by themselves.
    let alone = app.other_process().await;
    let recorder = alone.recorder.clone();
    tokio::spawn(recorder.run(app.database.application.clone(), app.database.application.clone()));
    alone.cluster.trust().extend_lease(Duration::MAX);
    let store = async |password: &str| {
        let Pair { username, password } = pair_of("u", password);
        let production = HalfPair { username: Some(username), password: Some(password) };
        let update = BaseUpdate { supplier: code("HIT"), staging: HalfPair::default(), production };
        store_base(&alone, account, update).await;
    };
    let read = async || {
        let (service, environment) = (Service::Inv, Environment::Production);
        let call = Call { account, supplier: code("HIT"), service, environment };
        let recipient = Recipient::new(operators_key()).unwrap();
        let resolved = alone.disclosure.disclose(&recipient, &call, &HalfPair::default()).await.unwrap();
        resolved.pair.password.expose().to_owned()
    };
    store("1").await;
    assert_eq!(read().await, "1");
    let mut admin = app.admin().await;
    execute(&mut admin, HOLD_COMMITS).await;
    execute(&mut admin, "select pg_advisory_lock(42)").await;

    let mut newer = Box::pin(store("2"));
    until_held(&mut admin, newer.as_mut()).await;
    assert_eq!(read().await, "1");
    execute(&mut admin, "select pg_advisory_unlock(42)").await;
    newer.await;
    assert_eq!(read().await, "2");
}

/// One of the pairs of the account, written by one writer with growing numbers.
struct Slot {
    service: &'static str,
    environment: &'static str,
    is_base: bool,
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

impl Slot {
    fn new(service: &'static str, environment: &'static str, is_base: bool) -> Self {
        Self { service, environment, is_base, begun: AtomicU64::new(0), acknowledged: AtomicU64::new(0) }
    }

    async fn write(&self, caller: &Caller<'_>, number: u64) {
        self.begun.store(number, Ordering::SeqCst);
        let password = number.to_string();
        let answer = if self.is_base {
            let prefix = if self.environment == "PROD" { "production" } else { "staging" };
            let mut body = json!({"supplier_code": "HIT"});
            body[format!("{prefix}_username")] = "u".into();
            body[format!("{prefix}_password")] = password.into();
            caller.post("/extra/v2/credentials", body).await
        } else {
            let body = json!({"service": self.service, "environment": self.environment, "username": "u",
                              "password": password});
            caller.post("/extra/v2/credentials/HIT/services", body).await
        };
        answer.expect(201);
        self.acknowledged.store(number, Ordering::SeqCst);
    }

    /// Reads, and checks that what was read was current at some moment meanwhile.
    async fn read(&self, caller: &Caller<'_>) {
        let oldest = self.acknowledged.load(Ordering::SeqCst);
        let answer = caller.resolve("HIT", self.service, self.environment).await.expect(200);
        let newest = self.begun.load(Ordering::SeqCst);
        let seen: u64 = answer["password"].as_str().unwrap().parse().unwrap();
        assert!((oldest..=newest).contains(&seen), "{}: {seen} is not in {oldest}..={newest}", self.service);
    }
}

/// A writer who is done, or who has failed; the readers end with the last one.
struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_order_each_read_returns_a_current_value() {
    const WRITES: u64 = 40;
    const READERS: usize = 6;
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    // All in one bundle, so that a write of one makes the others load again.
    let slots = [
        Slot::new("MED", "PROD", true),
        Slot::new("MED", "STAGING", true),
        Slot::new("INV", "PROD", false),
        Slot::new("PO", "STAGING", false),
    ];
    for slot in &slots {
        slot.write(&caller, 1).await;
    }
    let writers_left = AtomicUsize::new(slots.len());
    let write_all = async |slot: &Slot| {
        let _left = Leaving(&writers_left);
        for number in 2..=WRITES {
            slot.write(&caller, number).await;
            slot.read(&caller).await;
        }
    };
    let read_all = async || {
        while writers_left.load(Ordering::SeqCst) > 0 {
            let slot = &slots[rand::rng().random_range(0..slots.len())];
            if rand::rng().random_ratio(1, 20) {
                // A caller who goes away at some point of its read.
                let _ = timeout(Duration::from_micros(rand::rng().random_range(0..2000)), slot.read(&caller)).await;
            } else {
                slot.read(&caller).await;
            }
        }
    };
    // Threads, because tasks could not borrow; and they are as parallel as can be.
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        std::thread::scope(|threads| {
            for slot in &slots {
                threads.spawn(|| runtime.block_on(write_all(slot)));
            }
            for _ in 0..READERS {
                threads.spawn(|| runtime.block_on(read_all()));
            }
        });
    });
}
