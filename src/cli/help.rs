//! The first page of help: commands in groups, examples, exit codes. clap knows no groups of commands, so this page is
//! laid out here, from the commands' own summaries.

use std::fmt::Write;

use clap::{Command, CommandFactory};

/// The groups, in the order in which somebody meets them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Run", &["dev", "serve", "ready", "doctor"]),
    ("Database", &["migrate", "verify"]),
    ("Tenants", &["account", "user", "api-key", "import"]),
    ("Operator's data", &["suppliers", "default-credentials"]),
    ("Keys and evidence", &["keys", "signing-keys", "audit"]),
    ("About this program", &["openapi", "completions", "help"]),
];

const EXAMPLES: &str = "\
Examples:
  credenza dev                                        everything on this machine, with nothing set up
  credenza --env-file .credenza/env account list      the accounts of a running `dev`
  credenza migrate && credenza doctor                 a new database, and whether all is in order
  credenza account create --name Acme --owner it@acme.example
  credenza api-key create --account 1                 prints the key, this once
  credenza completions bash > /etc/bash_completion.d/credenza

Settings come from the environment and from --env-file; the README has a table of them.

Exit codes: 0 done, 1 a fault was found or the work failed, 2 wrong usage.";

/// The command line with its first page.
pub(super) fn command() -> Command {
    let mut command = super::Cli::command();
    // Adds `help`, and what else clap brings.
    command.build();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}\n\n{EXAMPLES}\n",
        commands(&command)
    );
    super::Cli::command().help_template(template)
}

fn commands(command: &Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{heading}:");
        for name in *names {
            if let Some(about) = command.find_subcommand(name).and_then(Command::get_about) {
                let _ = writeln!(text, "  {name:<21}{about}");
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut command = super::super::Cli::command();
        command.build();
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name();
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&name)).count();
            assert_eq!(groups, 1, "`{name}` is in {groups} groups of the first page of help");
        }
    }
}
