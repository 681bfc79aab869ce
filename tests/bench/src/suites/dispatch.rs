//! From the journal to the core: rate, one hot conversation, delay, and (in `neighbours`) who stands beside.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::ingest::PATIENCE;
use super::limits::{CONNECTIONS, bare_client};
use crate::bench::Bench;
use crate::core::{Arrival, NullCore, agree};
use crate::hooks::{CONVERSATIONS, Deck, MessageId, Mix};
use crate::load::{Load, Proof, Tally};
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Portico, Setup, provider_stub};
use crate::report::Must;
use crate::sched::Cpu;

/// Measures dispatch.
pub(crate) fn dispatch(bench: &mut Bench) -> Result<()> {
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    rates(bench, &core, provider.address())?;
    super::neighbours::neighbours(bench, &core, provider.address())
}

fn rates(bench: &mut Bench, core: &NullCore, provider: SocketAddr) -> Result<()> {
    let setup = Setup {
        folder: bench.folder("dispatch")?,
        cores: vec![core.address()],
        provider,
        more: String::new(),
    };
    let portico = setup.start(bench.plan.server)?;
    let mut number = 0;
    let (mut many, mut hot, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut cost, mut work, mut journal, mut index) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut rate_many, mut rate_hot) = (Vec::new(), Vec::new());
    let mut ordinary = Load::connect(portico.address, CONNECTIONS)?;
    let mut lone = Load::connect(portico.address, 1)?;
    for round in 1..=bench.rounds {
        bench.say(&format!("dispatch, round {round} of {}", bench.rounds));
        wait_quiet(&[portico.id()], bench.patient);
        let strangers = Strangers::begin(&[portico.id()]);
        let limit = bare_client(bench, core, CONNECTIONS, 1200)?;
        let serial = bare_client(bench, core, 1, 1200)?;

        let mut deck = Deck::new(&Portico::paths(), Mix::NEW, CONNECTIONS, CONVERSATIONS, number);
        let (rate, spent) = drain(core, &portico, &mut ordinary, &mut deck, bench.events)?;
        many.push(rate / limit);
        rate_many.push(rate);
        cost.push(spent.all);
        work.push(spent.work);
        journal.push(spent.commit);
        index.push(spent.index);

        // One conversation, strictly serial.
        let mut deck = Deck::new(&Portico::paths(), Mix::NEW, 1, 1, deck.number());
        let (rate, _) = drain(core, &portico, &mut lone, &mut deck, bench.events / 10)?;
        hot.push(rate / serial);
        rate_hot.push(rate);

        let mut deck = Deck::new(&Portico::paths(), Mix::NEW, 1, CONVERSATIONS, deck.number());
        let tally = lone.open(&mut deck, 100.0, bench.window)?;
        let delays = delays(core, &tally)?;
        p50.push(at(&delays, 0.5));
        p99.push(at(&delays, 0.99));
        number = deck.number();
        let cores = strangers.cores();
        bench.report.strangers(cores);
    }
    let (s, report) = ("dispatch", &mut bench.report);
    report.speed(s, "1,000 conversations", "events/s", &rate_many, Must::Nothing);
    report.speed(s, "same ÷ bare hyper client", "×", &many, Must::AtLeast(0.45));
    report.cost(s, "CPU of dispatch, whole process", "µs/event", &cost, Must::Nothing);
    report.cost(s, "of it threads work-N", "µs/event", &work, Must::Nothing);
    report.cost(s, "of it the commit thread", "µs/event", &journal, Must::Nothing);
    report.cost(s, "of it all others: index and sled", "µs/event", &index, Must::Nothing);
    report.speed(s, "one hot conversation", "events/s", &rate_hot, Must::Nothing);
    report.speed(s, "same ÷ serial round trips", "×", &hot, Must::AtLeast(0.7));
    report.speed(s, "answered → at the core, idle, p50", "ms", &p50, Must::Nothing);
    report.speed(s, "answered → at the core, idle, p99", "ms", &p99, Must::AtMost(5.0));
    Ok(())
}

/// CPU of one event in microseconds, by threads.
struct Spent {
    all: f64,
    work: f64,
    commit: f64,
    index: f64,
}

/// Fills the mailboxes while the core holds back, lets go, and gives events per second and CPU per event.
fn drain(
    core: &NullCore,
    portico: &Portico,
    load: &mut Load,
    deck: &mut Deck,
    events: u64,
) -> Result<(f64, Spent)> {
    core.hold(true);
    let tally = load.count(deck, events)?;
    tally.planned(Proof::Unauthorized)?;
    // What is offered already is not part of the rate.
    std::thread::sleep(Duration::from_millis(100));
    let (before, offered, begin) = (Cpu::of(portico.id()), core.count(), Instant::now());
    core.hold(false);
    core.wait_for(tally.acknowledged.len() as u64, PATIENCE)?;
    let took = begin.elapsed().as_secs_f64();
    let arrivals = core.take();
    agree(&tally.ids(), &arrivals, true)?;
    let drained = (arrivals.len() as u64 - offered) as f64;
    let spent = Cpu::of(portico.id()).since(&before);
    let each = |nanos: u64| nanos as f64 / drained / 1e3;
    let of = |prefix: &'static str| each(spent.named(|name| name.starts_with(prefix)));
    // sled writes with threads of its own.
    let known = of("work-") + of("portico-commit") + of("edge-");
    let all = each(spent.total());
    Ok((drained / took, Spent { all, work: of("work-"), commit: of("portico-commit"), index: all - known }))
}

/// Milliseconds from each 2xx to the event's arrival, sorted; 0 where the event was faster than the answer.
pub(super) fn delays(core: &NullCore, tally: &Tally) -> Result<Vec<f64>> {
    core.wait_for(tally.acknowledged.len() as u64, PATIENCE)?;
    let arrivals: HashMap<MessageId, Instant> =
        core.take().into_iter().map(|Arrival { id, at }| (id, at)).collect();
    let mut delays = Vec::with_capacity(arrivals.len());
    for (id, answered) in &tally.acknowledged {
        let arrived = arrivals.get(id).context("an acknowledged event did not arrive")?;
        delays.push(arrived.saturating_duration_since(*answered).as_secs_f64() * 1e3);
    }
    delays.sort_by(f64::total_cmp);
    Ok(delays)
}

pub(super) fn at(sorted: &[f64], quantile: f64) -> f64 {
    let place = (sorted.len() as f64 * quantile) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
