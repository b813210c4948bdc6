//! `credenza keys`.

use anyhow::ensure;
use secrecy::ExposeSecret;

use crate::vault::Keyring;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print a fresh key-encryption key, as CREDENZA_MASTER_KEYS takes it
    Generate {
        /// What to call it; letters, digits, '.', '_' and '-'
        #[arg(long, default_value = "k1")]
        id: String,
    },
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Generate { id } => {
            let key = Keyring::generate(id)?;
            ensure!(Keyring::parse(&key).is_ok(), "--id must be 1 to 64 letters, digits, '.', '_' or '-'");
            super::print_line(key.expose_secret())
        }
    }
}
