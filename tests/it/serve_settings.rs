//! The settings of `credenza serve`: nothing is made up, and every refusal names the variable and never the secret.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::support::installation::{Installation, Service, file, log_lines};
use crate::support::program::{credenza, run};

/// A value that no message may repeat.
const SECRET: &str = "hunter2";

#[tokio::test]
async fn each_missing_setting_is_named_with_the_way_out() {
    let installation = Installation::new().await;
    for (name, way_out) in [
        ("DATABASE_URL", "postgres://role:password@host/database"),
        ("CREDENZA_KEY_ENCRYPTION_KEYS", "credenza keys generate"),
        ("CREDENZA_KEY_PEPPER", "openssl rand -base64 32"),
        ("CREDENZA_AUDIT_KEY", "openssl rand -base64 32"),
    ] {
        let refused = installation.without(name).run(&["serve"]).await;
        let today = name.replace("MASTER_KEYS", "KEY_ENCRYPTION_KEYS");
        refused.refused(1, &format!("error: {today} is not set: "));
        refused.refused(1, way_out);
        // Set to nothing is not set.
        installation.with(name, "").run(&["serve"]).await.refused(1, &format!("error: {today} is not set: "));
    }
}

#[tokio::test]
async fn each_weak_or_wrong_setting_is_named_and_its_value_is_not_repeated() {
    let installation = Installation::new().await;
    let zeroes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (name, value) in [
        ("DATABASE_URL", "mysql://credenza:hunter2@host/database"),
        ("CREDENZA_KEY_ENCRYPTION_KEYS", "hunter2"),
        ("CREDENZA_KEY_ENCRYPTION_KEYS", "k1:hunter2"),
        ("CREDENZA_KEY_ENCRYPTION_KEYS", &format!("k1:{zeroes}")),
        ("CREDENZA_KEY_PEPPER", "hunter2"),
        ("CREDENZA_KEY_PEPPER", zeroes),
        ("CREDENZA_AUDIT_KEY", "aHVudGVyMg=="),
        ("CREDENZA_AUDIT_KEY", zeroes),
        ("CREDENZA_KEY_ENCRYPTION_KEYS_FILE", "/somewhere"),
        ("CREDENZA_LISTEN", "8080"),
        ("CREDENZA_INTERNAL_LISTEN", "hunter2"),
        ("CREDENZA_CACHE_TTL", "soon"),
        ("CREDENZA_CACHE_BYTES", "much"),
        ("CREDENZA_LOG_FORMAT", "xml"),
        ("CREDENZA_SHUTDOWN_GRACE", "soon"),
        ("CREDENZA_DRAIN_LIMIT", "1h"),
        ("CREDENZA_CACHE_TTL", "25h"),
        ("CREDENZA_DATABASE_CONNECTIONS", "0"),
        ("CREDENZA_OIDC_AUDIENCE", "hunter2"),
    ] {
        let refused = installation.with(name, value).run(&["serve"]).await;
        refused.refused(1, name);
        let said = &refused.stderr;
        assert!(!said.contains(SECRET) && !said.contains("aHVudGVyMg") && !said.contains(zeroes), "{said}");
    }
}

#[tokio::test]
async fn a_secret_that_serves_twice_or_is_one_byte_again_and_again_is_refused() {
    let installation = Installation::new().await;
    let (pepper, audit) = (installation.setting("CREDENZA_KEY_PEPPER"), installation.setting("CREDENZA_AUDIT_KEY"));
    let sevens = BASE64_STANDARD.encode([7; 32]);
    for (name, value, part) in [
        ("CREDENZA_AUDIT_KEY", pepper, "CREDENZA_AUDIT_KEY has the value of CREDENZA_KEY_PEPPER"),
        (
            "CREDENZA_KEY_ENCRYPTION_KEYS",
            &format!("k1:{audit}"),
            "CREDENZA_AUDIT_KEY has the value of CREDENZA_KEY_ENCRYPTION_KEYS",
        ),
        (
            "CREDENZA_KEY_ENCRYPTION_KEYS",
            &format!("k1:{sevens}"),
            "CREDENZA_KEY_ENCRYPTION_KEYS has a key that is one byte",
        ),
        ("CREDENZA_KEY_PEPPER", &sevens, "CREDENZA_KEY_PEPPER is not the base64 of 32 random bytes"),
        ("CREDENZA_AUDIT_KEY", &sevens, "CREDENZA_AUDIT_KEY is not the base64 of 32 random bytes"),
        ("CREDENZA_KEY_PEPPER", "CREDENZA_KEY_PEPPER", "CREDENZA_KEY_PEPPER is not the base64 of 32 random bytes"),
    ] {
        let refused = installation.with(name, value).run(&["serve"]).await;
        refused.refused(1, part);
        assert!(!refused.stderr.contains(pepper) && !refused.stderr.contains(audit), "{refused:?}");
        assert!(!refused.stderr.contains(&sevens), "{refused:?}");
    }
}

/// A secret copied from an example is known to everybody. So there is none to copy.
#[test]
fn no_example_holds_a_key_that_the_service_would_take() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_key = |word: &str| BASE64_STANDARD.decode(word).is_ok_and(|bytes| bytes.len() == 32);
    let pages = ["docs", "docs/decisions", "ops"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let pages = pages.into_iter().flatten().map(|page| page.unwrap().path()).filter(|page| page.is_file());
    let files = ["README.md", ".env.example", "docker-compose.yml", "Dockerfile"].map(|name| root.join(name));
    for file in pages.chain(files) {
        let text = fs::read_to_string(&file).unwrap();
        let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
        // `NAME=value` is one word with an equals sign in its middle.
        let found = words.find(|word| is_key(word) || word.split_once('=').is_some_and(|(_, value)| is_key(value)));
        assert_eq!(found, None, "{}", file.display());
    }
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_is_named_without_the_password() {
    let installation = Installation::new().await;
    let url = installation.setting("DATABASE_URL").replace("only-in-tests", SECRET);
    let refused = installation.with("DATABASE_URL", &url).run(&["serve"]).await;
    refused.refused(1, "the database of DATABASE_URL cannot be reached");
    assert!(!refused.stderr.contains(SECRET), "{refused:?}");
}

#[tokio::test]
async fn secrets_come_from_files_as_well() {
    let installation = Installation::new().await;
    // With the byte order mark that some editors put before a text.
    let pepper = file("pepper", &format!("\u{feff}{}\n", installation.setting("CREDENZA_KEY_PEPPER")));
    let with_file = installation.without("CREDENZA_KEY_PEPPER").with("CREDENZA_KEY_PEPPER_FILE", &pepper);
    with_file.serve().await.program.stop().await.done();

    let nowhere = with_file.with("CREDENZA_KEY_PEPPER_FILE", "/nowhere/pepper");
    nowhere.run(&["serve"]).await.refused(1, "CREDENZA_KEY_PEPPER_FILE `/nowhere/pepper` cannot be read");
}

#[tokio::test]
async fn an_env_file_is_enough() {
    let installation = Installation::new().await;
    let text = format!("\u{feff}# Settings\n\n{}", installation.env_file());
    let service = Service::start(credenza(["--env-file", &file("env", &text), "serve"])).await;
    service.public.get("/healthz").await.expect(200);
    service.program.stop().await.done();
}

#[tokio::test]
async fn the_environment_wins_over_the_env_file() {
    let installation = Installation::new().await;
    let wrong = file("env", &installation.with("CREDENZA_KEY_PEPPER", SECRET).env_file());
    let mut command = credenza(["serve", "--env-file", &wrong]);
    command.env("CREDENZA_KEY_PEPPER", installation.setting("CREDENZA_KEY_PEPPER"));
    Service::start(command).await.program.stop().await.done();

    let right = file("env", &installation.env_file());
    let mut command = credenza(["serve", "--env-file", &right]);
    command.env("CREDENZA_KEY_PEPPER", SECRET);
    run(command, "").await.refused(1, "CREDENZA_KEY_PEPPER");
}

#[tokio::test]
async fn an_empty_variable_in_the_environment_hides_nothing_of_the_env_file() {
    let installation = Installation::new().await;
    let mut command = credenza(["serve", "--env-file", &file("env", &installation.env_file())]);
    command.env("DATABASE_URL", "").env("CREDENZA_KEY_PEPPER", "");
    Service::start(command).await.program.stop().await.done();
}

#[tokio::test]
async fn a_wrong_env_file_is_named_with_the_line() {
    let path = file("env", "CREDENZA_LOG=info\nhunter2\n");
    let refused = run(credenza(["--env-file", &path, "serve"]), "").await;
    refused.refused(1, &format!("line 2 of `{path}` is not of the form NAME=value"));
    assert!(!refused.stderr.contains(SECRET), "{refused:?}");
    let refused = run(credenza(["--env-file", "/nowhere/env", "serve"]), "").await;
    refused.refused(1, "the env file `/nowhere/env` cannot be read");
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused_with_the_way_out() {
    let installation = Installation::new().await;
    let twice = installation.with("CREDENZA_LISTEN", "127.0.0.1:4711").with("CREDENZA_INTERNAL_LISTEN", "0.0.0.0:4711");
    twice.run(&["serve"]).await.refused(1, "CREDENZA_INTERNAL_LISTEN is the address of CREDENZA_LISTEN as well");
    let without = installation.with("CREDENZA_OIDC_JWKS_FILE", "/jwks.json");
    without.run(&["serve"]).await.refused(1, "CREDENZA_OIDC_ISSUER is not set, but CREDENZA_OIDC_JWKS_FILE is");
    let nowhere = without.with("CREDENZA_OIDC_ISSUER", "https://id.example").with("CREDENZA_OIDC_AUDIENCE", "us");
    nowhere.run(&["serve"]).await.refused(1, "CREDENZA_OIDC_JWKS_FILE `/jwks.json` cannot be read");
    for (text, part) in
        [("<html>404</html>", "is not a JWK set"), ("", "is not a JWK set"), (r#"{"keys":[]}"#, "without a key")]
    {
        let wrong = nowhere.with("CREDENZA_OIDC_JWKS_FILE", &file("jwks", text));
        wrong.run(&["serve"]).await.refused(1, part);
        let doctor = wrong.run(&["doctor"]).await;
        assert!(doctor.stdout.contains("WRONG    settings     CREDENZA_OIDC_JWKS_FILE"), "{doctor:?}");
    }
    let set = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","use":"sig",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    let marked = nowhere.with("CREDENZA_OIDC_JWKS_FILE", &file("jwks", &format!("\u{feff}{set}")));
    marked.serve().await.program.stop().await.done();
}

#[tokio::test]
async fn a_misspelt_setting_is_logged_with_the_closest_one() {
    let service = Installation::new().await.with("CREDENZA_LESAE", "1s").serve().await;
    let finished = service.program.stop().await;
    finished.done();
    let lines = log_lines(&finished.stderr);
    let warning = lines.iter().find(|line| line["name"] == "CREDENZA_LESAE").unwrap();
    assert_eq!((&warning["level"], &warning["closest"]), (&"WARN".into(), &"CREDENZA_LEASE".into()));
}

#[tokio::test]
async fn former_names_of_settings_work_and_are_warned_about() {
    let installation = Installation::new().await;
    let keys = installation.setting("CREDENZA_KEY_ENCRYPTION_KEYS").to_owned();
    let before = installation.without("CREDENZA_KEY_ENCRYPTION_KEYS").with("CREDENZA_MASTER_KEYS", &keys);
    let former = before.run(&["account", "list"]).await;
    former.done();
    assert!(former.stderr.contains("CREDENZA_KEY_ENCRYPTION_KEYS"), "{former:?}");
    let both = before.with("CREDENZA_KEY_ENCRYPTION_KEYS", &keys);
    assert_eq!(both.run(&["account", "list"]).await.stderr, "");
    let today = both.without("CREDENZA_MASTER_KEYS");
    assert_eq!(today.run(&["account", "list"]).await.stderr, "");
    let differ = both.with("CREDENZA_MASTER_KEYS", &keys.replace("test:", "other:"));
    differ
        .run(&["account", "list"])
        .await
        .refused(1, "CREDENZA_KEY_ENCRYPTION_KEYS and CREDENZA_MASTER_KEYS, its former name");
}

#[tokio::test]
async fn too_little_address_space_is_refused_with_a_sentence() {
    let installation = Installation::new().await;
    for command in ["serve", "doctor", "account list"] {
        let mut limited = tokio::process::Command::new("/bin/sh");
        let script = format!("ulimit -v 60000 && exec \"$0\" {command}");
        limited.args(["-c", &script, env!("CARGO_BIN_EXE_credenza")]).env_clear();
        limited.envs(installation.settings.iter().map(|(name, value)| (name, value)));
        run(limited, "").await.refused(1, "the address space of this process is limited to 60000 KiB");
    }
}
