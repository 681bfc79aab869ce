//! Rate limits of a provider: so many requests per interval for one key, after an initial burst.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// One limit: after a burst of `burst` requests, one every `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Time after which one more request is allowed. Zero switches the limit off.
    pub interval: Duration,
    /// How many requests may come at once from rest; at least 1.
    pub burst: u32,
}

impl Pace {
    /// No limit at all.
    pub const OFF: Self = Self { interval: Duration::ZERO, burst: 1 };

    /// One request per `interval` after `burst` at once.
    pub const fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst }
    }
}

/// Counts requests per key against one [`Pace`] (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Meter<K> {
    pace: Pace,
    /// When the key would be at rest again, as a time of the simulator's clock.
    free_at: HashMap<K, Duration>,
}

impl<K: Eq + Hash + Clone> Meter<K> {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, free_at: HashMap::new() }
    }

    /// How long `key` must wait at `now`; zero when a request would be admitted.
    pub(crate) fn wait(&self, key: &K, now: Duration) -> Duration {
        if self.pace.interval.is_zero() {
            return Duration::ZERO;
        }
        let slack = self.pace.interval * self.pace.burst.saturating_sub(1);
        let free = self.free_at.get(key).copied().unwrap_or_default();
        free.saturating_sub(slack).saturating_sub(now)
    }

    /// Admits one request of `key`, or says how long to wait.
    pub(crate) fn admit(&mut self, key: &K, now: Duration) -> Result<(), Duration> {
        let wait = self.wait(key, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        if !self.pace.interval.is_zero() {
            let free = self.free_at.entry(key.clone()).or_default();
            *free = (*free).max(now) + self.pace.interval;
        }
        Ok(())
    }
}

/// Whole seconds, rounded up, at least one: what `Retry-After` carries.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    let up = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    up.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_and_the_next_one_waits_for_its_interval() {
        let mut meter = Meter::new(Pace::new(SECOND, 3));
        let now = SECOND * 100;
        assert!((0..3).all(|_| meter.admit(&"a", now).is_ok()));
        assert_eq!(meter.admit(&"a", now), Err(SECOND));
        assert_eq!(meter.admit(&"b", now), Ok(()));
        assert_eq!(meter.admit(&"a", now + SECOND), Ok(()));
        assert_eq!(meter.admit(&"a", now + SECOND), Err(SECOND));
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let mut meter = Meter::new(Pace::new(SECOND, 1));
        assert!(meter.admit(&1, SECOND).is_ok());
        assert!((0..50).all(|_| meter.admit(&1, SECOND).is_err()));
        assert!(meter.admit(&1, SECOND * 2).is_ok());
    }

    #[test]
    fn waits_are_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(SECOND), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
    }
}
