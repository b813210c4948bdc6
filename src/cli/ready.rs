//! `credenza ready`: for health checks where there is no curl, such as in the container.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(clap::Args)]
pub(super) struct Options {
    /// Address of a listener of the service
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: SocketAddr,
}

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let answer = timeout(PATIENCE, ask(options.address)).await;
    let answer = answer.context("no answer in time").and_then(|answer| answer.context("no answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("not ready: {body}");
    }
    super::print_line(body)
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
