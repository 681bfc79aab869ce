//! What a connection costs that only waits, and what it costs to make one.
//!
//! Portico's are visitors who were here before, each with a session and a conversation of their own, after a restart:
//! nothing is left in memory of how they came to be. The others' are bare connections.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::core::Core;
use super::subjects::{Kind, Subject, channel};
use crate::bench::Bench;
use crate::portico::{Setup, provider_stub};
use crate::report::{Must, Report};
use crate::sched::{Cpu, resident_kib};
use crate::sockets::Sockets;

/// What a subject's connection costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    kind: Kind,
    /// Resident, in KiB.
    held: f64,
    /// CPU in µs: connection and handshake.
    made: f64,
    /// CPU in µs until the visitor is let in; 0 where nobody has to be.
    entered: f64,
    /// Resident in KiB of visitors who are new; Portico only.
    fresh: f64,
}

/// How many wait.
pub(super) fn waiting(bench: &Bench) -> usize {
    if bench.quick { 1000 } else { 10_000 }
}

/// How many are made to see what one costs; a fifth of them goes before.
pub(super) const MADE: usize = 1000;

fn settled(sockets: &mut Sockets, pid: u32) -> Result<f64> {
    sockets.during(Duration::from_secs(2), |_, _, _| Ok(()))?;
    Ok(resident_kib(pid).0 as f64)
}

/// Connects with a handshake and nothing more: CPU of one in µs. None stays; what they leave behind in the allocator
/// would be missed in what others hold, so this comes last.
fn made(bench: &Bench, subject: &Subject) -> Result<f64> {
    let count = if bench.quick { 300 } else { MADE };
    let mut sockets = Sockets::new()?;
    // The first ones are for compilers and caches.
    sockets.connect(&subject.target, count / 5)?;
    let before = Cpu::of(subject.id());
    sockets.connect(&subject.target, count)?;
    Ok(Cpu::of(subject.id()).since(&before).total() as f64 / count as f64 / 1e3)
}

pub(super) fn other(bench: &Bench, subject: &Subject) -> Result<Idle> {
    let (count, pid, none) = (waiting(bench), subject.id(), json!({}));
    let mut sockets = Sockets::new()?;
    let before = settled(&mut sockets, pid)?;
    let cpu = Cpu::of(pid);
    sockets.enter(&subject.target, count, |_| subject.target.dialect.greeting(None, &none))?;
    let entered = Cpu::of(pid).since(&cpu).total() as f64 / count as f64 / 1e3;
    let held = (settled(&mut sockets, pid)? - before) / count as f64;
    let made = made(bench, subject)?;
    let entered = if subject.target.dialect.greeting(None, &none).is_some() { entered } else { 0.0 };
    Ok(Idle { kind: subject.kind, held, made, entered, fresh: f64::NAN })
}

pub(super) fn portico(bench: &Bench, core: &Core) -> Result<Idle> {
    let count = waiting(bench);
    let provider = provider_stub(bench.plan.core)?;
    core.answers(false);
    core.hold(false);
    let setup = Setup {
        folder: bench.folder("ws-idle")?,
        cores: vec![core.address()],
        provider: provider.address(),
        more: channel(),
    };
    let mut subject = Subject::gateway(&setup, bench)?;
    let mut sockets = Sockets::new()?;
    let (dialect, none) = (subject.target.dialect, json!({}));
    let before = settled(&mut sockets, subject.id())?;
    let told =
        sockets.enter(&subject.target, count, |_| dialect.greeting(None, &none)).context("newcomers")?;
    let fresh = (settled(&mut sockets, subject.id())? - before) / count as f64;
    let tokens: Vec<String> =
        told.iter().filter_map(|told| told["tok"].as_str().map(str::to_owned)).collect();
    if tokens.len() != count {
        bail!("{} of {count} newcomers got a token", tokens.len());
    }
    let cursors = begin(&mut sockets, count)?;
    drop(sockets);
    subject.process().signal(Signal::TERM);
    if !subject.process().ended(Duration::from_secs(30)).is_some_and(|status| status.success()) {
        bail!("portico did not end well on SIGTERM");
    }
    drop(subject);

    let subject = Subject::gateway(&setup, bench)?;
    let pid = subject.id();
    let mut sockets = Sockets::new()?;
    let before = settled(&mut sockets, pid)?;
    let cpu = Cpu::of(pid);
    let empty = Value::Null;
    let told = sockets.enter(&subject.target, count, |number| {
        let token = tokens.get(number).map(String::as_str);
        dialect.greeting(token, cursors.get(number).unwrap_or(&empty))
    })?;
    let entered = Cpu::of(pid).since(&cpu).total() as f64 / count as f64 / 1e3;
    let at_home = told.iter().zip(&cursors).filter(|(told, cursors)| {
        told["conv"].as_str().is_some_and(|conversation| cursors.get(conversation).is_some())
    });
    let at_home = at_home.count();
    if at_home != count {
        bail!("{at_home} of {count} visitors came back to their conversation");
    }
    let held = (settled(&mut sockets, pid)? - before) / count as f64;
    let made = made(bench, &subject)?;
    Ok(Idle { kind: Kind::Portico, held, made, entered, fresh })
}

/// Everybody says something, which begins a conversation; gives where each stands in it.
fn begin(sockets: &mut Sockets, count: usize) -> Result<Vec<Value>> {
    let mut cursors = vec![Value::Null; count];
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(64) {
        let mut left = some.len();
        for number in some {
            let frame =
                json!({ "t": "send", "id": "begin-0001", "msg": { "type": "text", "text": "hello" } });
            sockets.say(*number, &frame.to_string())?;
        }
        sockets.until(|at, heard, _| {
            if let crate::sockets::Heard::Text(text) = heard
                && (text.starts_with(br#"{"t":"ack""#) || text.starts_with(br#"{"t":"nack""#))
            {
                let ack: Value = serde_json::from_slice(text)?;
                let conversation = ack["conv"].as_str().with_context(|| format!("refused: {ack}"))?;
                let cursor = json!({ conversation: ack["seq"] });
                if let Some(place) = cursors.get_mut(at) {
                    *place = cursor;
                }
                left -= 1;
            }
            Ok(left == 0)
        })?;
    }
    Ok(cursors)
}

pub(super) fn tell(report: &mut Report, all: &[Vec<Idle>], waiting: usize) {
    let s = "ws";
    let column = |kind: Kind, pick: fn(&Idle) -> f64| -> Vec<f64> {
        all.iter().filter_map(|round| round.iter().find(|one| one.kind == kind).map(pick)).collect()
    };
    let ratio = |other: Kind, pick: fn(&Idle) -> f64| -> Vec<f64> {
        column(Kind::Portico, pick).iter().zip(column(other, pick)).map(|(own, other)| own / other).collect()
    };
    for kind in super::KINDS {
        let held = column(kind, |one| one.held);
        if held.is_empty() {
            continue;
        }
        let must = |bound: f64| if kind == Kind::Portico { Must::AtMost(bound) } else { Must::Nothing };
        let name = format!("{waiting} that wait, {}: resident", kind.name());
        report.cost(s, &name, "KiB/connection", &held, must(12.0));
        let made = column(kind, |one| one.made);
        report.cost(s, "  connection and upgrade: CPU", "µs", &made, must(100.0));
        if kind == Kind::Portico {
            let name = "  and until a visitor who comes back is in";
            report.cost(s, name, "µs", &column(kind, |one| one.entered), Must::Nothing);
            let name = "  resident, all new, nothing said";
            report.cost(s, name, "KiB/connection", &column(kind, |one| one.fresh), Must::Nothing);
        } else if kind == Kind::SocketIo {
            let name = "  and until the client is in";
            report.cost(s, name, "µs", &column(kind, |one| one.entered), Must::Nothing);
        }
    }
    for other in [Kind::Floor, Kind::Ws, Kind::SocketIo] {
        let held = ratio(other, |one| one.held);
        if held.is_empty() {
            continue;
        }
        report.cost(s, &format!("resident, Portico ÷ {}", other.name()), "×", &held, Must::Nothing);
        report.cost(s, "  connection and upgrade ÷ its", "×", &ratio(other, |one| one.made), Must::Nothing);
    }
}
