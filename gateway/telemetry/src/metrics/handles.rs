//! Handles: what a component resolves once and then counts into with an atomic addition.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::words::{BreakerState, DispatchOutcome, PerWord, Road, SendOutcome, WebhookOutcome, Word};
use super::{Counters, Seconds};
use crate::Histogram;

/// Webhooks of one installation.
#[derive(Debug)]
pub struct WebhookMetrics {
    /// Requests, by outcome.
    pub outcomes: PerWord<WebhookOutcome>,
    /// Bytes of bodies.
    pub bytes: Counter,
    /// From the last byte to the answer.
    pub seconds: Histogram,
}

impl WebhookMetrics {
    /// Counts one request.
    pub fn record(&self, outcome: WebhookOutcome, bytes: usize, took: Duration) {
        self.outcomes.inc(outcome);
        self.bytes.inc_by(bytes as u64);
        self.seconds.observe(took);
    }
}

/// Dispatch to one bot's core.
#[derive(Debug)]
pub struct BotMetrics {
    /// Attempts, by outcome.
    pub attempts: PerWord<DispatchOutcome>,
    /// How long the core took.
    pub seconds: Histogram,
    pub(super) breaker: Gauge,
}

impl BotMetrics {
    /// Counts one attempt.
    pub fn record(&self, outcome: DispatchOutcome, took: Duration) {
        self.attempts.inc(outcome);
        self.seconds.observe(took);
    }

    /// Says where the breaker stands.
    pub fn set_breaker(&self, state: BreakerState) {
        self.breaker.set(i64::try_from(state.index()).unwrap_or(i64::MAX));
    }
}

/// What one installation sends.
#[derive(Debug)]
pub struct SendMetrics {
    /// Attempts, by outcome.
    pub outcomes: PerWord<SendOutcome>,
    /// How long the provider took.
    pub provider: Histogram,
    /// Messages that wait.
    pub backlog: Gauge,
    /// Age of the oldest waiting message in seconds.
    pub oldest: Seconds,
    /// 1 while the installation needs a person.
    pub attention: Gauge,
    /// Pauses to keep the provider's limit.
    pub waits: ConnectorWaits,
}

impl SendMetrics {
    /// Counts one attempt.
    pub fn record(&self, outcome: SendOutcome, took: Duration) {
        self.outcomes.inc(outcome);
        self.provider.observe(took);
    }
}

/// Pauses to keep a provider's rate limit.
#[derive(Debug)]
pub struct ConnectorWaits {
    pub(super) times: Counter,
    pub(super) seconds: Counter<f64, AtomicU64>,
}

impl ConnectorWaits {
    /// Counts one pause.
    pub fn record(&self, pause: Duration) {
        self.times.inc();
        self.seconds.inc_by(pause.as_secs_f64());
    }
}

/// Those who listen to one installation's live conversations.
#[derive(Debug)]
pub struct LiveMetrics {
    pub(super) open: Vec<Gauge>,
    /// Readers that were cut because they took nothing for too long.
    pub slow: Counter,
}

impl LiveMetrics {
    /// Counts one more on a road, until what is given back is dropped.
    pub fn open(&self, road: Road) -> Held {
        Held::of(self.open.get(road.index()).cloned().unwrap_or_default())
    }
}

/// One of those that a gauge counts; it is one less when this is dropped.
#[derive(Debug)]
pub struct Held(Gauge);

impl Held {
    /// Counts one more.
    pub fn of(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Statuses that the runtime API gives in normal life; others share `other`.
const STATUSES: [u16; 16] = [200, 201, 202, 204, 400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 500, 503];

/// One operation of the runtime API.
#[derive(Debug)]
pub struct ApiMetrics {
    counters: Vec<Counter>,
    other: Counter,
    /// How long it took.
    pub seconds: Histogram,
}

impl ApiMetrics {
    pub(super) fn new(family: Counters, seconds: Histogram, operation: &'static str) -> Self {
        let counter = |status: String| {
            family.get_or_create_owned(&vec![("operation", operation.to_owned()), ("status", status)])
        };
        Self {
            counters: STATUSES.iter().map(|status| counter(status.to_string())).collect(),
            other: counter("other".into()),
            seconds,
        }
    }

    /// Counts one request.
    pub fn record(&self, status: u16, took: Duration) {
        let known = STATUSES.iter().position(|known| *known == status);
        known.and_then(|index| self.counters.get(index)).unwrap_or(&self.other).inc();
        self.seconds.observe(took);
    }
}
