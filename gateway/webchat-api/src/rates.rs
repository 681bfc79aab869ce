//! How much a session and an address may send: hellos, messages, events, uploads.
//!
//! Keys are keyed hashes: eight bytes each, and strangers can't make them collide.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use portico_serve::address::bucket;
use portico_telemetry::Metrics;
use portico_telemetry::metrics::Limit;

use crate::channel::Limits;

type Keyed = RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Hellos of one session in a minute, for each 60 of an address.
const SESSION_SHARE: u32 = 6;

/// Calls over HTTP, for each event: reading back takes more of them than saying.
const CALLS: u32 = 10;

/// The limiters of one channel.
pub(crate) struct Rates {
    clock: DefaultClock,
    hasher: RandomState,
    hello_address: Keyed,
    hello_session: Keyed,
    newcomer: Keyed,
    message: Keyed,
    event: Keyed,
    call: Keyed,
    upload: Keyed,
    metrics: Arc<Metrics>,
}

fn limiter(count: u32, per: Duration, burst: u32) -> Keyed {
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let each = (per / count.get()).max(Duration::from_nanos(1));
    let quota = Quota::with_period(each).unwrap_or_else(|| Quota::per_second(count));
    RateLimiter::new(quota.allow_burst(burst), DashMapStateStore::default(), DefaultClock::default())
}

impl Rates {
    pub(crate) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        // A few at once are a person in a hurry; the rest is the pace of the quota.
        let burst = |count: u32| (count / 4).max(5);
        let per_session = (limits.hellos / SESSION_SHARE).max(1);
        let calls = limits.events.saturating_mul(CALLS);
        Self {
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            hello_address: limiter(limits.hellos, MINUTE, limits.hellos),
            hello_session: limiter(per_session, MINUTE, per_session),
            newcomer: limiter((limits.hellos / 2).max(1), MINUTE, (limits.hellos / 2).max(1)),
            message: limiter(limits.messages, MINUTE, burst(limits.messages)),
            event: limiter(limits.events, MINUTE, burst(limits.events)),
            call: limiter(calls, MINUTE, burst(calls)),
            upload: limiter(limits.uploads, HOUR, limits.uploads),
            metrics,
        }
    }

    fn check(&self, limiter: &Keyed, key: impl Hash) -> Result<(), Duration> {
        let key = self.hasher.hash_one(key);
        limiter.check_key(&key).map_err(|not_until| {
            self.metrics.limits.inc(Limit::Visitor);
            not_until.wait_time_from(self.clock.now())
        })
    }

    /// Counts a hello of an address. An error is how long to wait.
    pub(crate) fn hello(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        address.map_or(Ok(()), |address| self.check(&self.hello_address, bucket(address)))
    }

    /// Counts a hello of a session.
    pub(crate) fn hello_again(&self, session: &str) -> Result<(), Duration> {
        self.check(&self.hello_session, session)
    }

    /// Counts a visitor who was never here before.
    pub(crate) fn newcomer(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        address.map_or(Ok(()), |address| self.check(&self.newcomer, bucket(address)))
    }

    /// Counts a message of a session.
    pub(crate) fn message(&self, session: &str) -> Result<(), Duration> {
        self.check(&self.message, session)
    }

    /// Counts an event, or a change, of a session.
    pub(crate) fn event(&self, session: &str) -> Result<(), Duration> {
        self.check(&self.event, session)
    }

    /// Counts a call over HTTP of a session.
    pub(crate) fn call(&self, session: &str) -> Result<(), Duration> {
        self.check(&self.call, session)
    }

    /// Counts an upload of a session.
    pub(crate) fn upload(&self, session: &str) -> Result<(), Duration> {
        self.check(&self.upload, session)
    }

    /// Forgets those whose quotas are whole again.
    pub(crate) fn tidy(&self) {
        for limiter in [
            &self.hello_address,
            &self.hello_session,
            &self.newcomer,
            &self.message,
            &self.event,
            &self.call,
            &self.upload,
        ] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}
