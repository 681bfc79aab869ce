//! What a run of the generator found.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

use super::connection::Answer;
use crate::hooks::{Kind, MessageId};

/// What a server does with forged requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// 401, as Portico must.
    Unauthorized,
    /// Any 4xx.
    Refused,
    /// It looks at nothing.
    Absent,
}

/// Answers, times, and what the generator itself cost.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    latency: Histogram<u64>,
    lag: Histogram<u64>,
    statuses: BTreeMap<(Kind, u16), u64>,
    /// New messages answered 2xx, with the moment of the answer.
    pub(crate) acknowledged: Vec<(MessageId, Instant)>,
    /// Bytes of their requests, heads included.
    pub(crate) bytes: u64,
    /// Requests answered.
    pub(crate) requests: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// CPU of the generator's process.
    pub(crate) own_cpu: u64,
}

fn histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(100, 120_000_000_000, 3) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("bounds and digits are fixed and valid"),
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            latency: histogram(),
            lag: histogram(),
            statuses: BTreeMap::new(),
            acknowledged: Vec::new(),
            bytes: 0,
            requests: 0,
            took: Duration::ZERO,
            own_cpu: 0,
        }
    }

    pub(super) fn record(&mut self, answer: &Answer, now: Instant) {
        self.latency.saturating_record(nanos(now.saturating_duration_since(answer.counted_from)));
        *self.statuses.entry((answer.ticket.kind, answer.status)).or_default() += 1;
        self.requests += 1;
        if matches!(answer.ticket.kind, Kind::New | Kind::Large) && (200..300).contains(&answer.status) {
            self.acknowledged.push((answer.ticket.id, now));
            self.bytes += answer.bytes as u64;
        }
    }

    pub(super) fn lag(&mut self, lag: Duration) {
        self.lag.saturating_record(nanos(lag));
    }

    pub(super) fn finish(&mut self, took: Duration, own_cpu: u64) {
        (self.took, self.own_cpu) = (took, own_cpu);
    }

    /// Ids of what was acknowledged.
    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.acknowledged.iter().map(|(id, _)| *id).collect()
    }

    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// Latency at a quantile, in microseconds.
    pub(crate) fn micros(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// The generator was late by itself: the round is void.
    pub(crate) fn late(&self) -> bool {
        self.lag.value_at_quantile(0.99) > 200_000
    }

    /// Own lag at p99, in microseconds.
    pub(crate) fn lag_p99(&self) -> f64 {
        self.lag.value_at_quantile(0.99) as f64 / 1000.0
    }

    /// How many got a status.
    pub(crate) fn answered(&self, status: u16) -> u64 {
        self.statuses.iter().filter(|((_, one), _)| *one == status).map(|(_, count)| count).sum()
    }

    /// Statuses in words.
    pub(crate) fn statuses(&self) -> String {
        let words: Vec<String> = self
            .statuses
            .iter()
            .map(|((kind, status), count)| format!("{kind:?} {status}: {count}"))
            .collect();
        words.join(", ")
    }

    /// Whether every answer is the one that was planned: 2xx, and for what was forged as `proof` says.
    ///
    /// # Errors
    /// With all statuses.
    pub(crate) fn planned(&self, proof: Proof) -> Result<()> {
        let fits = |kind: Kind, status: u16| match (kind, proof) {
            (Kind::Forged, Proof::Unauthorized) => status == 401,
            (Kind::Forged, Proof::Refused) => (400..500).contains(&status),
            _ => (200..300).contains(&status),
        };
        if self.requests == 0 || self.statuses.keys().any(|(kind, status)| !fits(*kind, *status)) {
            bail!("answers other than planned: {}", self.statuses());
        }
        Ok(())
    }
}
