//! Rate limits: per installation, per address, and for addresses that fail to prove themselves.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota as GovernorQuota, RateLimiter};
use parking_lot::Mutex;

use crate::client_address::bucket;
use crate::options::{Limits, Quota};

type Keyed = RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>;

/// Seconds that a refused caller should wait.
pub(crate) type RetryAfter = u64;

/// The limits of one edge. Keys are keyed hashes: eight bytes each, and strangers can't make them collide.
pub(crate) struct RateLimits {
    clock: DefaultClock,
    hasher: RandomState,
    installation: Keyed,
    address: Option<Keyed>,
    failures: Keyed,
    failure_pause: Duration,
    barred: Mutex<HashMap<u128, Instant>>,
}

fn limiter(quota: Quota) -> Keyed {
    let one = NonZeroU32::MIN;
    let count = NonZeroU32::new(quota.count).unwrap_or(one);
    let burst = NonZeroU32::new(quota.burst.max(1)).unwrap_or(one);
    let each = (quota.per / count.get()).max(Duration::from_nanos(1));
    let quota = GovernorQuota::with_period(each).unwrap_or_else(|| GovernorQuota::per_second(count));
    RateLimiter::new(quota.allow_burst(burst), DashMapStateStore::default(), DefaultClock::default())
}

impl RateLimits {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            installation: limiter(limits.installation),
            address: limits.address.map(limiter),
            failures: limiter(limits.failures),
            failure_pause: limits.failure_pause,
            barred: Mutex::new(HashMap::new()),
        }
    }

    fn check(&self, limiter: &Keyed, key: u64) -> Result<(), RetryAfter> {
        limiter.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }

    /// Counts a webhook of an installation.
    pub(crate) fn installation(&self, id: &str) -> Result<(), RetryAfter> {
        self.check(&self.installation, self.hasher.hash_one(id))
    }

    /// Counts a request of an address.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), RetryAfter> {
        match &self.address {
            Some(limiter) => self.check(limiter, self.hasher.hash_one(bucket(address))),
            None => Ok(()),
        }
    }

    /// Whether an address is turned away because it failed too often.
    pub(crate) fn barred(&self, address: IpAddr) -> Result<(), RetryAfter> {
        let mut barred = self.barred.lock();
        if barred.is_empty() {
            return Ok(());
        }
        let key = bucket(address);
        match barred.get(&key).map(|until| until.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => {
                barred.remove(&key);
                Ok(())
            }
            Some(left) => Err(left.as_secs() + 1),
            None => Ok(()),
        }
    }

    /// Counts a request that failed to prove its sender; too many bar the address for a while.
    /// Says whether it is barred now.
    pub(crate) fn failed(&self, address: IpAddr) -> bool {
        let key = bucket(address);
        if self.check(&self.failures, self.hasher.hash_one(key)).is_ok() {
            return false;
        }
        let mut barred = self.barred.lock();
        // A flood from many addresses must not grow this without bound.
        if barred.len() >= 100_000 {
            let now = Instant::now();
            barred.retain(|_, until| *until > now);
        }
        if barred.len() < 100_000 {
            barred.insert(key, Instant::now() + self.failure_pause);
        }
        true
    }

    /// Forgets keys that are back at their full allowance; called now and then.
    pub(crate) fn tidy(&self) {
        self.installation.retain_recent();
        self.failures.retain_recent();
        if let Some(address) = &self.address {
            address.retain_recent();
        }
        let now = Instant::now();
        self.barred.lock().retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_is_barred_and_others_are_not() {
        let limits = Limits {
            failures: Quota { count: 2, per: Duration::from_secs(60), burst: 2 },
            ..Limits::default()
        };
        let rates = RateLimits::new(&limits);
        let (bad, good) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!([rates.failed(bad), rates.failed(bad), rates.failed(bad)], [false, false, true]);
        assert!(rates.barred(bad).is_err_and(|wait| wait > 290 && wait <= 301));
        assert!(rates.barred(good).is_ok());
    }

    #[test]
    fn an_installation_has_its_burst_and_then_its_rate() {
        let limits = Limits {
            installation: Quota { count: 1, per: Duration::from_secs(10), burst: 3 },
            ..Limits::default()
        };
        let rates = RateLimits::new(&limits);
        let taken = (0..4).filter(|_| rates.installation("shop").is_ok()).count();
        assert_eq!(taken, 3);
        assert!(rates.installation("shop").is_err_and(|wait| (1..=10).contains(&wait)));
        assert!(rates.installation("other").is_ok());
    }
}
