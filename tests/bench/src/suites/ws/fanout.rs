//! One message to a thousand sockets. For Portico it is a bot's, kept before it is shown; the others keep nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use serde_json::json;

use super::bot::Bot;
use super::crowd::gather;
use super::subjects::{Kind, Subject};
use crate::bench::Bench;
use crate::report::{Must, Report};
use crate::sched::Cpu;
use crate::sockets::dialect::{mark, marked};
use crate::sockets::rounds::{histogram, micros, record};
use crate::sockets::{Heard, Sockets};

/// Bytes of what each socket gets, alike for all subjects.
const BYTES: usize = 512;

/// What a subject needs for a delivery, and when they came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fan {
    kind: Kind,
    cpu: f64,
    p50: f64,
    p99: f64,
    rate: f64,
}

/// How many listen.
pub(super) fn listeners(bench: &Bench) -> usize {
    if bench.quick { 250 } else { 1000 }
}

/// Who speaks to all.
enum Speaker {
    Bot(Bot),
    /// A client of the same server, by its number.
    Client(usize),
}

pub(super) fn measure(bench: &Bench, subject: &Subject) -> Result<Fan> {
    let count = listeners(bench);
    let mut sockets = Sockets::new()?;
    let dialect = subject.target.dialect;
    let speaker = match subject.kind {
        Kind::Portico => {
            let crowd = gather(&mut sockets, subject, count).context("gathering")?;
            Speaker::Bot(Bot::new(subject.target.address, crowd.conversation)?)
        }
        _ => {
            let none = json!({});
            sockets.enter(&subject.target, count + 1, |_| dialect.greeting(None, &none))?;
            Speaker::Client(count)
        }
    };
    let mut fan = Spread { sockets, speaker, subject, number: 0, count, bytes: 0 };
    let mut unmeasured = histogram();
    fan.tell_all(&mut unmeasured)?;
    if let Speaker::Bot(bot) = &mut fan.speaker {
        bot.pad = BYTES.checked_sub(fan.bytes).context("frames are larger than planned")?;
    }
    fan.go_on(bench.warm, &mut unmeasured)?;
    if !(BYTES - 8..=BYTES + 8).contains(&fan.bytes) {
        bail!("frames of {} bytes, where {BYTES} were planned", fan.bytes);
    }
    let mut latency = histogram();
    let (before, begin) = (Cpu::of(subject.id()), Instant::now());
    fan.go_on(bench.window, &mut latency)?;
    let spent = Cpu::of(subject.id()).since(&before).total();
    let deliveries = latency.len() as f64;
    Ok(Fan {
        kind: subject.kind,
        cpu: spent as f64 / deliveries / 1e3,
        p50: micros(&latency, 0.5),
        p99: micros(&latency, 0.99),
        rate: deliveries / begin.elapsed().as_secs_f64(),
    })
}

struct Spread<'a> {
    sockets: Sockets,
    speaker: Speaker,
    subject: &'a Subject,
    number: u64,
    count: usize,
    /// Of the last frame.
    bytes: usize,
}

impl Spread<'_> {
    fn go_on(&mut self, time: Duration, latency: &mut Histogram<u64>) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.tell_all(latency)?;
        }
        Ok(())
    }

    /// One message, until each has it, once, and nothing older or newer.
    fn tell_all(&mut self, latency: &mut Histogram<u64>) -> Result<()> {
        self.number += 1;
        let (number, count) = (self.number, self.count);
        let begin = Instant::now();
        match &mut self.speaker {
            Speaker::Bot(bot) => bot.say(number)?,
            Speaker::Client(at) => {
                let text =
                    self.subject.target.dialect.shout(&mark(number), BYTES).context("it can't shout")?;
                self.sockets.say(*at, &text)?;
            }
        }
        let (mut has, mut left, mut bytes) = (vec![false; count], count, 0);
        self.sockets.until(|at, heard, _| {
            let text = match heard {
                Heard::Text(text) => text,
                Heard::Pong => return Ok(false),
                Heard::Closed(code) => bail!("listener {at} was closed with {code}"),
            };
            let Some(found) = marked(text) else { return Ok(false) };
            match has.get_mut(at) {
                Some(has) if found == number && !*has => *has = true,
                _ => bail!("listener {at} got message {found} once more, or while {number} was awaited"),
            }
            record(latency, begin.elapsed());
            bytes = text.len();
            left -= 1;
            Ok(left == 0)
        })?;
        self.bytes = bytes;
        match &mut self.speaker {
            Speaker::Bot(bot) => bot.settle(true),
            Speaker::Client(_) => Ok(()),
        }
    }
}

pub(super) fn tell(report: &mut Report, all: &[Vec<Fan>], listeners: usize) {
    let s = "ws";
    let column = |kind: Kind, pick: fn(&Fan) -> f64| -> Vec<f64> {
        all.iter().filter_map(|round| round.iter().find(|one| one.kind == kind).map(pick)).collect()
    };
    let ratio = |other: Kind, pick: fn(&Fan) -> f64| -> Vec<f64> {
        column(Kind::Portico, pick).iter().zip(column(other, pick)).map(|(own, other)| own / other).collect()
    };
    for kind in super::KINDS {
        let cpu = column(kind, |one| one.cpu);
        if cpu.is_empty() {
            continue;
        }
        let kept = if kind == Kind::Portico { " (kept first)" } else { "" };
        let name = format!("to {listeners} sockets, {}{kept}: CPU", kind.name());
        report.cost(s, &name, "µs/delivery", &cpu, Must::Nothing);
        report.speed(s, "  p50", "µs", &column(kind, |one| one.p50), Must::Nothing);
        report.speed(s, "  p99", "µs", &column(kind, |one| one.p99), Must::Nothing);
        report.speed(s, "  deliveries", "1/s", &column(kind, |one| one.rate), Must::Nothing);
    }
    for (other, must) in
        [(Kind::Floor, Must::AtMost(1.3)), (Kind::SocketIo, Must::AtMost(0.6)), (Kind::Ws, Must::Nothing)]
    {
        let cpu = ratio(other, |one| one.cpu);
        if cpu.is_empty() {
            continue;
        }
        let name = format!("CPU/delivery, Portico ÷ {}", other.name());
        report.cost(s, &name, "×", &cpu, must);
        report.speed(s, "  p99 of deliveries ÷ its", "×", &ratio(other, |one| one.p99), Must::Nothing);
    }
}
