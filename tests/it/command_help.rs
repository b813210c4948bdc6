//! Help, completions and `--json`: every command, walked from the program's own description of itself; and that the README
//! knows every command and every setting.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Command;
use credenza::config::NAMES;

use crate::support::program::{credenza, run};
use crate::support::skip::skip;

const README: &str = include_str!("../../README.md");

/// Every command that does something, with the words that call it.
fn commands() -> Vec<(Vec<String>, Command)> {
    fn collect(path: &[String], command: &Command, found: &mut Vec<(Vec<String>, Command)>) {
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
            let path = [path, &[subcommand.get_name().to_owned()]].concat();
            if subcommand.has_subcommands() {
                collect(&path, subcommand, found);
            } else {
                found.push((path, subcommand.clone()));
            }
        }
    }
    let mut root = credenza::cli::command();
    root.build();
    let mut found = Vec::new();
    collect(&[], &root, &mut found);
    assert!(found.len() > 15, "the test finds commands no more: {found:?}");
    found
}

#[tokio::test]
async fn every_command_explains_itself_and_each_of_its_options() {
    for (path, command) in commands() {
        let name = path.join(" ");
        assert!(command.get_about().is_some(), "`{name}` has no summary");
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.len() > 5, "`{name}` does not explain {}", argument.get_id());
        }
        let arguments = [path, vec!["--help".to_owned()]].concat();
        let help = run(credenza(&arguments), "").await;
        assert!(help.done().contains("Usage: credenza "), "{help:?}");
    }
}

#[test]
fn every_listing_has_json() {
    let mut listings = 0;
    for (path, command) in commands() {
        let lists = ["list", "status", "doctor", "verify"].contains(&path.last().unwrap().as_str());
        if lists || command.get_arguments().any(|argument| argument.get_id() == "status") {
            let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
            assert!(has_json, "`{}` has no --json", path.join(" "));
            listings += 1;
        }
    }
    assert!(listings >= 6, "the test finds listings no more: {listings}");
}

#[tokio::test]
async fn the_first_page_has_every_command_examples_and_exit_codes() {
    let page = run(credenza(["--help"]), "").await.done().to_owned();
    for (path, _) in commands() {
        assert!(page.lines().any(|line| line.split_whitespace().next() == Some(&path[0])), "{} in {page}", path[0]);
    }
    for part in
        ["Examples:", "credenza dev", "Exit codes: 0 done, 1 a fault was found or the work failed, 2 wrong usage"]
    {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    // The short form, and the command, say the same.
    for same in ["-h", "help"] {
        assert_eq!(run(credenza([same]), "").await.done(), page, "{same}");
    }
}

#[test]
fn the_readme_has_every_command() {
    for (path, _) in commands() {
        let (first, rest) = path.split_first().unwrap();
        let row = README.lines().find(|line| line.starts_with(&format!("| `{first}`")));
        let row = row.unwrap_or_else(|| panic!("the README's table has no `{first}`"));
        for word in rest {
            assert!(row.contains(&format!("`{word}`")), "the README's row of `{first}` has no `{word}`: {row}");
        }
    }
}

#[tokio::test]
async fn shells_complete_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(credenza(["completions", shell]), "").await.done().to_owned();
        for word in ["default-credentials", "signing-keys", "env-file"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    run(credenza(["completions", "dos"]), "").await.refused(2, "bash");
    // What bash makes of it, where there is one.
    let script = run(credenza(["completions", "bash"]), "").await.done().to_owned();
    let ask =
        "\nCOMP_WORDS=(credenza api-key cre); COMP_CWORD=2; _credenza credenza cre api-key; echo \"${COMPREPLY[@]}\"";
    let mut bash = tokio::process::Command::new("/bin/bash");
    bash.args(["-c", &format!("{script}{ask}")]);
    if !Path::new("/bin/bash").exists() {
        skip!("no bash to complete in");
        return;
    }
    assert_eq!(run(bash, "").await.done(), "create");
}

/// Every variable that is named in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words.filter(|word| word.starts_with("CREDENZA_") && word.len() > 9).map(str::to_owned).collect()
}

/// The variables that the sources read: whole string literals, outside tests.
fn read_by_the_sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_by_the_sources(&path, found);
        } else if !path.ends_with("config/names.rs") && !path.ends_with("config/aliases.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let literals = code.split('"').filter(|literal| variables(literal).contains(*literal));
            found.extend(literals.filter(|name| !name.starts_with("CREDENZA_TEST")).map(str::to_owned));
        }
    }
}

#[test]
fn every_setting_is_known_and_documented_and_nothing_else_is() {
    let mut read = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    read_by_the_sources(&root.join("src"), &mut read);
    let known: BTreeSet<_> =
        NAMES.iter().filter(|name| **name != "DATABASE_URL").map(|name| (*name).to_owned()).collect();
    assert_eq!(read, known, "what the sources read, and config/names.rs");
    assert!(NAMES.is_sorted());

    let table = README.split("## Settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let example = fs::read_to_string(root.join(".env.example")).unwrap();
    for (what, mut documented) in [("README", variables(table)), (".env.example", variables(&example))] {
        // `…_FILE` stands for all three in the table.
        documented.extend(known.iter().filter(|name| name.ends_with("_FILE")).cloned());
        assert_eq!(documented, known, "{what}");
    }
}
