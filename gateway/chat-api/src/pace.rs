//! How often somebody may call, and how many streams somebody may hold open.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use portico_problem::{Kind, Problem};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::Limit;

use crate::Rate;

/// Calls between two looks for callers that have gone.
const TIDY: u32 = 4096;

/// So many calls in so long, for each caller of a kind.
pub(crate) struct Pace<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    calls: AtomicU32,
    metrics: Arc<Metrics>,
}

impl<K: Hash + Eq + Clone> Pace<K> {
    pub(crate) fn new(rate: Rate, metrics: Arc<Metrics>) -> Self {
        let period = (rate.per / rate.count.max(1)).max(Duration::from_nanos(1));
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        // Only a period of nought is refused.
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Self { limiter: RateLimiter::keyed(quota.allow_burst(burst)), calls: AtomicU32::new(0), metrics }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// `RateLimited`, which says when to come back.
    pub(crate) fn check(&self, caller: &K) -> Result<(), Problem> {
        // A flood from many callers must not grow this without bound.
        if self.calls.fetch_add(1, Ordering::Relaxed) % TIDY == TIDY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(caller).map_err(|wait| {
            self.metrics.limits.inc(Limit::Visitor);
            let wait = wait.wait_time_from(DefaultClock::default().now());
            let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
            Problem::new(Kind::RateLimited, "too many calls; slow down").retry_after(seconds)
        })
    }
}

/// Streams that are open, for each holder.
#[derive(Clone)]
pub(crate) struct Seats<K: Hash + Eq + Clone> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    metrics: Arc<Metrics>,
}

impl<K: Hash + Eq + Clone> Seats<K> {
    /// Seats that are all free.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { taken: Arc::default(), metrics }
    }

    /// Takes a seat, free again when the answer is dropped.
    ///
    /// # Errors
    /// `RateLimited` when all seats of the holder are taken.
    pub(crate) fn take(&self, holder: K, most: usize) -> Result<Seat<K>, Problem> {
        let mut taken = self.taken.lock();
        let count = taken.entry(holder.clone()).or_default();
        if *count >= most {
            self.metrics.limits.inc(Limit::Streams);
            let reason = format!("at most {most} open streams are allowed; close one first");
            return Err(Problem::new(Kind::RateLimited, reason).retry_after(5));
        }
        *count += 1;
        Ok(Seat { of: self.clone(), holder })
    }
}

/// A seat that is taken.
pub(crate) struct Seat<K: Hash + Eq + Clone> {
    of: Seats<K>,
    holder: K,
}

impl<K: Hash + Eq + Clone> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock();
        if let Some(count) = taken.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_told_when_to_come_back_and_others_go_on() {
        let metrics = Arc::new(Metrics::new());
        let pace = Pace::new(Rate { count: 1, per: Duration::from_secs(60), burst: 2 }, metrics.clone());
        assert!(pace.check(&1).is_ok() && pace.check(&1).is_ok());
        let problem = pace.check(&1).unwrap_err();
        assert_eq!(problem.kind(), Kind::RateLimited);
        assert!(pace.check(&2).is_ok());
        assert_eq!(metrics.limits.get(Limit::Visitor), 1);
    }

    #[test]
    fn a_seat_is_free_again_when_its_stream_ends() {
        let seats = Seats::new(Arc::default());
        let first = seats.take("a", 2).unwrap();
        let second = seats.take("a", 2).unwrap();
        assert!(seats.take("a", 2).is_err());
        assert!(seats.take("b", 2).is_ok());
        drop(first);
        assert!(seats.take("a", 2).is_ok());
        drop(second);
        assert!(seats.taken.lock().is_empty());
        assert_eq!(seats.metrics.limits.get(Limit::Streams), 1);
    }
}
