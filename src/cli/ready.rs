//! `credenza ready`: for health checks where there is no curl, such as in the container.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Client;
use reqwest::redirect::Policy;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(clap::Args)]
pub(super) struct Options {
    /// Address of a listener of the service
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: SocketAddr,
    /// The listener has TLS. Its certificate is not looked at: it is not made out to an address, and nothing secret is sent.
    /// A listener that asks for clients' certificates cannot be asked: ask the other one
    #[arg(long)]
    tls: bool,
}

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let scheme = if options.tls { "https" } else { "http" };
    // A proxy, or a redirect, would answer for somebody else. Without a look at certificates, no authorities are needed
    // either, which a small container may not have.
    let client = Client::builder().no_proxy().redirect(Policy::none()).tls_danger_accept_invalid_certs(true);
    let client = client.timeout(PATIENCE).build()?;
    let request = client.get(format!("{scheme}://{}/readyz", options.address));
    let answer = request.send().await.context("no answer")?;
    let status = answer.status();
    let body = answer.text().await.context("the answer is not whole")?;
    ensure!(status == 200, "not ready: {body}");
    super::print_line(&body)
}
