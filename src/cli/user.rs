//! `credenza user`.

use std::io::IsTerminal;

use anyhow::Context;
use secrecy::SecretString;

use crate::accounts::users::{self, HashedPassword};
use crate::app::App;
use crate::principal::Actor;
use crate::types::{AccountId, Email};
use crate::work::Work;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a user of an account, who can own keys; prints the user's id
    Create {
        /// The account's id
        #[arg(long)]
        account: i64,
        /// Their e-mail, for `created_by` and `modified_by`
        #[arg(long, value_parser = Email::parse)]
        email: Email,
        /// Read a password for the console from standard input, or from the terminal without showing it; 12 characters at
        /// least. It is never an argument, which other users of the machine could see
        #[arg(long)]
        password_stdin: bool,
    },
}

pub(super) async fn run(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Create { account, email, password_stdin } => {
            let password = if password_stdin { Some(read_password()?) } else { None };
            let password = match password {
                Some(password) => Some(HashedPassword::of(password).await?),
                None => None,
            };
            let create = async |work: &mut Work<'_>| users::create(work, &email, password.as_ref()).await;
            let id = Work::carry_out(app, &Actor::operator(), AccountId(account), create).await?;
            super::print_line(&id.to_string())
        }
    }
}

/// One line from a terminal, without echo; everything from anything else.
fn read_password() -> anyhow::Result<SecretString> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

    let input = std::io::stdin();
    if !input.is_terminal() {
        return super::secret_from_stdin("the password");
    }
    eprint!("password: ");
    let shown = tcgetattr(&input).context("the terminal cannot be asked")?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &hidden).context("the terminal cannot hide a password")?;
    let mut line = zeroize::Zeroizing::new(String::new());
    let read = input.read_line(&mut line);
    let restored = tcsetattr(&input, OptionalActions::Flush, &shown);
    eprintln!();
    read.context("the password could not be read")?;
    restored.context("the terminal could not be set back")?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}
