//! Logging: one line per event, as text for people or JSON for machines, redacted and limited in rate.

mod layer;
mod rate;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use layer::LogLayer;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, to standard error.
    #[default]
    Text,
    /// One JSON object per line, to standard output.
    Json,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// How a line looks.
    pub format: LogFormat,
    /// `info`, or directives such as `info,portico_dispatch=debug`.
    pub filter: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter can't be read.
    #[error(
        "log filter '{filter}': {reason}; write a level such as \"info\" or \"info,portico_dispatch=debug\""
    )]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was set up before.
    #[error("logging was set up already")]
    Twice,
}

/// Lines left out by the rate limit since the process began.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines left out by the rate limit since the process began.
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Where lines go.
type Out = Mutex<Box<dyn Write + Send>>;

/// Sets up logging for the process.
///
/// Fields whose name speaks of a secret are not shown, what looks like a secret in texts is cut, and one
/// place in the code may write 100 lines a second; what is left out is counted and said in the next line.
///
/// # Errors
/// A filter that can't be read; a second call.
pub fn init(options: &LogOptions) -> Result<(), LogError> {
    let filter = filter(&options.filter)?;
    let out: Box<dyn Write + Send> = match options.format {
        LogFormat::Text => Box::new(std::io::stderr()),
        LogFormat::Json => Box::new(std::io::stdout()),
    };
    tracing_subscriber::registry()
        .with(LogLayer::new(options.format, Mutex::new(out)).with_filter(filter))
        .try_init()
        .map_err(|_| LogError::Twice)
}

/// Reads a filter, so that a configuration check can do it without setting up logging.
///
/// # Errors
/// A sentence with the filter and what is wrong with it.
pub fn check_filter(text: &str) -> Result<(), LogError> {
    filter(text).map(drop)
}

fn filter(text: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(text)
        .map_err(|error| LogError::Filter { filter: text.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests;
