//! Settings of logs and traces.

use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use super::{ConfigError, Source};

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Settings of logging.
#[derive(Clone, Debug)]
pub struct Logging {
    /// Directives such as `info` or `info,credenza=debug`.
    pub filter: Targets,
    /// The form.
    pub format: LogFormat,
    /// Where traces go, if anywhere: the base URL of an OTLP endpoint over HTTP.
    pub traces: Option<Url>,
}

impl Logging {
    /// Reads `CREDENZA_LOG`, `CREDENZA_LOG_FORMAT` and `CREDENZA_OTLP_ENDPOINT`.
    pub fn load(source: &Source, default_filter: &str, default_format: LogFormat) -> Result<Self, ConfigError> {
        let filter = source.get("CREDENZA_LOG").unwrap_or(default_filter);
        let filter: Targets = filter
            .parse()
            .map_err(|_| ConfigError::Wrong("CREDENZA_LOG", "is not a filter such as `info,sqlx=warn`".to_owned()))?;
        let format = match source.get("CREDENZA_LOG_FORMAT") {
            None => default_format,
            Some("json") => LogFormat::Json,
            Some("text") => LogFormat::Text,
            Some(_) => {
                return Err(ConfigError::Wrong("CREDENZA_LOG_FORMAT", "is neither `json` nor `text`".to_owned()));
            }
        };
        // An attempt to connect that failed is logged where its consequence is, once, and not for each of very many.
        let filter = Targets::with_target(filter, "sqlx_core::pool::inner", LevelFilter::OFF);
        Ok(Self { filter, format, traces: traces(source)? })
    }
}

fn traces(source: &Source) -> Result<Option<Url>, ConfigError> {
    const NAME: &str = "CREDENZA_OTLP_ENDPOINT";
    let Some(text) = source.get(NAME) else { return Ok(None) };
    if cfg!(not(feature = "otel")) {
        let message =
            "is set, and this build sends no traces: build it with `--features otel`, or leave the setting out";
        return Err(ConfigError::Wrong(NAME, message.to_owned()));
    }
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => Err(ConfigError::Wrong(NAME, "is not a URL such as `http://localhost:4318`".to_owned())),
    }
}
