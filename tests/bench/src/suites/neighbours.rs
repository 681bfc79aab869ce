//! R6: what the conversations of healthy bots notice of one bot whose core refuses connections and one whose core
//! never answers. Two gateways with the same hundred bots and the same load, one of them with such neighbours;
//! measured in turn in every round, so that the ratio is of one and the same minute.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::dispatch::{at, delays};
use super::ingest::PATIENCE;
use super::limits::CONNECTIONS;
use crate::bench::Bench;
use crate::core::NullCore;
use crate::hooks::{CONVERSATIONS, Deck, MessageId, Mix, Paths};
use crate::load::{Load, Proof};
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Portico, Setup};
use crate::report::Must;
use crate::server::{Reply, Server};

/// Bots of each gateway.
const BOTS: usize = 100;

/// The first of them are the neighbours: the dead one and the slow one.
const NEIGHBOURS: usize = 2;

/// Webhooks per second, of all bots. Zipf's law gives the neighbours far more than their share.
const RATE: f64 = 500.0;

/// A median above this, in ms, is that of a queue: the load is more than can be dispatched, and no ratio says anything.
const QUEUE: f64 = 50.0;

/// One gateway and its load.
struct Side {
    portico: Portico,
    load: Load,
    deck: Deck,
}

fn is_healthy(id: MessageId) -> bool {
    usize::from(id.conversation()) % BOTS >= NEIGHBOURS
}

impl Side {
    fn start(bench: &Bench, name: &str, cores: Vec<SocketAddr>, provider: SocketAddr) -> Result<Self> {
        let setup = Setup { folder: bench.folder(name)?, cores, provider, more: String::new() };
        let portico = setup.start(bench.plan.server)?;
        let paths = Paths { slack: Some("/webhooks/slack-".into()), spread: BOTS as u16, ..Paths::default() };
        let load = Load::connect(portico.address, CONNECTIONS)?;
        Ok(Self { portico, load, deck: Deck::new(&paths, Mix::NEW, CONNECTIONS, CONVERSATIONS, 0) })
    }

    /// Times from the 2xx to the core, sorted, in ms, of the healthy bots; all of their events must come.
    fn round(&mut self, core: &NullCore, lasting: Duration) -> Result<Vec<f64>> {
        let mut tally = self.load.open(&mut self.deck, RATE, lasting)?;
        tally.planned(Proof::Unauthorized)?;
        tally.acknowledged.retain(|(id, _)| is_healthy(*id));
        let (expected, end) = (tally.acknowledged.len(), Instant::now() + PATIENCE);
        // Those of the neighbours may come or not.
        while core.matching(is_healthy) < expected {
            if Instant::now() > end {
                bail!("{} of {expected} events of healthy bots came", core.matching(is_healthy));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        core.retain(is_healthy);
        delays(core, &tally)
    }
}

/// Measures both.
pub(super) fn neighbours(bench: &mut Bench, core: &NullCore, provider: SocketAddr) -> Result<()> {
    // Nobody listens there any more.
    let dead = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let slow =
        Server::start(bench.plan.core, Arc::new(AtomicBool::new(true)), Box::new(|_, _| Reply::Later))?;
    let mut cores = vec![core.address(); BOTS];
    let mut alone = Side::start(bench, "neighbours-live", cores.clone(), provider)?;
    cores.splice(..NEIGHBOURS, [dead, slow.address()]);
    let mut beside = Side::start(bench, "neighbours-dead", cores, provider)?;
    for side in [&mut alone, &mut beside] {
        side.round(core, bench.warm)?;
        core.take();
    }
    let (mut live, mut with): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        bench.say(&format!("neighbours, round {round} of {}", bench.rounds));
        let ours = [alone.portico.id(), beside.portico.id()];
        wait_quiet(&ours, bench.patient);
        let strangers = Strangers::begin(&ours);
        // The second to be measured finds a warmer machine: take turns.
        let mut sides = [(&mut alone, &mut live), (&mut beside, &mut with)];
        if round % 2 == 0 {
            sides.reverse();
        }
        for (side, column) in sides {
            column.push(side.round(core, bench.window * 3)?);
            core.take();
        }
        let cores = strangers.cores();
        bench.report.strangers(cores);
    }
    let (s, report) = ("neighbours", &mut bench.report);
    let swamped = live.iter().any(|one| at(one, 0.5) > QUEUE);
    if swamped {
        report.note("neighbours: the load was more than could be dispatched, so the ratios are not judged");
    }
    // One round has few events beyond its p99, so the ratio is of all rounds together.
    for (name, quantile, must) in [("p50", 0.5, Must::Nothing), ("p99", 0.99, Must::AtMost(1.1))] {
        let each = |rounds: &[Vec<f64>]| rounds.iter().map(|one| at(one, quantile)).collect::<Vec<f64>>();
        let all = |rounds: &[Vec<f64>]| {
            let mut all = rounds.concat();
            all.sort_by(f64::total_cmp);
            at(&all, quantile)
        };
        let title = |beside: &str| format!("healthy bots' {name} beside {beside}");
        report.speed(s, &title("live ones"), "ms", &each(&live), Must::Nothing);
        report.speed(s, &title("a dead and a slow one"), "ms", &each(&with), Must::Nothing);
        let ratio = all(&with) / all(&live).max(0.001);
        let must = if swamped { Must::Nothing } else { must };
        report.speed(s, &format!("{name} of all rounds, dead and slow ÷ live"), "×", &[ratio], must);
    }
    Ok(())
}
