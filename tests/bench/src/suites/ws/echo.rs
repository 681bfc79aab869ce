//! A text, or a bare WebSocket ping, and its answer: what the socket layer costs by itself.

use anyhow::{Context, Result};

use super::subjects::{Kind, Subject};
use crate::bench::Bench;
use crate::report::{Must, Report};
use crate::sockets::frames::{self, PING, TEXT};
use crate::sockets::rounds::Rounds;
use crate::sockets::{Heard, Sockets};

/// Clients, so many that none of them says too much in a heartbeat.
const CLIENTS: usize = 512;
/// Of 2,000 that a visitor may say in a heartbeat.
pub(super) const MOST: u32 = 1900;

/// What a subject needs for a message, and how fast it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo {
    kind: Kind,
    text: f64,
    rate: f64,
    p99: f64,
    ping: f64,
}

pub(super) fn measure(bench: &Bench, subject: &Subject) -> Result<Echo> {
    let dialect = subject.target.dialect;
    let mut sockets = Sockets::new()?;
    let none = serde_json::json!({});
    sockets.enter(&subject.target, CLIENTS, |_| dialect.greeting(None, &none)).context("entering")?;
    let mut rounds =
        Rounds { pid: subject.id(), clients: 0..CLIENTS, warm: bench.warm, window: bench.window, most: MOST };
    let (said, heard) = dialect.echo();
    let text = rounds.talk(
        &mut sockets,
        |_, out| frames::put(out, TEXT, said),
        |_, what| Ok(matches!(what, Heard::Text(text) if text.starts_with(heard))),
    )?;
    // No limit stands against these.
    rounds.most = u32::MAX;
    rounds.warm /= 2;
    rounds.window /= 2;
    let ping = rounds.talk(
        &mut sockets,
        |_, out| frames::put(out, PING, &[b'x'; 100]),
        |_, what| Ok(what == Heard::Pong),
    )?;
    Ok(Echo {
        kind: subject.kind,
        text: text.cpu(),
        rate: text.rate(),
        p99: text.micros(0.99),
        ping: ping.cpu(),
    })
}

pub(super) fn tell(report: &mut Report, all: &[Vec<Echo>]) {
    let s = "ws";
    let column = |kind: Kind, pick: fn(&Echo) -> f64| -> Vec<f64> {
        all.iter().filter_map(|round| round.iter().find(|one| one.kind == kind).map(pick)).collect()
    };
    let ratio = |other: Kind, pick: fn(&Echo) -> f64| -> Vec<f64> {
        column(Kind::Portico, pick).iter().zip(column(other, pick)).map(|(own, other)| own / other).collect()
    };
    for kind in super::KINDS {
        let (name, cpu) = (kind.name(), column(kind, |one| one.text));
        if cpu.is_empty() {
            continue;
        }
        report.cost(s, &format!("echo of a text, {name}: CPU"), "µs/message", &cpu, Must::Nothing);
        report.cost(
            s,
            "  of a ping frame of 100 bytes",
            "µs/message",
            &column(kind, |one| one.ping),
            Must::Nothing,
        );
        report.speed(s, "  texts", "messages/s", &column(kind, |one| one.rate), Must::Nothing);
        report.speed(
            s,
            &format!("  p99 with {CLIENTS} clients"),
            "µs",
            &column(kind, |one| one.p99),
            Must::Nothing,
        );
    }
    let must = Must::AtMost(1.3);
    report.cost(s, "echo of a ping frame, Portico ÷ floor", "×", &ratio(Kind::Floor, |one| one.ping), must);
    report.cost(s, "echo of a text, Portico ÷ floor", "×", &ratio(Kind::Floor, |one| one.text), must);
    for other in [Kind::Ws, Kind::SocketIo] {
        let found = ratio(other, |one| one.text);
        if !found.is_empty() {
            report.cost(s, &format!("  same ÷ {}", other.name()), "×", &found, Must::Nothing);
        }
    }
}
