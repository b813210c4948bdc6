//! Rules over the layout: which module may import which, and the one place of each library and each kind of statement.
//! `import_circles.rs` looks at files.

use std::collections::BTreeSet;

use crate::support::sources::{code, sources, without_tests};

/// The modules from the bottom up. A module imports what stands in rows above its own, and nothing of its own row.
const LAYERS: &[&[&str]] = &[
    &["standstill"],
    &["types", "background", "clock", "api_key"],
    &["postgres", "principal", "recent"],
    &["error"],
    &["cluster"],
    &["vault", "audit", "idempotency", "rights"],
    &["context", "sealed_pair"],
    &["work", "fingerprints"],
    &["accounts", "suppliers"],
    &["credentials", "api_credentials", "resolver", "oauth"],
    &["preview", "rotation", "disclosure"],
    &["auth", "admission"],
    &["calls"],
    &["app"],
    &["config"],
    &["telemetry"],
    &["http"],
    &["cli"],
    &["fuzz"],
];

/// Places other than `store.rs` files that hold SQL, each with its reason.
const SQL_ELSEWHERE: &[&str] = &[
    "audit/record.rs",    // the list of columns is where records are defined
    "postgres/",          // roles, schema
    "resolver/bundle.rs", // what is cached is loaded where it is defined
    "suppliers/hint.rs",  // one query for one idea
];

/// `vault/store.rs` belongs to `vault`, `app.rs` to `app`.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|row| row.contains(&module));
    found.unwrap_or_else(|| panic!("module `{module}` has no place in LAYERS"))
}

#[test]
fn imports_point_downwards_only() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let from = module(&file);
        if ["lib", "main"].contains(&from) {
            continue;
        }
        for import in text.split("crate::").skip(1) {
            // `use crate::{a, b}` does not occur, so the next word is the module.
            let to: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if to != from && layer(&to) >= layer(from) {
                wrong.push(format!("{file} imports {to}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn each_library_stays_where_it_belongs() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        // A type of queries is no query.
        let text = text.replace("sqlx::query::", "");
        let mut only = |what: &str, allowed: &[&str]| {
            if text.contains(what) && !allowed.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("{file} has `{what}`"));
            }
        };
        only("axum::", &["http/"]);
        only("utoipa", &["http/"]);
        only("clap::", &["cli/"]);
        only("rustls", &["http/", "calls/transport/"]);
        only("std::env::var", &["config/source.rs"]);
        only("anyhow::", &["cli/"]);
        only("moka::", &["calls/kept.rs", "cluster/coherent.rs", "recent.rs"]);
        only("aes_gcm::", &["vault/"]);
        if !file.ends_with("store.rs") {
            only("sqlx::query", SQL_ELSEWHERE);
            only("sqlx::raw_sql", SQL_ELSEWHERE);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Where a transaction for a write is begun besides `work.rs`, each with its reason.
const BEGUN_ELSEWHERE: &[&str] = &[
    "calls/health/mod.rs",   // verdicts of suppliers: nobody acts
    "vault/",                // data keys of their own transaction, and wrapped ones by the batch
    "oauth/signing_keys.rs", // the first key, when a token is asked for: nobody acts
    "rotation/data_keys.rs", // one transaction for each batch of rows
];

/// The order of events, outcome and commit is that of `Work::commit`, because there is no other way to end a write.
#[test]
fn every_write_of_a_use_case_is_a_unit_of_work() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let text = without_tests(&text);
        let is_elsewhere = BEGUN_ELSEWHERE.iter().any(|place| file.starts_with(place));
        if text.contains("cluster.begin(") && file != "work.rs" && !is_elsewhere {
            wrong.push(format!("{file} begins a transaction"));
        }
        if text.contains("audit::record(") && file != "work.rs" {
            wrong.push(format!("{file} records events"));
        }
        let features = ["accounts", "api_credentials", "credentials", "oauth", "suppliers", "preview"];
        if features.contains(&module(&file)) && text.contains("Work::commit") | text.contains("work.commit(") {
            wrong.push(format!("{file} commits"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Files that may open a stored value, each with its reason. Only those of the resolver open one to hand it out.
const OPENS: &[&str] = &[
    "credentials/import/base.rs",    // to compare a row of the file with what is stored
    "credentials/import/service.rs", // likewise
    "credentials/upsert_base.rs",    // to seal the stored half of a pair with the new one
    "oauth/signing_keys.rs",         // no password
    "resolver/mod.rs",
    "resolver/offer.rs",
    "rotation/mod.rs", // to seal it anew, and to see whether it opens
    "sealed_pair.rs",  // where each level's values are bound
];

/// No password leaves without a record, because only `Disclosure` is given pairs by the resolver, and it records first.
#[test]
fn passwords_leave_through_one_door() {
    let (mut opens, mut wrong) = (Vec::new(), Vec::new());
    for (file, text) in sources() {
        // Without an argument it opens no sealed value.
        let text = without_tests(&text).replace(".open()", "");
        let owner = module(&file);
        let is_the_door = ["disclosure", "resolver"].contains(&owner);
        if text.contains("Opener") && !is_the_door && owner != "vault" {
            wrong.push(format!("{file} names the opener of pairs"));
        }
        if [".resolve(", "Resolver::resolve", "Opener::resolve"].iter().any(|way| text.contains(way)) && !is_the_door {
            wrong.push(format!("{file} resolves a call"));
        }
        let ways = [".open(", ".open_with(", ".open_password(", ".open_password_with(", "Place::open", "Vault::open"];
        if ways.iter().any(|way| text.contains(way)) && owner != "vault" {
            opens.push(file.clone());
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(opens, OPENS);
}

/// In its code, that is: a comment may use the English word, and a key service is none of a supplier's.
#[test]
fn the_vault_knows_no_supplier() {
    for (file, text) in sources() {
        if module(&file) == "vault" {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let code = code(&text);
            let mut words = code.split(|c: char| !is_part(c));
            let found = words.find(|word| word.to_lowercase().contains("supplier") || *word == "Service");
            assert_eq!(found, None, "{file}");
        }
    }
}

/// Places other than `http/` that have a status of HTTP, each with its reason.
const STATUS_ELSEWHERE: &[&str] = &[
    "vault/transit.rs", // of the key service, whose client it is
    "cli/",
    "fuzz.rs",
];

#[test]
fn no_status_of_http_is_below_http() {
    let below = sources().into_iter().filter(|(file, _)| {
        !file.starts_with("http/") && !STATUS_ELSEWHERE.iter().any(|place| file.starts_with(place))
    });
    let wrong: Vec<_> = below.filter(|(_, text)| code(text).contains("StatusCode")).map(|(file, _)| file).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// Below `http/` a refusal is a value, so that each family answers in its own words. No text of a dialect is below it.
#[test]
fn no_sentence_of_an_answer_is_below_http() {
    let all = sources();
    let dialects = all.iter().filter(|(file, _)| file.starts_with("http/dialect/"));
    let answered: BTreeSet<_> = dialects.flat_map(|(_, text)| sentences(text)).collect();
    assert!(answered.contains("Parent credentials must exist first") && answered.len() > 60, "{answered:?}");
    let mut wrong = Vec::new();
    // The command line is above it; a type has the words for a text that it does not take.
    let elsewhere = ["http/", "cli/", "types/"];
    for (file, text) in all.iter().filter(|(file, _)| !elsewhere.iter().any(|place| file.starts_with(place))) {
        let own = sentences(text);
        let found = answered.iter().filter(|sentence| own.contains(*sentence));
        wrong.extend(found.map(|sentence| format!("{file} has `{sentence}`")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Texts of the code with a blank: between quotes, and between what a format puts in.
fn sentences(text: &str) -> Vec<&str> {
    let shipped = without_tests(text).lines().filter(|line| !line.trim_start().starts_with("//"));
    let quoted = shipped.flat_map(|line| line.split('"').skip(1).step_by(2));
    let parts =
        quoted.flat_map(|text| text.split(['{', '}']).step_by(2)).map(|text| text.trim_matches([' ', ':', ',']));
    parts.filter(|text| text.len() > 10 && text.contains(' ')).collect()
}

/// `==` stops at the first byte that differs, and the time that it took reveals which one that was. So what is secret is found
/// by its hash, and its type cannot be compared.
#[test]
fn secrets_cannot_be_compared() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (file, text) in sources() {
        // Those compare what they made themselves.
        if file.ends_with("fuzz.rs") {
            continue;
        }
        let text = without_tests(&text);
        for (number, line) in text.lines().enumerate() {
            let mut sides = line.split(" == ").flat_map(|part| part.split(" != ")).peekable();
            let mut compared = false;
            while let (Some(left), Some(right)) = (sides.next(), sides.peek()) {
                let (left, right) = (left.rsplit(' ').next().unwrap(), right.split(' ').next().unwrap());
                compared |= left.contains("expose") || right.contains("expose");
            }
            if compared {
                wrong.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
        for (attributes, declaration) in text.match_indices("struct ").map(|(at, _)| text.split_at(at)) {
            let body = declaration.split(['}', ';']).next().unwrap();
            // Hashes of secrets are compared, but by code of their own, in constant time.
            let is_hash = body.split(['(', '{', '<']).next().unwrap().trim_end().ends_with("Hash");
            if is_hash || ["SecretString", "SecretSlice", "Zeroizing", "Hmac<"].iter().any(|kind| body.contains(kind)) {
                checked += 1;
                // What is derived stands between this declaration and what ends before it.
                let attributes = attributes.rsplit(['}', ';']).next().unwrap();
                let derived = attributes.contains("PartialEq");
                wrong.extend(derived.then(|| format!("{file}: struct {}", body.lines().next().unwrap())));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(checked > 5, "the test finds secrets no more: {checked}");
}

/// Functions of a store that work on rows of no tenant, or on a row whose tenant is the question.
const TENANTLESS: &[&str] = &[
    "rights::every_row",
    "are_authenticated",
    "authenticated_version",
    "note_authenticated",
    "find_by_hash",
    "find_by_client_id",
    "note_uses",
    "is_allowed_origin",
    "signing_keys",
    "insert_signing_key",
    "retire_signing_key",
    "lock_signing_keys",
    "accounts::insert",
    "accounts::list",
    // The directory is the operator's.
    "in_directory",
    "begin_rotation",
    "finish_rotation",
    "fingerprints::all",
    "fingerprints::insert",
    "fingerprints::replace",
    "idempotency::remove_old",
    "vault::insert",
    "vault::some",
    "vault::some_under",
    "vault::newest_of",
    "vault::accounts",
    "vault::count_seals_of",
    "vault::page",
    "vault::replace",
    "vault::count",
    "vault::keks",
    "vault::reopen",
    "vault::close",
    // Resolves of every account are written in one transaction, and verified in one walk.
    "lock_free_heads",
    "avoid_table_scans",
    "limit_lock_wait",
    "audit::append",
    "hold_alive_lock",
    "is_gone",
    "insert_note",
    "update_note",
    "take_note",
    "former_notes",
    "freeze_snapshot",
    "recording_records",
    "audit::records",
    "audit::heads",
    "accounts_without_head",
    "places_of",
    "allowed_origins",
    // Verdicts of every account, in one batch.
    "calls::write",
    "calls::lock",
    "calls::insert",
    "calls::update",
    "calls::remove_old",
    "calls::count",
    "calls::last_accepted_calls",
];

#[test]
fn store_functions_on_tenant_rows_take_the_account_first() {
    let mut checked = 0;
    for (file, text) in sources() {
        // Those of `sealed_store.rs` go through the rows of every account.
        if !file.ends_with("store.rs")
            || file.ends_with("sealed_store.rs")
            || ["suppliers", "cluster"].contains(&module(&file))
        {
            continue;
        }
        for function in text.split("async fn ").skip(1) {
            let name = function.split('(').next().unwrap();
            if TENANTLESS.contains(&name) || TENANTLESS.contains(&format!("{}::{name}", module(&file)).as_str()) {
                continue;
            }
            let parameters = function.split_once('(').unwrap().1;
            let second = parameters.split(',').nth(1).unwrap_or_default().trim();
            assert!(second.starts_with("account: AccountId"), "{file}: {name} takes `{second}`");
            checked += 1;
        }
    }
    assert!(checked > 15, "the test reads stores no more: {checked}");
}

/// Store functions that may use any connection: what they read is a function of the database that sets the tenant itself.
/// Every other one takes a `PgConnection`, which is a transaction's, begun for a tenant.
const ON_ANY_CONNECTION: &[&str] = &[
    "accounts/store.rs: status",
    "api_credentials/store.rs: find_by_hash",
    "calls/health/store.rs: last_accepted_calls", // no account is named
    "calls/health/store.rs: of",
    "credentials/store.rs: find",
    "credentials/store.rs: list",
    "oauth/store.rs: find_by_client_id",
    "oauth/store.rs: is_token_revoked",
    "oauth/store.rs: signing_keys", // no tenant's
    "resolver/bundle.rs: load_account",
    "resolver/bundle.rs: load_supplier", // no tenant's
    "vault/store.rs: of_generation",
];

/// Places that take a connection without a tenant from the pool, each with its reason.
const WITHOUT_A_TENANT: &[&str] = &[
    "credentials/read.rs: pool.acquire()", // a hot read, and a hint from the directory
    "http/health.rs: pool.acquire()",      // whether there is a database at all
    "postgres/tenant.rs: pool.begin_with(",
    "resolver/mod.rs: pool.acquire()", // a hint from the directory
];

#[test]
fn tenants_rows_are_reached_in_a_transaction_of_a_tenant_or_by_a_hot_read() {
    let (mut on_any, mut without) = (Vec::new(), Vec::new());
    for (file, text) in sources() {
        let is_store = file.ends_with("store.rs") || file == "resolver/bundle.rs";
        if is_store && !["suppliers", "cluster"].contains(&module(&file)) {
            for function in text.split("async fn ").skip(1) {
                let name = function.split('(').next().unwrap();
                let signature = function.split('{').next().unwrap();
                if signature.contains("PgExecutor") || signature.contains("PgPool") {
                    on_any.push(format!("{file}: {name}"));
                }
            }
        }
        for way in ["pool.acquire()", "pool.begin()", "pool.begin_with("] {
            without.extend(text.contains(way).then(|| format!("{file}: {way}")));
        }
    }
    on_any.sort();
    assert_eq!(on_any, ON_ANY_CONNECTION);
    without.dedup();
    assert_eq!(without, WITHOUT_A_TENANT);
}
