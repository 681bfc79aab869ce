//! Memory, start, stop, sizes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::ingest::PATIENCE;
use super::limits::CONNECTIONS;
use crate::bench::Bench;
use crate::core::{NullCore, agree};
use crate::hooks::{CONVERSATIONS, Deck, Mix};
use crate::load::{Load, Proof};
use crate::portico::{Portico, Setup, binary, disk_use, provider_stub};
use crate::report::Must;
use crate::sched::resident_kib;

const S: &str = "memory";

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Measures memory, start and stop.
pub(crate) fn memory(bench: &mut Bench) -> Result<()> {
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let setup = |bench: &Bench| -> Result<Setup> {
        Ok(Setup {
            folder: bench.folder("memory")?,
            cores: vec![core.address()],
            provider: provider.address(),
            more: String::new(),
        })
    };
    starts(bench, &setup)?;
    let fresh = setup(bench)?;
    under_load(bench, &fresh, &core)?;
    backlog(bench, &setup(bench)?, &core)?;
    after_kill(bench, &setup(bench)?, &core)?;
    size(bench)
}

fn starts(bench: &mut Bench, setup: &dyn Fn(&Bench) -> Result<Setup>) -> Result<()> {
    let (mut starts, mut stops, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        bench.say(&format!("start and stop, round {round} of {}", bench.rounds));
        let mut portico = setup(bench)?.start(bench.plan.server)?;
        starts.push(portico.ready_in.as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_secs(2));
        idle.push(mib(resident_kib(portico.id()).0));
        let begin = Instant::now();
        portico.process.signal(Signal::TERM);
        match portico.process.ended(Duration::from_secs(30)) {
            Some(status) if status.success() => stops.push(begin.elapsed().as_secs_f64() * 1e3),
            Some(status) => bail!("portico ended with {status} on SIGTERM"),
            None => bail!("portico did not end within 30 s of SIGTERM"),
        }
    }
    let report = &mut bench.report;
    report.cost(S, "resident, idle, fresh store", "MiB", &idle, Must::AtMost(40.0));
    report.speed(S, "start to ready, empty store", "ms", &starts, Must::AtMost(100.0));
    report.speed(S, "stop on SIGTERM, idle", "ms", &stops, Must::AtMost(500.0));
    Ok(())
}

fn under_load(bench: &mut Bench, setup: &Setup, core: &NullCore) -> Result<()> {
    let seconds = if bench.quick { 10 } else { 60 };
    bench.say(&format!("memory under load, {seconds} s"));
    let portico = setup.start(bench.plan.server)?;
    let mut load = Load::connect(portico.address, CONNECTIONS)?;
    let mut deck = Deck::new(&Portico::paths(), Mix::BUDGET, CONNECTIONS, 10_000, 0);
    let (mut samples, mut sent, mut bytes) = (Vec::new(), 0, 0);
    for _ in 0..seconds {
        let tally = load.closed(&mut deck, Duration::from_secs(1))?;
        tally.planned(Proof::Unauthorized)?;
        sent += tally.acknowledged.len() as u64;
        bytes += tally.bytes;
        samples.push(mib(resident_kib(portico.id()).0));
    }
    let behind = sent - core.count();
    core.wait_for(sent, PATIENCE)?;
    let (_, last) = samples.split_at(samples.len() / 2);
    let most = samples.iter().copied().fold(0.0, f64::max);
    let growth = match (last.first(), last.last()) {
        (Some(first), Some(end)) => end / first,
        _ => f64::NAN,
    };
    let at_once = disk_use(&setup.data());
    let stored = at_rest(&setup.data());
    let report = &mut bench.report;
    report.cost(S, "resident under D, highest", "MiB", &[most], Must::AtMost(150.0));
    report.cost(S, "same in the second half: end ÷ begin", "×", &[growth], Must::AtMost(1.1));
    report.speed(S, "events behind at the end of the load", "events", &[behind as f64], Must::Nothing);
    report.cost(S, "disk ÷ requests kept, at rest", "×", &[stored as f64 / bytes as f64], Must::AtMost(3.0));
    report.cost(S, "disk ÷ requests kept, at once", "×", &[at_once as f64 / bytes as f64], Must::Nothing);
    core.take();
    Ok(())
}

/// Bytes of a store once it has stopped tidying up: the same for four seconds.
fn at_rest(data: &Path) -> u64 {
    let mut last = (disk_use(data), Instant::now());
    let begin = Instant::now();
    while last.1.elapsed() < Duration::from_secs(4) && begin.elapsed() < Duration::from_secs(180) {
        std::thread::sleep(Duration::from_millis(500));
        let now = disk_use(data);
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    last.0
}

/// A core that is away for long: what its events cost in memory, and how fast they go once it is back.
fn backlog(bench: &mut Bench, setup: &Setup, core: &NullCore) -> Result<()> {
    let events = if bench.quick { 20_000 } else { 1_000_000 };
    bench.say(&format!("a backlog of {events} events"));
    let portico = setup.start(bench.plan.server)?;
    let mut load = Load::connect(portico.address, CONNECTIONS)?;
    let mut deck = Deck::new(&Portico::paths(), Mix::NEW, CONNECTIONS, 10_000, 0);
    let mut rates = Vec::new();
    let (mut before, mut added) = (0.0, 0.0);
    for part in [bench.events, bench.events, events] {
        core.hold(true);
        let tally = load.count(&mut deck, part)?;
        tally.planned(Proof::Unauthorized)?;
        std::thread::sleep(Duration::from_secs(1));
        added = mib(resident_kib(portico.id()).0) - before;
        let (offered, begin) = (core.count(), Instant::now());
        core.hold(false);
        core.wait_for(tally.acknowledged.len() as u64, PATIENCE * 10)?;
        let took = begin.elapsed().as_secs_f64();
        let arrivals = core.take();
        agree(&tally.ids(), &arrivals, true)?;
        rates.push((arrivals.len() as u64 - offered) as f64 / took);
        before = mib(resident_kib(portico.id()).0);
    }
    let ratio = match rates.as_slice() {
        [_, steady, long] => long / steady,
        _ => f64::NAN,
    };
    let report = &mut bench.report;
    report.cost(S, &format!("memory added by {events} events behind"), "MiB", &[added], Must::AtMost(64.0));
    report.speed(S, "their rate once the core is back ÷ steady", "×", &[ratio], Must::AtLeast(0.8));
    Ok(())
}

/// Fills a log while the core holds back, kills, and starts again.
fn after_kill(bench: &mut Bench, setup: &Setup, core: &NullCore) -> Result<()> {
    let target = if bench.quick { 64 } else { bench.log_mib };
    bench.say(&format!("start after kill -9 with {target} MiB of log"));
    let mut portico = setup.start(bench.plan.server)?;
    core.hold(true);
    let mut load = Load::connect(portico.address, CONNECTIONS)?;
    let mix = Mix { large: 500, forged: 0, repeat: 0 };
    let mut deck = Deck::new(&Portico::paths(), mix, CONNECTIONS, CONVERSATIONS, 0);
    let mut bytes = 0;
    while bytes < target * 1024 * 1024 {
        let tally = load.closed(&mut deck, Duration::from_millis(200))?;
        tally.planned(Proof::Unauthorized)?;
        bytes += tally.bytes;
    }
    portico.process.kill();
    drop(portico);
    let portico = setup.start(bench.plan.server)?;
    let took = portico.ready_in.as_secs_f64();
    let resident = mib(resident_kib(portico.id()).0);
    drop(portico);
    core.hold(false);
    core.take();
    let report = &mut bench.report;
    report.speed(
        S,
        &format!("start to ready after kill -9 with {target} MiB kept"),
        "s",
        &[took],
        Must::AtMost(20.0),
    );
    report.cost(S, "resident then, all of it waiting for the core", "MiB", &[resident], Must::Nothing);
    Ok(())
}

fn size(bench: &mut Bench) -> Result<()> {
    let stripped = bench.folder("size")?.join("portico");
    let done = Command::new("strip").arg("-o").arg(&stripped).arg(binary()?).stdin(Stdio::null()).status();
    if !done.is_ok_and(|status| status.success()) {
        bench.report.note("the binary was not stripped (no `strip`), so its size is not judged");
        return Ok(());
    }
    let bytes = std::fs::metadata(&stripped)?.len() as f64 / 1e6;
    bench.report.cost(S, "binary, stripped", "MB", &[bytes], Must::AtMost(35.0));
    Ok(())
}
