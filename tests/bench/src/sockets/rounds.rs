//! The closed loop: each client says something, waits for its answer, and says the next.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

use super::{Heard, PATIENCE, Sockets};
use crate::sched::Cpu;

/// Who talks, with whom, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    /// The server.
    pub(crate) pid: u32,
    pub(crate) clients: Range<usize>,
    pub(crate) warm: Duration,
    pub(crate) window: Duration,
    /// What one client may say, all in all. A visitor who says 2,000 things in a heartbeat is sent away.
    pub(crate) most: u32,
}

/// What was found within the window.
#[derive(Debug)]
pub(crate) struct Found {
    /// CPU of the server, one reading for each window that was joined.
    spent: Vec<Cpu>,
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Histogram<u64>,
}

impl Found {
    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// CPU of all threads for one answer, in µs.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu_of(|_| true)
    }

    /// CPU of the threads whose name passes for one answer, in µs.
    pub(crate) fn cpu_of(&self, pass: impl Fn(&str) -> bool) -> f64 {
        let nanos: u64 = self.spent.iter().map(|one| one.named(&pass)).sum();
        nanos as f64 / self.answers as f64 / 1e3
    }

    /// Adds what another window found.
    ///
    /// # Errors
    /// None: histograms are all made alike.
    pub(crate) fn join(&mut self, other: Self) -> Result<()> {
        self.spent.extend(other.spent);
        self.answers += other.answers;
        self.seconds += other.seconds;
        self.latency.add(other.latency)?;
        Ok(())
    }

    /// Latency at a quantile, in µs.
    pub(crate) fn micros(&self, quantile: f64) -> f64 {
        micros(&self.latency, quantile)
    }
}

/// Latencies of up to two minutes with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(100, 120_000_000_000, 3) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("bounds and digits are fixed and valid"),
    }
}

/// Adds a latency.
pub(crate) fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

/// At a quantile, in µs.
pub(crate) fn micros(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

impl Rounds {
    /// Talks until warm-up and window are over, and until all that was said is answered. `next` writes what a
    /// client (from 0) says; `is_answer` judges what it hears.
    ///
    /// # Errors
    /// Those of `is_answer`, when a connection ends, and when an answer does not come.
    pub(crate) fn talk(
        &self,
        sockets: &mut Sockets,
        mut next: impl FnMut(usize, &mut Vec<u8>),
        mut is_answer: impl FnMut(usize, Heard<'_>) -> Result<bool>,
    ) -> Result<Found> {
        let first = self.clients.start;
        let mut clients = vec![(Instant::now(), 1_u32); self.clients.len()];
        let (mut latency, mut answers, mut under_way) = (histogram(), 0, clients.len());
        let begin = Instant::now();
        let (from, end) = (begin + self.warm, begin + self.warm + self.window);
        for (number, client) in clients.iter_mut().enumerate() {
            let mut out = Vec::new();
            next(number, &mut out);
            client.0 = Instant::now();
            sockets.bytes(first + number, &out)?;
        }
        let mut started: Option<(Instant, Cpu)> = None;
        let mut ended: Option<(Instant, Cpu)> = None;
        while under_way > 0 {
            let counts = started.is_some() && ended.is_none();
            let some = sockets.listen(PATIENCE, |at, heard, out| {
                let Some(number) = at.checked_sub(first) else { return Ok(()) };
                let Some((since, said)) = clients.get_mut(number) else { return Ok(()) };
                if let Heard::Closed(code) = heard {
                    bail!("client {number} was closed with {code} after {said} texts");
                }
                if !is_answer(number, heard)? {
                    return Ok(());
                }
                let now = Instant::now();
                if counts {
                    record(&mut latency, now - *since);
                    answers += 1;
                }
                if now < end && *said < self.most {
                    (*since, *said) = (now, *said + 1);
                    next(number, out);
                } else {
                    under_way -= 1;
                }
                Ok(())
            })?;
            if !some {
                bail!("{under_way} clients had no answer for {} s", PATIENCE.as_secs());
            }
            let now = Instant::now();
            if started.is_none() && now >= from {
                started = Some((now, Cpu::of(self.pid)));
            } else if ended.is_none() && now >= end {
                ended = Some((now, Cpu::of(self.pid)));
            }
        }
        let took = begin.elapsed();
        let Some((begin, before)) = started.filter(|_| answers > 0) else {
            let said: u64 = clients.iter().map(|(_, said)| u64::from(*said)).sum();
            bail!(
                "of {said} answers none came within the window, from {} to {} ms; the last came after {} ms",
                self.warm.as_millis(),
                (self.warm + self.window).as_millis(),
                took.as_millis()
            );
        };
        let (end, after) = ended.unwrap_or_else(|| (Instant::now(), Cpu::of(self.pid)));
        let seconds = (end - begin).as_secs_f64();
        Ok(Found { spent: vec![after.since(&before)], answers, seconds, latency })
    }
}
