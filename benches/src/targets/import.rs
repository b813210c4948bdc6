//! Target 11: 10,000 rows in one import, against single posts.

use std::fmt::Write;

use anyhow::{Result, ensure};
use sqlx::Connection;

use super::{Bench, CONNECTIONS, STANDARD, under_load};
use crate::furnish::furnish_empty;
use crate::report::{Limit, Row, per_second};
use crate::requests::writes;
use crate::rounds::Compared;
use crate::wire::Connection as Client;
use crate::world::{Tenant, World, password, username};

const DATABASE: &str = "import";
const ROWS: usize = 10_000;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let posts = writes(&*bench.standard().await?);
    bench.installation.database(DATABASE).await?;
    let app = bench.installation.writer(DATABASE).await?;
    let mut admin = bench.installation.admin(DATABASE).await?;
    // An account for each round, so that every import makes its rows.
    let world = furnish_empty(&app, &mut admin, bench.effort.long_rounds, ROWS).await?;
    app.close().await;
    let importing = bench.installation.serve(DATABASE).await?;
    let posting = bench.installation.serve(STANDARD).await?;
    let mut rate = Compared::default();
    for tenant in &world.tenants {
        let single = under_load(&posting.server, posting.public, &posts, CONNECTIONS, bench.effort.load).await?;
        let mut client = Client::open(importing.public).await?;
        let request = request(tenant, &world);
        let begin = std::time::Instant::now();
        let answer = client.ask(&request).await?;
        let took = begin.elapsed().as_secs_f64();
        if matches!(answer.status, 404 | 405) {
            return Ok(vec![Row::without_figure(11, "import of 10,000 rows", "not there")]);
        }
        ensure!((200..300).contains(&answer.status), "{} {}", answer.status, answer.body.escape_ascii());
        let stored: i64 = sqlx::query_scalar("select count(*) from supplier_credentials where account_id = $1")
            .bind(tenant.account)
            .fetch_one(&mut admin)
            .await?;
        ensure!(usize::try_from(stored)? == ROWS, "the import stored {stored} rows");
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        rate.note(ROWS as f64 / took, single.outcome.rate());
    }
    admin.close().await?;
    importing.server.stop().await?;
    posting.server.stop().await?;
    Ok(vec![Row::compared(11, "import of 10,000 rows: rate, single posts", &rate, per_second, Limit::AtLeast(20.0))])
}

/// Both pairs of every supplier.
fn request(tenant: &Tenant, world: &World) -> Vec<u8> {
    let mut rows =
        "supplier_code,staging_username,staging_password,production_username,production_password\n".to_owned();
    for supplier in &world.suppliers {
        let (username, password) = (username(tenant.account, supplier), password(tenant.account, supplier));
        // Writing to a string cannot fail.
        let _ = writeln!(rows, "{supplier},{username},{password},{username},{password}");
    }
    format!(
        "POST /extra/v2/credentials/import HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: text/csv\r\n\
         content-length: {}\r\n\r\n{rows}",
        tenant.key,
        rows.len(),
    )
    .into_bytes()
}
