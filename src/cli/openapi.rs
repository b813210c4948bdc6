//! `credenza openapi`.

use crate::http::{self, Listener};

#[derive(clap::Args)]
pub(super) struct Options {
    /// The internal listener's document instead of the public one's
    #[arg(long)]
    internal: bool,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let listener = if options.internal { Listener::Internal } else { Listener::Public };
    super::print_line(http::openapi(listener).trim_end())
}
