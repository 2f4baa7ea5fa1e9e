//! Logging set-up of the binary: what is logged goes to standard error, as text or as JSON.
//!
//! The library itself never installs a logger; an embedding program has its own.

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogConfig, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` makes no sense.
    #[error("`level` is not understood ({0}): write a level such as info, or a list such as \"info,raconteur=debug\"")]
    Level(#[from] ParseError),
    /// Another logger is there already.
    #[error("logging was set up before, by someone else: set it up once")]
    Installed(#[from] TryInitError),
}

/// Starts logging, once per process. Colours only where standard error is a terminal and `NO_COLOR` is not set.
///
/// # Errors
/// When the level makes no sense, or a logger is there already.
pub fn init(log: &LogConfig) -> Result<(), TelemetryError> {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = fmt().with_env_filter(log.filter()?).with_writer(std::io::stderr).with_ansi(colours);
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
