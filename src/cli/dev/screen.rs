//! The first screen: where everything is, and three commands that work when pasted.

use std::io::{IsTerminal, Write};
use std::path::Path;

use serde::Serialize;

use super::demo::Demo;

/// The addresses and keys of a started installation.
pub(super) struct Screen<'a> {
    pub url: String,
    pub internal_url: String,
    pub demo: &'a Demo,
    /// Whether there is a supplier to call on this machine.
    pub has_supplier: bool,
    pub database_url: &'a str,
    pub env_file: &'a Path,
    pub data_dir: &'a Path,
}

/// The line of `--json`.
#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    internal_url: &'a str,
    account_id: i64,
    api_key: &'a str,
    resolver_key: &'a str,
    public_key: &'a str,
    database_url: &'a str,
    env_file: &'a Path,
}

impl Screen<'_> {
    /// For programs.
    pub fn print_json(&self) -> anyhow::Result<()> {
        super::super::print_json(&Ready {
            url: &self.url,
            internal_url: &self.internal_url,
            account_id: self.demo.account.0,
            api_key: &self.demo.keys.api_key,
            resolver_key: &self.demo.keys.resolver_key,
            public_key: &self.demo.keys.public_key,
            database_url: self.database_url,
            env_file: self.env_file,
        })
    }

    /// The call that the walk ends with, if there is somebody to call.
    fn call(&self) -> String {
        if !self.has_supplier {
            return String::new();
        }
        let (url, key) = (&self.url, &self.demo.keys.api_key);
        format!(
            "
  Call the supplier with it (a small one on this machine; the password `wrong` is refused):
    curl -i '{url}/v2/suppliers/HIT/inventory/PRODUCT123?environment=PROD' -H 'X-API-Key: {key}'
"
        )
    }

    /// For people.
    pub fn print(&self) {
        let bold = |text: &str| {
            if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
        };
        let keys = &self.demo.keys;
        let program = std::env::current_exe().map_or("credenza".to_owned(), |path| path.display().to_string());
        let text = format!(
            r#"
{title}

  public listener     {url}
  internal listener   {internal_url}   (hands out passwords; keep it on this machine)
  account             {account}, Demo Platform (owner demo@example.com)
  API key             {api_key}
  resolver key        {resolver_key}
  public key          {public_key}
  data                {data_dir}
  settings            {env_file}   ({program} --env-file {env_file} account list)

{try_it}

  Store a login for Hit Promotional Products:
    curl {url}/extra/v2/credentials -H 'X-API-Key: {api_key}' -H 'Content-Type: application/json' -d '{{"supplier_code": "HIT", "production_username": "me", "production_password": "secret"}}'

  See which login an inventory call would use, and why:
    curl '{url}/extra/v2/credentials/HIT/resolution?service=INV&environment=PROD' -H 'X-API-Key: {api_key}'

  Be given that login, as a program that talks to suppliers:
    curl {internal_url}/internal/v1/resolve -H 'X-API-Key: {resolver_key}' -H 'Content-Type: application/json' -d '{{"account_id": {account}, "supplier_code": "HIT", "service": "INV", "environment": "PROD"}}'
{supplier}
This is for development: the secrets lie beside the data. Stop with Ctrl-C; the same folder starts with the same data.
"#,
            title = bold("Credenza is ready."),
            try_it = bold("Try it:"),
            url = self.url,
            internal_url = self.internal_url,
            account = self.demo.account,
            api_key = keys.api_key,
            resolver_key = keys.resolver_key,
            public_key = keys.public_key,
            data_dir = self.data_dir.display(),
            env_file = self.env_file.display(),
            supplier = self.call(),
        );
        // A reader that went away is no reason to stop.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}
