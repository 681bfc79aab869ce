//! The clock of a simulator: real time plus what a test has added by hand.
//!
//! Windows of 24 hours and links of five minutes are tested by turning it, never by sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time as one simulator sees it. Clones share the same hands.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    ahead_ms: Arc<AtomicU64>,
}

impl SimClock {
    /// Time since 1970 in UTC, including everything added by [`SimClock::advance`].
    pub fn now(&self) -> Duration {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        real + Duration::from_millis(self.ahead_ms.load(Ordering::Acquire))
    }

    /// Moves the clock forward. It never goes back.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX / 4);
        self.ahead_ms.fetch_add(ms, Ordering::AcqRel);
    }
}
