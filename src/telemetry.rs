//! Logging set-up of the binary: what is logged goes to standard error, as text or as JSON; and what `tracing` says of spans goes to a
//! collector, where one is configured and the build can (feature `otlp`).
//!
//! The library itself never installs a logger; an embedding program has its own.

#[cfg(feature = "otlp")]
mod lines;
#[cfg(feature = "otlp")]
pub(crate) mod traces;

use std::io::IsTerminal;
use std::time::Duration;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt;
#[cfg(feature = "otlp")]
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::client::ClientError;
use crate::config::{LogConfig, LogFormat, TracesConfig};
use crate::metrics::Spans;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` makes no sense.
    #[error("`level` is not understood ({0}): write a level such as info, or a list such as \"info,raconteur=debug\"")]
    Level(#[from] ParseError),
    /// Another logger is there already.
    #[error("logging was set up before, by someone else: set it up once")]
    Installed(#[from] TryInitError),
    /// Nothing can be asked by HTTP.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What was set up for a gateway, to be closed when that has ended.
#[derive(Default)]
pub struct Telemetry {
    spans: Spans,
    #[cfg(feature = "otlp")]
    export: Option<traces::Export>,
}

impl Telemetry {
    /// The counters of what became of spans.
    #[must_use]
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Hands over what is left of traces, for at most this time.
    #[cfg_attr(
        not(feature = "otlp"),
        expect(clippy::unused_async, reason = "there is something to wait for where traces are")
    )]
    pub async fn close(self, within: Duration) {
        #[cfg(feature = "otlp")]
        if let Some(export) = self.export {
            export.close(within).await;
        }
        #[cfg(not(feature = "otlp"))]
        let _ = within;
    }
}

/// Starts logging and, where there is somewhere to send them, traces; once per process and in a runtime.
///
/// # Errors
/// As [`init`]; and when TLS cannot be set up.
pub fn start(log: &LogConfig, traces: &TracesConfig) -> Result<Telemetry, TelemetryError> {
    #[cfg(feature = "otlp")]
    if let Some(telemetry) = traced(log, traces)? {
        return Ok(telemetry);
    }
    // Without the feature the configuration was refused if it names an endpoint.
    let _ = traces;
    init(log)?;
    Ok(Telemetry::default())
}

/// Logging and traces each hear only what they want.
#[cfg(feature = "otlp")]
fn traced(log: &LogConfig, config: &TracesConfig) -> Result<Option<Telemetry>, TelemetryError> {
    let spans = Spans::default();
    let filter = log.filter()?;
    let Some((layer, export)) = traces::begin(config, &spans)? else { return Ok(None) };
    let registry = tracing_subscriber::registry().with(layer);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(is_coloured());
    match log.format {
        LogFormat::Text => registry.with(lines.compact().with_filter(filter)).try_init()?,
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).map_event_format(lines::Traced);
            registry.with(lines.with_filter(filter)).try_init()?;
        }
    }
    Ok(Some(Telemetry { spans, export: Some(export) }))
}

/// Colours only where standard error is a terminal and `NO_COLOR` is not set.
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts logging, once per process.
///
/// # Errors
/// When the level makes no sense, or a logger is there already.
pub fn init(log: &LogConfig) -> Result<(), TelemetryError> {
    let builder = fmt().with_env_filter(log.filter()?).with_writer(std::io::stderr).with_ansi(is_coloured());
    match log.format {
        LogFormat::Text => builder.compact().finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_lists_of_modules_are_filters_and_nonsense_is_not() {
        let parsed = |level: &str| LogConfig { level: level.into(), ..LogConfig::default() }.filter();
        assert_eq!(parsed("info,raconteur=debug").unwrap().to_string(), "raconteur=debug,info");
        let error: TelemetryError = parsed("raconteur=loud").unwrap_err().into();
        assert!(error.to_string().contains("write a level such as info"), "{error}");
    }

    #[test]
    fn logging_is_set_up_once_and_not_a_second_time() {
        assert!(init(&LogConfig::default()).is_ok());
        let again = LogConfig { format: LogFormat::Json, ..LogConfig::default() };
        assert!(matches!(init(&again), Err(TelemetryError::Installed(_))));
    }
}
