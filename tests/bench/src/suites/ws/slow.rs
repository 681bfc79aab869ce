//! Readers who stop reading: what they hold, when they are cut, what the others notice, and that those who come back
//! get all that they missed.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use serde_json::json;

use super::bot::Bot;
use super::crowd::{Crowd, gather};
use super::subjects::Subject;
use crate::report::{Must, Report};
use crate::sched::resident_kib;
use crate::sockets::dialect::{marked, seq};
use crate::sockets::rounds::{histogram, micros, record};
use crate::sockets::{Heard, Sockets, Target};

const HEALTHY: usize = 100;
const SLOW: usize = 128;
/// Messages of a part, fewer than a resume brings, and how many in a second; together more than kernels buffer.
const MESSAGES: u64 = 400;
const RATE: u32 = 50;
const PAD: usize = 8000;
/// What a slow reader's kernel takes.
const WINDOW: usize = 4096;
/// How long after the last message the cut must have come.
const CUT: Duration = Duration::from_secs(12);
/// The code of a cut.
const TOO_SLOW: u16 = 1013;

/// What a round found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow {
    /// p99 of the healthy, in µs, while all read and while some don't.
    before: f64,
    beside: f64,
    /// Resident memory for each of the slow, in KiB.
    held: f64,
}

struct Room<'a> {
    subject: &'a Subject,
    sockets: Sockets,
    bot: Bot,
    /// The last message and item of each.
    seen: Vec<(u64, u64)>,
    number: u64,
}

pub(super) fn measure(subject: &Subject) -> Result<Slow> {
    let mut sockets = Sockets::new()?;
    let crowd = gather(&mut sockets, subject, HEALTHY).context("gathering")?;
    let tight = Target { window: Some(WINDOW), ..subject.target };
    let greeting = || tight.dialect.greeting(Some(&crowd.token), &json!({}));
    sockets.enter(&tight, SLOW, |_| greeting())?;
    let mut bot = Bot::new(subject.target.address, crowd.conversation.clone())?;
    bot.pad = PAD;
    let seen = vec![(0, 0); HEALTHY + SLOW];
    let mut room = Room { subject, sockets, bot, seen, number: 0 };
    // A part to warm up, one with everybody, one without the slow.
    room.part(MESSAGES / 4, 0..HEALTHY + SLOW)?;
    let resident = || resident_kib(subject.id()).0 as f64;
    let start = resident();
    let all = room.part(MESSAGES, 0..HEALTHY + SLOW)?;
    let between = resident();
    room.sockets.deaf(HEALTHY..HEALTHY + SLOW, true)?;
    let some = room.part(MESSAGES, 0..HEALTHY)?;
    // Messages take their memory in both parts; what is more is the slow ones'.
    let held = (resident() - between - (between - start)).max(0.0) / SLOW as f64;
    room.cut()?;
    room.come_back(&crowd)?;
    Ok(Slow { before: micros(&all, 0.99), beside: micros(&some, 0.99), held })
}

impl Room<'_> {
    /// So many messages at their due times, until each of `readers` has all of them in order; latencies of the healthy.
    fn part(&mut self, messages: u64, readers: Range<usize>) -> Result<Histogram<u64>> {
        let mut latency = histogram();
        let first = self.number + 1;
        let last = self.number + messages;
        let begin = Instant::now();
        let due = |number: u64| begin + Duration::from_secs_f64((number - first) as f64 / f64::from(RATE));
        let (mut missing, mut heard_at) = (readers.len() as u64 * messages, begin);
        while missing > 0 {
            let now = Instant::now();
            while self.number < last && due(self.number + 1) <= now {
                self.number += 1;
                self.bot.say(self.number)?;
            }
            self.bot.settle(false)?;
            let next =
                if self.number < last { due(self.number + 1) } else { now + Duration::from_millis(20) };
            let wait = next.saturating_duration_since(now).min(Duration::from_millis(20));
            let seen = &mut self.seen;
            self.sockets.listen(wait, |at, heard, _| {
                let Some(number) = place(seen, at, heard)? else { return Ok(()) };
                heard_at = Instant::now();
                if readers.contains(&at) && number >= first {
                    missing -= 1;
                }
                if at < HEALTHY {
                    record(&mut latency, heard_at.saturating_duration_since(due(number)));
                }
                Ok(())
            })?;
            if heard_at.elapsed() > crate::sockets::PATIENCE {
                bail!("{missing} deliveries did not come");
            }
        }
        self.bot.settle(true)?;
        Ok(latency)
    }

    /// Waits until the slow must have been cut, reads what is left to them, and looks at how they were cut.
    fn cut(&mut self) -> Result<()> {
        let seen = &mut self.seen;
        self.sockets.during(CUT, |at, heard, _| place(seen, at, heard).map(drop))?;
        self.sockets.deaf(HEALTHY..HEALTHY + SLOW, false)?;
        let mut left = SLOW;
        let last = self.number;
        self.sockets.until(|at, heard, _| {
            match heard {
                Heard::Closed(TOO_SLOW) if at >= HEALTHY => left -= 1,
                Heard::Text(text) if at >= HEALTHY && marked(text) == Some(last) => {
                    bail!("reader {at} was to be cut and got everything: kernels buffer more than was sent");
                }
                _ => drop(place(seen, at, heard)?),
            }
            Ok(left == 0)
        })
    }

    /// The slow come back where they stopped, and get the rest.
    fn come_back(&mut self, crowd: &Crowd) -> Result<()> {
        let stopped: Vec<(u64, u64)> = self.seen.iter().skip(HEALTHY).copied().collect();
        let first = self.sockets.count();
        self.seen.extend(&stopped);
        let target = self.subject.target;
        let cursors: Vec<_> =
            stopped.iter().map(|(_, seq)| json!({ crowd.conversation.as_str(): seq })).collect();
        let none = json!({});
        // What was missed follows the welcome at once: nobody may hear of it before it can be written down.
        self.sockets.connect(&target, SLOW)?;
        for number in 0..SLOW {
            let cursor = cursors.get(number).unwrap_or(&none);
            let hello = target.dialect.greeting(Some(&crowd.token), cursor).context("no hello")?;
            self.sockets.say(first + number, &hello)?;
        }
        let (seen, last, mut left) = (&mut self.seen, self.number, SLOW);
        self.sockets.until(|at, heard, _| {
            if let Heard::Text(text) = heard
                && text.starts_with(br#"{"t":"reset""#)
            {
                bail!("client {at} missed less than a resume brings, and was reset");
            }
            if place(seen, at, heard)? == Some(last) && at >= first {
                left -= 1;
            }
            Ok(left == 0)
        })
    }
}

/// Writes down what a client got: the next item, and perhaps a message, whose number is given.
fn place(seen: &mut [(u64, u64)], at: usize, heard: Heard<'_>) -> Result<Option<u64>> {
    let text = match heard {
        Heard::Text(text) => text,
        Heard::Pong => return Ok(None),
        Heard::Closed(code) => bail!("client {at} was closed with {code}"),
    };
    if !text.starts_with(br#"{"t":"ev""#) {
        return Ok(None);
    }
    let (message, item) = seen.get_mut(at).context("no such client")?;
    if let Some(seq) = seq(text) {
        if *item != 0 && seq != *item + 1 {
            bail!("client {at} got item {seq} after {item}");
        }
        *item = seq;
    }
    let Some(number) = marked(text) else { return Ok(None) };
    if *message != 0 && number != *message + 1 {
        bail!("client {at} got message {number} after {message}");
    }
    *message = number;
    Ok(Some(number))
}

pub(super) fn tell(report: &mut Report, all: &[Slow]) {
    let s = "ws";
    let column = |pick: fn(&Slow) -> f64| -> Vec<f64> { all.iter().map(pick).collect() };
    let name = format!("{} read {RATE} messages/s of 8 KB: p99 of {HEALTHY}", HEALTHY + SLOW);
    report.speed(s, &name, "µs", &column(|one| one.before), Must::Nothing);
    let name = format!("  p99 where {SLOW} stop reading ÷ that");
    report.speed(s, &name, "×", &column(|one| one.beside / one.before), Must::AtMost(1.1));
    report.cost(s, "  held for one of them", "KiB", &column(|one| one.held), Must::AtMost(64.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_messages_that_are_skipped_or_come_twice_are_seen() {
        let item =
            |seq: u64, number: u64| format!(r##"{{"t":"ev","seq":{seq},"data":{{"text":"#{number}#"}}}}"##);
        let mut seen = vec![(0, 0)];
        let mut hear = |text: String| place(&mut seen, 0, Heard::Text(text.as_bytes()));
        assert_eq!(hear(item(7, 3)).unwrap(), Some(3));
        assert_eq!(hear(r#"{"t":"ev","seq":8,"kind":"status"}"#.into()).unwrap(), None);
        assert!(hear(item(8, 4)).is_err());
        assert!(hear(item(10, 4)).is_err());
        assert!(hear(item(9, 5)).is_err());
    }
}
