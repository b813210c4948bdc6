//! What Credenza is compared with: servers that do the least possible for the same requests.

mod bare;
mod duties;
mod floor;

use std::env;
use std::path::Path;

use anyhow::{Result, bail};
use axum::Router;
use axum::routing::get;
use credenza::config::{Config, Source};
use credenza::postgres;
use credenza_benches::world::World;
use duties::Duties;
use tokio::net::TcpListener;

/// The service's own, so that what is compared is work and not allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().collect();
    let [_, address, which, world] = arguments.as_slice() else {
        bail!("usage: reference ADDRESS floor|bare[+duties] WORLD")
    };
    let world = World::read(Path::new(world))?;
    let config = Config::load(&Source::load(None)?)?;
    let pool = postgres::pool(&config.database, config.database_connections).connections().clone();
    let router = match which.as_str() {
        "floor" => floor::router(&world, None)?,
        "floor+duties" => floor::router(&world, Some(Duties::begin(pool).await?))?,
        "bare" => bare::router(&world, pool, None),
        "bare+duties" => bare::router(&world, pool.clone(), Some(Duties::begin(pool).await?)),
        _ => bail!("there is no `{which}`"),
    };
    serve(address, router.route("/readyz", get(async || "ready"))).await
}

async fn serve(address: &str, router: Router) -> Result<()> {
    Ok(axum::serve(TcpListener::bind(address).await?, router).await?)
}
