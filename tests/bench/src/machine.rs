//! The machine that measures: what it is, which processor does what, and who else is busy on it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use crate::sched::Cpu;

/// What a figure can't be compared without.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Facts {
    /// Commit of the tree, with `+` when it had changes.
    pub(crate) commit: String,
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    /// Device and file system under the store.
    pub(crate) disk: String,
    /// Start of the run.
    pub(crate) at: String,
}

impl Facts {
    /// Reads them; `data` is where the store will be.
    pub(crate) fn read(data: &Path) -> Self {
        let first = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = first("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split_once(": ")))
            .map_or_else(|| "unknown".into(), |(_, name)| name.trim().to_owned());
        Self {
            commit: commit(),
            kernel: first("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu,
            cpus: processors(),
            disk: disk(data),
            at: jiff::Timestamp::now().to_string(),
        }
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(head) if git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty()) => head,
        Some(head) => head + "+",
        None => "unknown".into(),
    }
}

/// Device and kind of the mount that holds a path.
fn disk(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (device, at, kind) = (words.next()?, words.next()?, words.next()?);
            path.starts_with(at).then_some((at.len(), format!("{device} {kind}")))
        })
        .max_by_key(|(depth, _)| *depth)
        .map_or_else(|| "unknown".into(), |(_, name)| name)
}

/// Processors that are online.
pub(crate) fn processors() -> usize {
    fs::read_to_string("/proc/cpuinfo")
        .map_or(1, |text| text.lines().filter(|line| line.starts_with("processor")).count().max(1))
}

/// Which processor does what: the server under test has one for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Of the server under test.
    pub(crate) server: usize,
    /// Of the load generator.
    pub(crate) load: usize,
    /// Of the null core.
    pub(crate) core: usize,
}

impl Plan {
    /// The plan for this machine. With one processor all share it, and nothing is judged.
    pub(crate) fn new() -> Self {
        match processors() {
            1 => Self { server: 0, load: 0, core: 0 },
            2 => Self { server: 0, load: 1, core: 1 },
            many => Self { server: 0, load: many - 1, core: many - 2 },
        }
    }
}

/// Keeps the calling thread, and all that it starts from now on, on one processor.
///
/// # Errors
/// When the processor is not ours to use.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("processor {cpu} can't be used"))
}

/// Time that all processors together were busy since the machine started, in nanoseconds.
fn busy() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text
        .lines()
        .next()
        .map(|line| line.split_ascii_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect())
        .unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq, steal: all but the two idle ones.
    let ticks: u64 =
        fields.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, t)| t).sum();
    ticks * 10_000_000
}

/// Who else was busy: the machine's busy time without ours.
pub(crate) struct Strangers {
    since: Instant,
    busy: u64,
    ours: u64,
    children: Vec<u32>,
}

impl Strangers {
    /// Starts counting; `children` are ours besides this process.
    pub(crate) fn begin(children: &[u32]) -> Self {
        Self { since: Instant::now(), busy: busy(), ours: ours(children), children: children.to_owned() }
    }

    /// Processors that strangers kept busy, on average.
    pub(crate) fn cores(&self) -> f64 {
        let wall = self.since.elapsed().as_nanos() as f64;
        let others = (busy() - self.busy) as f64 - (ours(&self.children).saturating_sub(self.ours)) as f64;
        (others / wall).max(0.0)
    }
}

fn ours(children: &[u32]) -> u64 {
    Cpu::of(std::process::id()).total() + children.iter().map(|pid| Cpu::of(*pid).total()).sum::<u64>()
}

/// Strangers above this make rates and latencies worthless.
pub(crate) const QUIET: f64 = 0.2;

/// Waits until the machine is quiet, three times 20 s at most. Says whether it is.
pub(crate) fn wait_quiet(children: &[u32], patient: bool) -> bool {
    for attempt in 0..4 {
        let strangers = Strangers::begin(children);
        std::thread::sleep(Duration::from_millis(500));
        if strangers.cores() <= QUIET {
            return true;
        }
        if !patient || attempt == 3 {
            return false;
        }
        std::thread::sleep(Duration::from_secs(20));
    }
    false
}
