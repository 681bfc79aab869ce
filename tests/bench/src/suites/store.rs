//! The embedded store alone, and Portico killed under load: by kill -9, and by a power cut that undoes what was
//! not synced.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::limits::{CONNECTIONS, raw_log};
use crate::bench::Bench;
use crate::child;
use crate::core::{NullCore, survived};
use crate::hooks::{CONVERSATIONS, Deck, Mix};
use crate::load::Load;
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Portico, Setup, binary, provider_stub};
use crate::report::Must;

/// Measures the store and crashes it.
pub(crate) fn store(bench: &mut Bench) -> Result<()> {
    appends(bench)?;
    crashes(bench, Crash::Kill)?;
    match powercut(bench)? {
        Some(library) => crashes(bench, Crash::PowerCut(library)),
        None => {
            bench.report.note("no power cut was made: tests/powercut/powercut.c or a C compiler is missing");
            Ok(())
        }
    }
}

fn appends(bench: &mut Bench) -> Result<()> {
    let (mut rates, mut costs, mut growth, mut batches, mut share) = (vec![], vec![], vec![], vec![], vec![]);
    let mut threads = Vec::new();
    for round in 1..=bench.rounds {
        bench.say(&format!("store, round {round} of {}", bench.rounds));
        wait_quiet(&[], bench.patient);
        let log = raw_log(bench)?;
        let folder = bench.folder("appends")?;
        let arguments = [folder.display().to_string(), "64".into(), bench.window.as_millis().to_string()];
        let strangers = Strangers::begin(&[]);
        let result = child::outcome("store-append", &arguments, bench.plan.server)?;
        // The child is over and can't be told from strangers, so its own time is taken off.
        let number = |name: &str| result[name].as_f64().unwrap_or(f64::NAN);
        let own = number("all_cpu_s") / number("all_s");
        bench.report.strangers((strangers.cores() - own).max(0.0));
        let rate = number("events") / number("seconds");
        rates.push(rate);
        costs.push(number("cpu_us"));
        growth.push(number("log_bytes_per_event") / crate::roles::PAYLOAD as f64);
        batches.push(number("events") / number("syncs"));
        share.push(rate * log.f64 / 1e6 / 64.0);
        threads = result["threads"].as_array().cloned().unwrap_or_default();
    }
    let (s, report) = ("store", &mut bench.report);
    report.speed(s, "appends of 1 KiB, 64 callers, one core", "events/s", &rates, Must::Nothing);
    report.speed(s, "same ÷ raw log of 64 KiB batches", "×", &share, Must::Nothing);
    report.cost(s, "CPU of an append, callers and sled included", "µs/event", &costs, Must::Nothing);
    report.speed(s, "events for each sync", "events", &batches, Must::Nothing);
    report.cost(s, "log ÷ payload", "×", &growth, Must::AtMost(1.25));
    for thread in threads.iter().take(5) {
        let (name, each) = (thread[0].as_str().unwrap_or_default(), thread[1].as_f64().unwrap_or(0.0));
        report.cost(s, &format!("last round: thread {name}"), "µs/event", &[each], Must::Nothing);
    }
    Ok(())
}

/// How it ends.
enum Crash {
    /// kill -9.
    Kill,
    /// What was not synced is undone, then kill -9; by this library.
    PowerCut(PathBuf),
}

/// Builds the library of the crash tests.
fn powercut(bench: &Bench) -> Result<Option<PathBuf>> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../powercut/powercut.c");
    if !source.is_file() {
        return Ok(None);
    }
    let library = bench.folder("powercut")?.join("powercut.so");
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .args(["-ldl", "-lpthread"])
        .status();
    Ok(built.is_ok_and(|status| status.success()).then_some(library))
}

fn crashes(bench: &mut Bench, crash: Crash) -> Result<()> {
    let name = match crash {
        Crash::Kill => "kill -9",
        Crash::PowerCut(_) => "power cut",
    };
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let setup = Setup {
        folder: bench.folder("crashes")?,
        cores: vec![core.address()],
        provider: provider.address(),
        more: String::new(),
    };
    let begin = || -> Result<Portico> {
        let mut command = Command::new(binary()?);
        if let Crash::PowerCut(library) = &crash {
            command.env("LD_PRELOAD", library).env("POWERCUT_DIR", setup.data());
        }
        setup.start_with(command, bench.plan.server)
    };
    let mut deck = Deck::new(&Portico::paths(), Mix::BUDGET, CONNECTIONS, CONVERSATIONS, 0);
    let (mut acknowledged, mut arrivals, mut starts, mut lost) = (Vec::new(), Vec::new(), Vec::new(), None);
    for round in 1..=bench.crashes {
        bench.say(&format!("{name}, round {round} of {}", bench.crashes));
        std::fs::create_dir_all(setup.data())?;
        let mut portico = begin()?;
        if round > 1 {
            starts.push(portico.ready_in.as_secs_f64() * 1e3);
        }
        let mut load = Load::connect(portico.address, CONNECTIONS)?;
        // Another moment in each round.
        let moment = Duration::from_millis(200 + (round as u64 * 7919) % 700);
        let tally = std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                std::thread::sleep(moment);
                match &crash {
                    Crash::Kill => portico.process.kill(),
                    Crash::PowerCut(_) => portico.process.signal(Signal::USR1),
                }
            });
            let tally = load.until_broken(&mut deck, moment + Duration::from_secs(10));
            // Its only fault would be a broken process, which shows below.
            let _joined = killer.join();
            tally
        });
        if portico.process.ended(Duration::from_secs(20)).is_none() {
            bail!("portico survived {name}");
        }
        drop(portico);
        acknowledged.extend(tally.ids());
        let portico = begin().with_context(|| format!("the start after {name} {round}"))?;
        settle(&core, &acknowledged, &mut arrivals);
        drop(portico);
        if let Err(error) = survived(&acknowledged, &arrivals) {
            lost = Some(format!("{name}, round {round}: {error:#}"));
            break;
        }
    }
    let report = &mut bench.report;
    match lost {
        Some(text) => report.failure(text),
        None => report.note(format!(
            "{name}: {} rounds under load, all {} acknowledged webhooks reached the core in order",
            bench.crashes,
            acknowledged.len()
        )),
    }
    report.speed("store", &format!("start to ready after {name}"), "ms", &starts, Must::Nothing);
    Ok(())
}

/// Waits until all that was acknowledged has come, or nothing comes any more.
fn settle(
    core: &NullCore,
    acknowledged: &[crate::hooks::MessageId],
    arrivals: &mut Vec<crate::core::Arrival>,
) {
    let mut since = Instant::now();
    let mut seen: std::collections::HashSet<_> = arrivals.iter().map(|one| one.id).collect();
    let mut missing: Vec<_> = acknowledged.iter().filter(|id| !seen.contains(*id)).collect();
    while !missing.is_empty() && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
        let new = core.take();
        if !new.is_empty() {
            since = Instant::now();
            seen.extend(new.iter().map(|one| one.id));
            arrivals.extend(new);
            missing.retain(|id| !seen.contains(*id));
        }
    }
    // What was still on its way.
    std::thread::sleep(Duration::from_millis(100));
    arrivals.extend(core.take());
}
