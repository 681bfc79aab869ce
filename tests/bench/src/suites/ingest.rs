//! Webhooks up to the 2xx, beside the bare server of the same round, and every acknowledged one at the core.
//!
//! While the rate and the latency are measured the null core holds its answers back, so that nothing is
//! dispatched; then it lets go, and the rest of the path is measured until the core has all.

mod odd;
mod stages;
mod syncs;

use std::time::Duration;

use anyhow::{Context, Result};

use super::limits::{Bare, BareRound, CONNECTIONS, RawLog, connects, raw_log};
use crate::bench::Bench;
use crate::core::{NullCore, agree};
use crate::hooks::{CONVERSATIONS, Deck, Mix};
use crate::load::{Load, Proof};
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Portico, Setup, provider_stub};
use crate::report::Must;
use crate::sched::Cpu;

/// What one round found; CPU in µs per request, latency in µs.
struct Round {
    bare: BareRound,
    log: RawLog,
    /// Threads that a request passes up to its answer.
    to_answer: f64,
    edge: f64,
    commit: f64,
    rate: f64,
    lone_p50: f64,
    open_p50: f64,
    open_p99: f64,
    /// Everything until the core had all.
    whole: f64,
    /// A new connection with one request for nothing, beside bare hyper's.
    connect: f64,
    drained: f64,
    forged: f64,
    repeat: f64,
    threads: Vec<(String, f64)>,
}

/// Whether a thread works on requests before they are answered.
pub(crate) fn answers(name: &str) -> bool {
    is_edge(name) || is_commit(name)
}

fn is_edge(name: &str) -> bool {
    name.starts_with("edge")
}

pub(crate) fn is_commit(name: &str) -> bool {
    name.starts_with("portico-commit")
}

/// How long the core may get nothing before events count as lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Measures ingest.
pub(crate) fn ingest(bench: &mut Bench) -> Result<()> {
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let setup = Setup {
        folder: bench.folder("ingest")?,
        cores: vec![core.address()],
        provider: provider.address(),
        more: String::new(),
    };
    let portico = setup.start(bench.plan.server)?;
    let mut bare = Bare::start(bench)?;
    let mut side = Side::connect(&portico)?;
    let mut rounds = Vec::new();
    for number in 1..=bench.rounds {
        bench.say(&format!("ingest, round {number} of {}", bench.rounds));
        match round(bench, &mut bare, &portico, &core, &mut side) {
            Ok(round) => rounds.push(round),
            // What was got right so far is still worth a look.
            Err(error) => {
                bench.report.failure(format!("ingest, round {number}: {error:#}"));
                break;
            }
        }
    }
    if let Some(strange) = core.strange() {
        bench.report.failure(strange);
    }
    if !rounds.is_empty() {
        tell(bench, &rounds);
        odd::tell(bench, &rounds);
        stages::tell(bench, &rounds)?;
    }
    core.hold(false);
    core.take();
    let lone = if bench.quick { 100 } else { 1000 };
    match syncs::before_each_answer(&portico, &mut side.deck, lone) {
        Ok(note) => bench.report.note(note),
        Err(error) => bench.report.failure(format!("syncs: {error:#}")),
    }
    Ok(())
}

/// The load's side of a gateway.
struct Side {
    load: Load,
    lone: Load,
    deck: Deck,
}

impl Side {
    fn connect(portico: &Portico) -> Result<Self> {
        Ok(Self {
            load: Load::connect(portico.address, CONNECTIONS)?,
            lone: Load::connect(portico.address, 1)?,
            deck: Deck::new(&Portico::paths(), Mix::BUDGET, CONNECTIONS, CONVERSATIONS, 0),
        })
    }
}

fn round(
    bench: &mut Bench,
    bare: &mut Bare,
    portico: &Portico,
    core: &NullCore,
    side: &mut Side,
) -> Result<Round> {
    let ours = [portico.id(), bare.id()];
    wait_quiet(&ours, bench.patient);
    let strangers = Strangers::begin(&ours);
    let limit = bare.round(bench)?;
    let cores = strangers.cores();
    let log = raw_log(bench)?;
    let connect =
        (connects(portico.id(), portico.address, bench.window / 4)?, bare.connects(bench.window / 4)?);

    core.hold(true);
    let strangers = Strangers::begin(&ours);
    let start = Cpu::of(portico.id());
    let mut sent = Vec::new();
    let warm = side.load.closed(&mut side.deck, bench.warm)?;
    warm.planned(Proof::Unauthorized)?;
    let before = Cpu::of(portico.id());
    let tally = side.load.closed(&mut side.deck, bench.window)?;
    let spent = Cpu::of(portico.id()).since(&before);
    tally.planned(Proof::Unauthorized)?;
    let each = |ns: u64, requests: u64| ns as f64 / requests as f64 / 1e3;
    let per = |ns: u64| each(ns, tally.requests);
    let lone = side.lone.closed(&mut side.deck, bench.window / 4)?;
    let open = side.load.open(&mut side.deck, limit.rate * 0.25, bench.window)?;
    open.planned(Proof::Unauthorized).context("open loop")?;
    let odd = odd::measure(bench, portico, side)?;
    let strangers = strangers.cores().max(cores);
    bench.report.strangers(strangers);
    if open.late() {
        bench
            .report
            .note(format!("the generator was late (p99 {:.0} µs) in an open-loop round", open.lag_p99()));
    }

    let begin = std::time::Instant::now();
    let at_release = core.count();
    core.hold(false);
    let mut requests = 0;
    for part in [&warm, &tally, &lone, &open] {
        sent.extend(part.ids());
        requests += part.requests;
    }
    sent.extend(&odd.acknowledged);
    core.wait_for(sent.len() as u64, PATIENCE)?;
    let drained = (sent.len() as u64).saturating_sub(at_release) as f64 / begin.elapsed().as_secs_f64();
    // The lone and the open part send on other connections than the conversations' own.
    let arrivals = core.take();
    agree(&sent, &arrivals, false)?;
    let mut closed = warm.ids();
    closed.extend(tally.ids());
    closed.sort_unstable();
    let in_order: Vec<_> =
        arrivals.iter().filter(|one| closed.binary_search(&one.id).is_ok()).copied().collect();
    agree(&closed, &in_order, true)?;
    let end = Cpu::of(portico.id());
    Ok(Round {
        bare: limit,
        log,
        to_answer: per(spent.named(answers)),
        edge: per(spent.named(is_edge)),
        commit: per(spent.named(is_commit)),
        rate: tally.rate(),
        lone_p50: lone.micros(0.5),
        open_p50: open.micros(0.5),
        open_p99: open.micros(0.99),
        whole: each(end.since(&start).total().saturating_sub(odd.spent), requests),
        connect: connect.0 / connect.1,
        drained,
        forged: odd.forged,
        repeat: odd.repeat,
        threads: end
            .since(&start)
            .by_name()
            .into_iter()
            .map(|(name, ns)| (name, each(ns, requests)))
            .collect(),
    })
}

fn tell(bench: &mut Bench, rounds: &[Round]) {
    let column = |pick: &dyn Fn(&Round) -> f64| rounds.iter().map(pick).collect::<Vec<f64>>();
    let s = "ingest";
    let report = &mut bench.report;
    report.cost(s, "R0 in the same rounds", "µs/request", &column(&|one| one.bare.cpu), Must::Nothing);
    report.cost(
        s,
        "up to the 2xx, edge and commit threads",
        "µs/request",
        &column(&|one| one.to_answer),
        Must::Nothing,
    );
    report.cost(
        s,
        "up to the 2xx ÷ R0",
        "×",
        &column(&|one| one.to_answer / one.bare.cpu),
        Must::AtMost(2.0),
    );
    report.cost(s, "of it edge threads ÷ R0", "×", &column(&|one| one.edge / one.bare.cpu), Must::Nothing);
    report.cost(
        s,
        "of it commit thread ÷ R0",
        "×",
        &column(&|one| one.commit / one.bare.cpu),
        Must::AtMost(0.55),
    );
    let whole = column(&|one| one.whole / one.bare.cpu);
    report.cost(s, "with sled and dispatch to a null core ÷ R0", "×", &whole, Must::AtMost(4.0));
    let connect = column(&|one| one.connect);
    report.cost(s, "new connection, request, close ÷ bare hyper", "×", &connect, Must::AtMost(1.25));
    report.speed(
        s,
        "D: durable requests, 64 connections",
        "requests/s",
        &column(&|one| one.rate),
        Must::Nothing,
    );
    let share = column(&|one| one.rate / one.bare.rate);
    report.speed(s, "D ÷ bare hyper", "×", &share, Must::AtLeast(0.5));
    let (name, unit) = ("open loop at a quarter of bare, p50", "µs");
    report.speed(s, name, unit, &column(&|one| one.open_p50), Must::Nothing);
    let bound = column(&|one| one.open_p50 / (one.bare.open_p50 + 3.0 * one.log.f1));
    report.speed(s, "same ÷ (bare p50 + 3 F1)", "×", &bound, Must::AtMost(1.0));
    report.speed(s, "open loop at a quarter of bare, p99", unit, &column(&|one| one.open_p99), Must::Nothing);
    let bound = column(&|one| one.open_p99 / (one.bare.open_p99 + 6.0 * one.log.f64_p99).max(2000.0));
    report.speed(s, "same ÷ max(bare p99 + 6 × F64 p99, 2 ms)", "×", &bound, Must::AtMost(1.0));
    report.speed(s, "lone request p50", unit, &column(&|one| one.lone_p50), Must::Nothing);
    let bound = column(&|one| one.lone_p50 / (one.bare.lone_p50 + 2.0 * one.log.f1));
    report.speed(s, "same ÷ (bare p50 + 2 F1)", "×", &bound, Must::AtMost(1.0));
    report.speed(
        s,
        "events to the core once it takes them",
        "events/s",
        &column(&|one| one.drained),
        Must::Nothing,
    );
    report.speed(s, "F1 and F64 in the same rounds: F1", "µs", &column(&|one| one.log.f1), Must::Nothing);
    report.speed(s, "F64", "µs", &column(&|one| one.log.f64), Must::Nothing);
    if let Some(last) = rounds.last() {
        for (name, each) in last.threads.iter().take(8) {
            report.cost(
                s,
                &format!("last round, all of it: thread {name}"),
                "µs/request",
                &[*each],
                Must::Nothing,
            );
        }
    }
}
