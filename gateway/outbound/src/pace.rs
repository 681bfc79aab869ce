//! Third step of the way out: the provider's pace (guarantee O4).
//!
//! Each installation, and each conversation where the manifest says so, has a bucket. A stated burst is the
//! bucket's size; without one, requests are spread evenly, so that no stretch of time holds over 1% more than
//! the stated rate. A 429 with `Retry-After` stops the whole installation until then, and halves its pace for
//! a minute; where the provider limits single conversations too, it stops only that one, unless two different
//! ones are limited within a second.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use portico_contract::{ChannelSpec, InstallationId, Manifest, Pace, Rate};
use tokio::time::Instant;

/// Longest wait for a conversation's pace inside a worker; above it the lane is deferred.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an installation stays at half its pace after a 429.
const SLOW_FOR: Duration = Duration::from_secs(60);
/// Two conversations limited within this time mean that the whole installation is.
const TOGETHER: Duration = Duration::from_secs(1);
/// Longest pause that a provider's `Retry-After` may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// Looks at keyed buckets between two clean-ups of full ones.
const CLEAN_EVERY: u32 = 4096;

/// Tokio's clock, so that pace and tests share one time.
#[derive(Clone, Copy, Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Whole = RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>;
type ByConversation = RateLimiter<u64, HashMapStateStore<u64>, Monotonic, NoOpMiddleware<Duration>>;

/// Whether a message may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// Now.
    Now,
    /// Its conversation has to wait so long.
    Later(Duration),
    /// The whole installation has to wait so long.
    Paused(Duration),
}

/// What a 429 stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The conversation alone.
    Conversation,
    /// The whole installation.
    Installation,
}

/// The pace of all installations.
#[derive(Debug, Default)]
pub struct Paces(Mutex<HashMap<InstallationId, Arc<Pacer>>>);

impl Paces {
    /// The pace of an installation, made from its manifest at the first call.
    pub fn of(&self, id: &InstallationId, manifest: &Manifest) -> Arc<Pacer> {
        self.0.lock().entry(id.clone()).or_insert_with(|| Arc::new(Pacer::new(manifest))).clone()
    }

    /// Forgets installations that are gone.
    pub fn retain(&self, keep: impl Fn(&InstallationId) -> bool) {
        self.0.lock().retain(|id, _| keep(id));
    }
}

struct ChannelPace {
    /// The channel's own bucket, where it differs from the installation's.
    whole: Option<Whole>,
    conversation: Option<ByConversation>,
}

#[derive(Default)]
struct Limits {
    paused_until: Option<Instant>,
    slow_until: Option<Instant>,
    /// The conversation that was limited last, and when.
    last: Option<(u64, Instant)>,
    /// 429s in a row without `Retry-After`.
    unsaid: u32,
}

/// The pace of one installation.
pub struct Pacer {
    clock: Monotonic,
    /// Those who wait for the installation's bucket stand in one line, so that nobody is passed by.
    line: tokio::sync::Mutex<()>,
    whole: Option<Whole>,
    slow: Whole,
    conversation: Option<ByConversation>,
    channels: HashMap<String, ChannelPace>,
    limits: Mutex<Limits>,
    looks: AtomicU32,
}

impl std::fmt::Debug for Pacer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pacer").finish_non_exhaustive()
    }
}

fn quota(rate: &Rate) -> Option<Quota> {
    let count = NonZeroU32::new(rate.count)?;
    let interval = Duration::from_millis(u64::from(rate.per_ms)).checked_div(count.get())?;
    let burst = NonZeroU32::new(rate.burst.unwrap_or(rate.count / 100)).unwrap_or(NonZeroU32::MIN);
    Some(Quota::with_period(interval.max(Duration::from_nanos(1)))?.allow_burst(burst))
}

/// Half of a stated pace, without bursts; two in a second where none is stated.
fn half(rate: Option<Rate>) -> Quota {
    let rate = rate.filter(|rate| rate.count > 0).unwrap_or(Rate { count: 4, per_ms: 1000, burst: None });
    let halved = Rate { per_ms: rate.per_ms.saturating_mul(2), burst: Some(1), ..rate };
    quota(&halved).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
}

impl Pacer {
    /// The pace that a manifest states.
    pub fn new(manifest: &Manifest) -> Self {
        let clock = Monotonic(Instant::now());
        let whole = |rate: &Rate| quota(rate).map(|quota| RateLimiter::direct_with_clock(quota, clock));
        let keyed = |rate: &Rate| {
            quota(rate).map(|quota| RateLimiter::new(quota, HashMapStateStore::default(), clock))
        };
        let channel = |(name, spec): (&String, &ChannelSpec)| {
            let Pace { installation, conversation } = &spec.pace;
            let pace = ChannelPace {
                whole: installation.as_ref().and_then(whole),
                conversation: conversation.as_ref().and_then(keyed),
            };
            (name.clone(), pace)
        };
        Self {
            clock,
            line: tokio::sync::Mutex::new(()),
            whole: manifest.pace.installation.as_ref().and_then(whole),
            slow: RateLimiter::direct_with_clock(half(manifest.pace.installation), clock),
            conversation: manifest.pace.conversation.as_ref().and_then(keyed),
            channels: manifest.channels.iter().map(channel).collect(),
            limits: Mutex::new(Limits::default()),
            looks: AtomicU32::new(0),
        }
    }

    /// How long the whole installation still has to wait.
    pub fn paused(&self) -> Option<Duration> {
        let until = self.limits.lock().paused_until?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Waits until `calls` requests of a conversation may leave. What must wait long is told to come back.
    pub async fn ready(&self, channel: &str, conversation: u64, calls: usize) -> Go {
        if let Some(left) = self.paused() {
            return Go::Paused(left);
        }
        let channel = self.channels.get(channel);
        let own = channel.and_then(|channel| channel.conversation.as_ref());
        if let Some(keyed) = own.or(self.conversation.as_ref()) {
            self.clean();
            let until = Instant::now() + PATIENCE;
            while let Err(wait) = keyed.check_key(&conversation) {
                let wait = wait.wait_time_from(self.clock.now());
                if Instant::now() + wait > until {
                    return Go::Later(wait);
                }
                tokio::time::sleep(wait).await;
            }
        }
        let whole = channel.and_then(|channel| channel.whole.as_ref()).or(self.whole.as_ref());
        let _line = self.line.lock().await;
        for _ in 0..calls.max(1) {
            if let Some(whole) = whole {
                self.take(whole).await;
            }
            if self.is_slow() {
                self.take(&self.slow).await;
            }
            if let Some(left) = self.paused() {
                return Go::Paused(left);
            }
        }
        Go::Now
    }

    async fn take(&self, bucket: &Whole) {
        while let Err(wait) = bucket.check() {
            tokio::time::sleep(wait.wait_time_from(self.clock.now())).await;
        }
    }

    fn is_slow(&self) -> bool {
        self.limits.lock().slow_until.is_some_and(|until| until > Instant::now())
    }

    fn clean(&self) {
        if self.looks.fetch_add(1, Ordering::Relaxed) % CLEAN_EVERY != CLEAN_EVERY - 1 {
            return;
        }
        let channels = self.channels.values().filter_map(|channel| channel.conversation.as_ref());
        for keyed in channels.chain(&self.conversation) {
            keyed.retain_recent();
            keyed.shrink_to_fit();
        }
    }

    /// The provider answered 429 to a message of a conversation. Says what stopped, and for how long.
    pub fn limited(
        &self,
        channel: &str,
        conversation: u64,
        retry_after: Option<Duration>,
    ) -> (Stopped, Duration) {
        let own = self.channels.get(channel).is_some_and(|channel| channel.conversation.is_some());
        let now = Instant::now();
        let mut limits = self.limits.lock();
        let pause = match retry_after {
            Some(pause) => {
                limits.unsaid = 0;
                pause.clamp(Duration::from_millis(1), MAX_PAUSE)
            }
            None => {
                limits.unsaid = limits.unsaid.saturating_add(1);
                Duration::from_secs(1 << limits.unsaid.saturating_sub(1).min(6))
            }
        };
        let others = limits.last.is_some_and(|(last, at)| last != conversation && now - at <= TOGETHER);
        limits.last = Some((conversation, now));
        if (own || self.conversation.is_some()) && !others {
            return (Stopped::Conversation, pause);
        }
        let until = limits.paused_until.map_or(now + pause, |known| known.max(now + pause));
        limits.paused_until = Some(until);
        limits.slow_until = Some(until + SLOW_FOR);
        (Stopped::Installation, pause)
    }

    /// The provider took a message.
    pub fn went_well(&self) {
        self.limits.lock().unsaid = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(pace: serde_json::Value) -> Manifest {
        serde_json::from_value(serde_json::json!({
            "manifest": 1, "name": "p", "version": "1.0.0", "title": "P", "description": "P", "pace": pace,
            "channels": { "dm": { "title": "DM" }, "slow": { "title": "S",
                "pace": { "conversation": { "count": 1, "per_ms": 10000 } } } },
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_stretch_of_time_holds_more_than_the_rate() {
        let pacer =
            Pacer::new(&manifest(serde_json::json!({ "installation": { "count": 30, "per_ms": 1000 } })));
        let start = Instant::now();
        let mut sent = Vec::new();
        for conversation in 0..300 {
            assert_eq!(pacer.ready("dm", conversation, 1).await, Go::Now);
            sent.push(start.elapsed());
        }
        for from in &sent {
            let within =
                sent.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count();
            assert!(within <= 30, "{within} in a second from {from:?}");
        }
        assert!(start.elapsed() < Duration::from_millis(10_400), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stated_burst_goes_at_once_and_then_the_rate_holds() {
        let rate = serde_json::json!({ "installation": { "count": 10, "per_ms": 1000, "burst": 5 } });
        let pacer = Pacer::new(&manifest(rate));
        let start = Instant::now();
        for _ in 0..5 {
            assert_eq!(pacer.ready("dm", 1, 1).await, Go::Now);
        }
        assert!(start.elapsed() < Duration::from_millis(5));
        assert_eq!(pacer.ready("dm", 1, 2).await, Go::Now);
        assert!(start.elapsed() >= Duration::from_millis(199), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_conversation_waits_by_itself() {
        let pacer =
            Pacer::new(&manifest(serde_json::json!({ "conversation": { "count": 1, "per_ms": 1000 } })));
        let start = Instant::now();
        assert_eq!(pacer.ready("dm", 1, 1).await, Go::Now);
        assert_eq!(pacer.ready("dm", 2, 1).await, Go::Now);
        assert!(start.elapsed() < Duration::from_millis(5));
        assert_eq!(pacer.ready("dm", 1, 1).await, Go::Now);
        assert!(start.elapsed() >= Duration::from_millis(999));
        assert_eq!(pacer.ready("slow", 3, 1).await, Go::Now);
        let Go::Later(wait) = pacer.ready("slow", 3, 1).await else {
            panic!("ten seconds are too long to wait here")
        };
        assert!(wait > Duration::from_secs(9) && wait <= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_stops_the_installation_for_exactly_so_long_and_slows_it_for_a_minute() {
        let pacer =
            Pacer::new(&manifest(serde_json::json!({ "installation": { "count": 10, "per_ms": 1000 } })));
        let (stopped, pause) = pacer.limited("dm", 1, Some(Duration::from_secs(7)));
        assert_eq!((stopped, pause), (Stopped::Installation, Duration::from_secs(7)));
        assert_eq!(pacer.ready("dm", 2, 1).await, Go::Paused(Duration::from_secs(7)));
        tokio::time::advance(Duration::from_millis(6_999)).await;
        assert!(matches!(pacer.ready("dm", 2, 1).await, Go::Paused(_)));
        tokio::time::advance(Duration::from_millis(1)).await;
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(pacer.ready("dm", 2, 1).await, Go::Now);
        }
        assert!(start.elapsed() >= Duration::from_millis(1_790), "five in a second: {:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn where_conversations_have_a_pace_one_429_stops_one_and_two_stop_all() {
        let pacer =
            Pacer::new(&manifest(serde_json::json!({ "conversation": { "count": 1, "per_ms": 1000 } })));
        let wait = Some(Duration::from_secs(30));
        assert_eq!(pacer.limited("dm", 1, wait).0, Stopped::Conversation);
        assert_eq!(pacer.limited("dm", 1, wait).0, Stopped::Conversation);
        assert_eq!(pacer.paused(), None);
        tokio::time::advance(Duration::from_millis(1_001)).await;
        assert_eq!(pacer.limited("dm", 2, wait).0, Stopped::Conversation);
        assert_eq!(pacer.limited("dm", 3, wait).0, Stopped::Installation);
        assert_eq!(pacer.paused(), wait);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_stated_wait_pauses_double() {
        let pacer = Pacer::new(&manifest(serde_json::json!({})));
        let seconds: Vec<u64> = (0..9).map(|_| pacer.limited("dm", 1, None).1.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        pacer.went_well();
        assert_eq!(pacer.limited("dm", 1, None).1.as_secs(), 1);
    }
}
