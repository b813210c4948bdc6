//! Settings, and the files that they name.

use super::finding::Finding;
use crate::config::{self, Config, ConfigError, Source, Unknown};
use crate::error;
use crate::http::server::Certificates;

pub(super) fn check(source: &Source, config: &Result<Config, ConfigError>, findings: &mut Vec<Finding>) {
    findings.push(match config {
        Ok(_) => Finding::ok("settings", "complete, and every one can be used"),
        Err(error) => Finding::wrong("settings", error::chain(error), "the README has a table of all settings"),
    });
    for Unknown { name, closest } in config::unknown(source) {
        let advice = match closest {
            Some(closest) => format!("did you mean {closest}?"),
            None => "the README has a table of all settings".to_owned(),
        };
        findings.push(Finding::warning("settings", format!("{name} is not a setting, and nothing reads it"), advice));
    }
    if let Ok(config) = config {
        findings.push(tls(config));
    }
}

fn tls(config: &Config) -> Finding {
    if let Err(error) = Certificates::load(config.tls.clone(), config.internal_tls.clone()) {
        return Finding::wrong("tls", error::chain(&error), "mend the file, or name another one");
    }
    let how = |tls: &Option<_>| if tls.is_some() { "TLS" } else { "plain HTTP" };
    let found = format!("public listener: {}; internal: {}", how(&config.tls), how(&config.internal_tls));
    if config.internal_tls.is_none() && !config.internal_listen.ip().is_loopback() {
        let advice = "it hands out passwords: keep its network private, or set CREDENZA_INTERNAL_TLS_CERT, \
                      CREDENZA_INTERNAL_TLS_KEY and CREDENZA_INTERNAL_TLS_CLIENT_CA";
        return Finding::warning("tls", format!("{found}, reachable from other machines"), advice);
    }
    Finding::ok("tls", found)
}
