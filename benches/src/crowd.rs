//! Rows that are there and never read, and the table that the bare handlers work with. Written by the superuser, past row
//! security and past the triggers, which would announce every one of them.

use anyhow::Result;
use sqlx::{Connection, PgConnection};

/// Makes further accounts, which have a data key and, for every supplier of the directory, a base row and a service row. What
/// would be sealed is junk of the usual length.
pub async fn crowd(admin: &mut PgConnection, accounts: u32) -> Result<()> {
    let mut transaction = admin.begin().await?;
    sqlx::query("set local session_replication_role = replica").execute(&mut *transaction).await?;
    for statement in [
        "insert into accounts (id, name, created_at, modified_on)
         select 1000000 + number, 'One of many', now(), now() from generate_series(1, $1) number",
        "insert into data_keys (account_id, generation, kek_id, wrapped, created_at)
         select 1000000 + number, 1, 'k1', decode(repeat('ab', 60), 'hex'), now() from generate_series(1, $1) number",
        "insert into supplier_credentials (account_id, supplier_code, staging_username, staging_password,
             production_username, production_password, created_at, created_by, modified_on, modified_by)
         select 1000000 + number, code, decode(repeat('ab', 65), 'hex'), decode(repeat('ab', 65), 'hex'),
             decode(repeat('ab', 65), 'hex'), decode(repeat('ab', 65), 'hex'),
             now(), 'owner@example.com', now(), 'owner@example.com'
         from generate_series(1, $1) number, suppliers where code like 'S0%'",
        "insert into service_credentials (account_id, supplier_code, service, environment, username, password,
             created_at, created_by, modified_on, modified_by)
         select 1000000 + number, code, 'INV', 'PROD', 'integration@supplier.example', decode(repeat('ab', 65), 'hex'),
             now(), 'owner@example.com', now(), 'owner@example.com'
         from generate_series(1, $1) number, suppliers where code like 'S0%'",
    ] {
        sqlx::query(statement).bind(i64::from(accounts)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    // What Postgres would do by itself some minutes later, in the middle of a measurement.
    sqlx::query("vacuum analyze").execute(&mut *admin).await?;
    sqlx::query("checkpoint").execute(admin).await?;
    Ok(())
}

/// Makes the table of the bare handlers: rows of the same shape, as many, in clear, without triggers and row security.
pub async fn bare_table(admin: &mut PgConnection) -> Result<()> {
    for statement in [
        "create table bare_credentials (like supplier_credentials including all)",
        "create table bare_events (like audit_events including all)",
        "create table bare_heads (like audit_heads including all)",
        "insert into bare_credentials (account_id, supplier_code, production_username, production_password,
             created_at, created_by, modified_on, modified_by)
         select account_id, supplier_code,
             convert_to(format('integration-%s@%s.example', account_id, supplier_code), 'UTF8'),
             convert_to(format('correct horse battery %s %s', account_id, supplier_code), 'UTF8'),
             created_at, created_by, modified_on, modified_by
         from supplier_credentials",
        "insert into bare_heads select distinct account_id, 0, ''::bytea from bare_credentials",
        "grant select, insert, update on bare_credentials, bare_events, bare_heads to credenza",
        "analyze bare_credentials",
    ] {
        sqlx::query(statement).execute(&mut *admin).await?;
    }
    Ok(())
}
