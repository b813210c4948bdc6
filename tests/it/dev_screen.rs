//! The first screen of `credenza dev`: what a newcomer pastes has to work.

use serde_json::json;
use tokio::process::Command;

use crate::support::dev::{Folder, first};
use crate::support::program::{Running, run};
use crate::support::skip::skip;

#[tokio::test]
async fn the_first_screen_shows_all_there_is_to_know_and_three_commands_that_work_when_pasted() {
    let folder = Folder::existing().await;
    let mut dev = Running::start(folder.command());
    dev.says("its last line", |dev| dev.stdout().contains("Stop with Ctrl-C").then_some(())).await;
    let screen = dev.stdout();

    let first = first().await;
    let keys = ["api_key", "resolver_key", "public_key"].map(|name| first.ready[name].as_str().unwrap());
    let places = [folder.0.to_str().unwrap(), "--env-file"];
    for part in keys.iter().chain(&places).chain(&["This is for development"]) {
        assert!(screen.contains(part), "`{part}` is missing in: {screen}");
    }
    // Colours are for terminals only.
    assert!(!screen.contains('\x1b'), "{screen:?}");

    let commands: Vec<_> = screen.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    let commands: [&str; 3] = commands.try_into().unwrap_or_else(|_| panic!("not three commands: {screen}"));
    if run(shell("command -v curl"), "").await.code == Some(0) {
        work_when_pasted(commands).await;
    } else {
        skip!("no curl to paste the commands of the first screen for");
    }
    dev.stop().await.done();
}

async fn work_when_pasted([store, explain, resolve]: [&str; 3]) {
    let paste = async |command| run(shell(command), "").await.json();
    assert_eq!(paste(store).await["has_production_credentials"], true);
    let explained = paste(explain).await;
    assert_eq!((&explained["source"], &explained["username"]), (&json!("account"), &json!("me")), "{explained}");
    assert_eq!(paste(resolve).await["password"], "secret");
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]);
    command
}
