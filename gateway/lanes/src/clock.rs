//! The wall clock, handed in so that tests turn it by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use portico_contract::Millis;

/// Tells the time of day. Waiting uses the runtime's own clock; this one is for what is stored.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now(&self) -> Millis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    }
}
