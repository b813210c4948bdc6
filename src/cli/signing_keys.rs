//! `credenza signing-keys`.

use crate::app::App;
use crate::oauth;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Sign new tokens with a new key; the old one goes on verifying until its last token has run out. Prints the key's id
    Rotate,
}

pub(super) async fn run(command: &Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Rotate => super::print_line(&oauth::rotate_signing_key(app).await?),
    }
}
