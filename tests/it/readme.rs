//! The README's walk, pasted as it stands: every command works, and every answer that the README shows is the answer.

use tokio::process::Command;

use crate::support::dev::{Dev, Folder};
use crate::support::program::run;
use crate::support::skip::skip;

const README: &str = include_str!("../../README.md");

/// The fenced blocks of the walk, in order: the language, and what stands in it.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let walk = README.split("## A first walk").nth(1).unwrap().split("\n## ").next().unwrap();
    let fenced = walk.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

#[tokio::test]
async fn the_walk_works_when_pasted() {
    if run(shell("command -v curl"), "").await.code != Some(0) {
        skip!("no curl to paste the README's commands for");
        return;
    }
    let folder = Folder::existing().await;
    let mut command = folder.command();
    command.args(["--json", "--demo-supplier"]);
    let dev = Dev::start(command).await;
    let url = |name: &str| dev.ready[name].as_str().unwrap().to_owned();
    // One shell for the whole walk, because it sets variables; a line after each command tells the answers apart.
    let mut script = String::from("set -e\n");
    let mut shown = Vec::new();
    let blocks = blocks();
    for (index, (language, text)) in blocks.iter().enumerate() {
        if *language != "sh" {
            continue;
        }
        script.push_str(&text.replace("curl ", "curl -sS "));
        script.push_str("printf '\\n----\\n'\n");
        shown.push(blocks.get(index + 1).filter(|(language, _)| *language == "json").map(|(_, text)| text.trim()));
    }
    let script = script
        .replace(".credenza/", &format!("{}/", folder.0.display()))
        .replace("http://127.0.0.1:8080", &url("url"))
        .replace("http://127.0.0.1:8081", &url("internal_url"));
    let output = run(shell(&script), "").await.done().to_owned();
    let answers: Vec<_> = output.split("\n----").map(str::trim).collect();
    assert!(shown.iter().flatten().count() >= 6, "the test no longer finds the README's answers: {shown:?}");
    for (answer, shown) in answers.iter().zip(shown) {
        if let Some(shown) = shown {
            assert_eq!(*answer, shown);
        }
        assert!(!answer.contains("\"detail\"") || shown.is_some(), "{answer}");
    }
    dev.stop().await.done();
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}
