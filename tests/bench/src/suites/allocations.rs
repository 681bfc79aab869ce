//! Allocations of one webhook up to its 2xx, counted in the binary itself by a preloaded library.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::ingest::PATIENCE;
use super::limits::CONNECTIONS;
use crate::bench::Bench;
use crate::child;
use crate::core::NullCore;
use crate::hooks::{CONVERSATIONS, Deck, Mix, Paths};
use crate::load::{Load, Proof};
use crate::portico::{Portico, Setup, binary, provider_stub};
use crate::report::Must;

/// Counts of each thread: how many, and of how many bytes.
struct Counts(HashMap<u64, (u64, u64)>);

impl Counts {
    fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).context("nothing was counted")?;
        let word = |slot: &[u8], at: usize| {
            slot.get(at * 8..at * 8 + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes)
        };
        let slots = bytes.chunks_exact(24).filter(|slot| word(slot, 0) > 0);
        Ok(Self(slots.map(|slot| (word(slot, 0), (word(slot, 1), word(slot, 2)))).collect()))
    }

    /// What was added since, by threads of a process whose name passes.
    fn since(&self, earlier: &Self, pid: u32, pass: impl Fn(&str) -> bool) -> (u64, u64) {
        let name = |thread: &u64| {
            std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm")).unwrap_or_default()
        };
        self.0.iter().filter(|(thread, _)| pass(name(thread).trim())).fold((0, 0), |sum, (thread, now)| {
            let before = earlier.0.get(thread).copied().unwrap_or((0, 0));
            (sum.0 + now.0 - before.0, sum.1 + now.1 - before.1)
        })
    }
}

/// Builds the library; `None` without a C compiler.
fn library(bench: &Bench) -> Result<Option<PathBuf>> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("preload/allocations.c");
    let library = bench.folder("preload")?.join("allocations.so");
    let mut command = Command::new("cc");
    command.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).stdin(Stdio::null());
    Ok(command.status().is_ok_and(|status| status.success()).then_some(library))
}

/// Counts.
pub(crate) fn allocations(bench: &mut Bench) -> Result<()> {
    bench.say("allocations");
    let Some(library) = library(bench)? else {
        bench.report.note("allocations were not counted: there is no C compiler");
        return Ok(());
    };
    let (folder, requests) = (bench.folder("allocations")?, if bench.quick { 2_000 } else { 20_000 });
    let counted = |mut command: Command, file: &Path| {
        command.env("LD_PRELOAD", &library).env("ALLOCATIONS_FILE", file);
        command
    };

    let file = folder.join("bare");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", "bare-hyper"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut bare = child::spawn(counted(command, &file), bench.plan.server)?;
    let address = bare.listening(Duration::from_secs(10))?;
    let mut load = Load::connect(address, CONNECTIONS)?;
    let mut deck = Deck::new(&Portico::paths(), Mix::NEW, CONNECTIONS, CONVERSATIONS, 0);
    load.count(&mut deck, 1000)?.planned(Proof::Absent)?;
    let before = Counts::read(&file)?;
    load.count(&mut deck, requests)?.planned(Proof::Absent)?;
    let (limit, _) = Counts::read(&file)?.since(&before, bare.id(), |_| true);
    bare.kill();

    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let file = folder.join("portico");
    let setup =
        Setup { folder, cores: vec![core.address()], provider: provider.address(), more: String::new() };
    let portico = setup.start_with(counted(Command::new(binary()?), &file), bench.plan.server)?;
    let all = Portico::paths();
    let mut number = deck.number();
    let mut rows = Vec::new();
    for (name, paths) in [
        ("slack", Paths { slack: all.slack, ..Paths::default() }),
        ("telegram", Paths { telegram: all.telegram, ..Paths::default() }),
        ("whatsapp", Paths { whatsapp: all.whatsapp, ..Paths::default() }),
    ] {
        let mut load = Load::connect(portico.address, CONNECTIONS)?;
        let mut deck = Deck::new(&paths, Mix::NEW, CONNECTIONS, CONVERSATIONS, number);
        let warm = load.count(&mut deck, 1000)?;
        warm.planned(Proof::Unauthorized)?;
        core.wait_for(warm.acknowledged.len() as u64, PATIENCE)?;
        let before = Counts::read(&file)?;
        let tally = load.count(&mut deck, requests)?;
        let now = Counts::read(&file)?;
        let edge = now.since(&before, portico.id(), |name| name.starts_with("edge"));
        let commit = now.since(&before, portico.id(), |name| name.starts_with("portico-commit"));
        if edge.0 == 0 {
            bail!("no allocation of an edge thread was seen: does the binary bring an allocator of its own?");
        }
        tally.planned(Proof::Unauthorized)?;
        core.wait_for((warm.acknowledged.len() + tally.acknowledged.len()) as u64, PATIENCE)?;
        core.take();
        let whole = Counts::read(&file)?.since(&before, portico.id(), |_| true);
        rows.push((name, edge, commit, whole));
        number = deck.number();
    }
    let (s, report) = ("allocations", &mut bench.report);
    let each = |count: u64| [count as f64 / requests as f64];
    report.cost(s, "bare hyper", "per request", &each(limit), Must::Nothing);
    for (name, edge, commit, whole) in rows {
        report.cost(s, &format!("{name}, up to the 2xx"), "per webhook", &each(edge.0), Must::Nothing);
        let beyond = each(edge.0.saturating_sub(limit));
        let title = format!("{name}, same beyond bare hyper's");
        report.cost(s, &title, "per webhook", &beyond, Must::AtMost(12.0));
        report.cost(s, &format!("{name}, of them bytes"), "per webhook", &each(edge.1), Must::Nothing);
        report.cost(s, &format!("{name}, commit thread"), "per webhook", &each(commit.0), Must::Nothing);
        let title = format!("{name}, all threads, with dispatch to a null core");
        report.cost(s, &title, "per webhook", &each(whole.0), Must::Nothing);
    }
    Ok(())
}
