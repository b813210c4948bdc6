//! Logs: to standard error, JSON or text. No log line ever holds a password, a key or a key's hash; the types see to that.

use std::io::IsTerminal;

use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Logging};

/// Starts logging, once per process. A panic is logged by its place alone: its message may hold anything.
pub fn init(logging: &Logging) {
    let format = match logging.format {
        LogFormat::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
        }
        LogFormat::Text => {
            // Colours are for a terminal; in a file they are noise.
            tracing_subscriber::fmt::layer()
                .with_ansi(std::io::stderr().is_terminal())
                .with_writer(std::io::stderr)
                .boxed()
        }
    };
    tracing_subscriber::registry().with(format.with_filter(logging.filter.clone())).init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}
