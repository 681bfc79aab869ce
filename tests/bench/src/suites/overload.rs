//! More than can be taken: what is taken stays, what is refused costs little and is told at once.

use anyhow::{Result, bail};

use super::ingest::{PATIENCE, answers};
use super::limits::CONNECTIONS;
use crate::bench::Bench;
use crate::core::{NullCore, agree};
use crate::hooks::{CONVERSATIONS, Deck, Mix, Paths};
use crate::load::{Load, Tally};
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Portico, Setup, provider_stub};
use crate::report::Must;
use crate::sched::{Cpu, resident_kib};

/// Connections of the crowd: nearly as many as one address may have.
const CROWD: usize = 240;

/// Webhooks of Slack only: a limit is each installation's own.
fn paths() -> Paths {
    Paths { slack: Portico::paths().slack, ..Paths::default() }
}

/// What one round found.
struct Round {
    crowded: f64,
    kept: f64,
    refused: f64,
    p99: f64,
    memory: f64,
}

/// Measures overload.
pub(crate) fn overload(bench: &mut Bench) -> Result<()> {
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let (mut rounds, mut limit) = (Vec::new(), 0.0);
    for number in 1..=bench.rounds {
        bench.say(&format!("overload, round {number} of {}", bench.rounds));
        let setup = |bench: &Bench, more: String| -> Result<Setup> {
            let folder = bench.folder("overload")?;
            Ok(Setup { folder, cores: vec![core.address()], provider: provider.address(), more })
        };
        // What it can do, and what is left of that when four times as many want something at once.
        let portico = setup(bench, String::new())?.start(bench.plan.server)?;
        wait_quiet(&[portico.id()], bench.patient);
        let strangers = Strangers::begin(&[portico.id()]);
        core.hold(true);
        let mut deck = Deck::new(&paths(), Mix::NEW, CONNECTIONS, CONVERSATIONS, 0);
        let mut load = Load::connect(portico.address, CONNECTIONS)?;
        let mut all = vec![load.closed(&mut deck, bench.warm)?];
        let before = Cpu::of(portico.id());
        let free = load.closed(&mut deck, bench.window)?;
        let good = Cpu::of(portico.id()).since(&before).named(answers) as f64 / free.requests as f64;
        let mut deck = Deck::new(&paths(), Mix::NEW, CROWD, CONVERSATIONS, deck.number());
        drop(load);
        let mut load = Load::connect(portico.address, CROWD)?;
        let crowd = load.closed(&mut deck, bench.window)?;
        let cores = strangers.cores();
        bench.report.strangers(cores);
        let (rate, crowded) = (free.rate(), crowd.rate() / free.rate());
        all.extend([free, crowd]);
        settle(&core, &all)?;
        drop(portico);

        // An installation whose limit is half of that, asked for all of it.
        limit = (rate / 2.0).floor();
        let more = format!(
            "[limits.webhook]\nrate = \"{limit}/s burst {}\"\nfailures = \"1000000/s burst 1000000\"",
            (limit / 10.0).ceil()
        );
        let portico = setup(bench, more)?.start(bench.plan.server)?;
        let strangers = Strangers::begin(&[portico.id()]);
        core.hold(true);
        let mut deck = Deck::new(&paths(), Mix::NEW, CONNECTIONS, CONVERSATIONS, 0);
        let mut load = Load::connect(portico.address, CONNECTIONS)?;
        let warm = load.closed(&mut deck, bench.warm)?;
        let (before, resident) = (Cpu::of(portico.id()), resident_kib(portico.id()).0);
        let tally = load.closed(&mut deck, bench.window * 2)?;
        let spent = Cpu::of(portico.id()).since(&before).named(answers) as f64;
        let memory = resident_kib(portico.id()).0.saturating_sub(resident);
        let cores = strangers.cores();
        bench.report.strangers(cores);
        let taken = tally.acknowledged.len() as f64;
        let turned_away = tally.answered(429) + tally.answered(503);
        if turned_away + tally.acknowledged.len() as u64 != tally.requests || turned_away == 0 {
            bail!("answers other than 2xx, 429 and 503, or nothing refused: {}", tally.statuses());
        }
        rounds.push(Round {
            crowded,
            kept: taken / tally.took.as_secs_f64() / limit,
            refused: (spent - taken * good) / turned_away as f64 / good,
            p99: tally.micros(0.99) / 1e3,
            // What waits for the core is kept in memory in part; what was refused must not be.
            memory: memory as f64 / 1024.0,
        });
        settle(&core, &[warm, tally])?;
    }
    let column = |pick: fn(&Round) -> f64| rounds.iter().map(pick).collect::<Vec<f64>>();
    let (s, report) = ("overload", &mut bench.report);
    let title = format!("rate with {CROWD} connections ÷ with {CONNECTIONS}");
    report.speed(s, &title, "×", &column(|one| one.crowded), Must::AtLeast(0.9));
    let title = format!("twice the limit asked for: taken ÷ limit (last {limit:.0}/s)");
    report.speed(s, &title, "×", &column(|one| one.kept), Must::AtLeast(0.9));
    report.cost(s, "refused request ÷ good request", "×", &column(|one| one.refused), Must::AtMost(1.0));
    report.speed(
        s,
        "p99 of all answers then, refusals among them",
        "ms",
        &column(|one| one.p99),
        Must::AtMost(50.0),
    );
    report.cost(s, "memory added meanwhile", "MiB", &column(|one| one.memory), Must::Nothing);
    Ok(())
}

/// What was answered 2xx, and nothing else, comes to the core once it takes events again.
fn settle(core: &NullCore, all: &[Tally]) -> Result<()> {
    core.hold(false);
    let sent: Vec<_> = all.iter().flat_map(Tally::ids).collect();
    core.wait_for(sent.len() as u64, PATIENCE)?;
    agree(&sent, &core.take(), false)
}
