//! What the gateway says about itself: log lines, their field names, and metrics.
//!
//! - [`log::init`] sets up logging once, in the binary; everybody else uses `tracing`'s macros with the
//!   names of [`Fields`].
//! - [`Metrics`] is the one list of metrics. A component resolves its handle once
//!   (`metrics.webhook("shop")`) and keeps it; counting is then an atomic addition.
//!
//! Nothing here ever holds a body, a token or a person's text.

mod fields;
mod histogram;
pub mod log;
pub mod metrics;
mod redact;

pub use fields::Fields;
pub use histogram::Histogram;
pub use log::{LogError, LogFormat, LogOptions, init};
pub use metrics::Metrics;
pub use redact::redact;
