//! `credenza signing-keys`.

use crate::app::App;
use crate::oauth::{self, NewSigningKey};
use crate::principal::Actor;
use crate::types::AccountId;
use crate::work::Work;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Sign new tokens with a new key; the old one goes on verifying until its last token has run out. Prints the key's id
    Rotate,
}

pub(super) async fn run(command: &Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Rotate => {
            let new = NewSigningKey::make(&app.vault, app.clock.now()).await?;
            let operator = Actor::operator();
            let mut work = Work::begin(app, &operator, AccountId::OPERATOR).await?;
            let id = oauth::rotate_signing_key(&mut work, new).await?;
            work.commit(None).await?;
            super::print_line(&id)
        }
    }
}
