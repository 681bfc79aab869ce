//! One run: its options, its folder, its report.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::machine::{Facts, Plan, pin, processors};
use crate::report::Report;

/// How to run.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Smoke: limits, ingest and ws, short rounds; fails only below half of a bound.
    #[arg(long, global = true)]
    quick: bool,
    /// Rounds; the default is 5, or 3 with --quick. Use 9 for figures to be published.
    #[arg(long, global = true)]
    rounds: Option<usize>,
    /// Folder for stores, emptied before and after; its disk is the one that is measured.
    #[arg(long, global = true, default_value = "target/bench-data")]
    data: PathBuf,
    /// Where results go.
    #[arg(long, global = true, default_value = "tests/bench/results")]
    results: PathBuf,
    /// Do not wait for a quiet machine.
    #[arg(long, global = true)]
    hurry: bool,
    /// MiB of log from which the start after a kill is measured.
    #[arg(long, global = true, default_value_t = 1024)]
    log_mib: u64,
    /// Events of a dispatch round; more give a profiler time to look. The default is 20,000, or 5,000 with --quick.
    #[arg(long, global = true)]
    events: Option<u64>,
    /// Rounds of kill -9 and of power cut.
    #[arg(long, global = true, default_value_t = 20)]
    crashes: usize,
}

/// One run.
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    pub(crate) rounds: usize,
    /// Measured part of a round, and its warm-up.
    pub(crate) window: Duration,
    pub(crate) warm: Duration,
    pub(crate) quick: bool,
    pub(crate) patient: bool,
    pub(crate) log_mib: u64,
    pub(crate) crashes: usize,
    /// Events of a dispatch round.
    pub(crate) events: u64,
    pub(crate) report: Report,
    data: PathBuf,
}

impl Bench {
    pub(crate) fn new(options: Options) -> Result<Self> {
        let plan = Plan::new();
        pin(plan.load)?;
        std::fs::create_dir_all(&options.data)
            .with_context(|| format!("{} can't be used", options.data.display()))?;
        let data = options.data.canonicalize()?;
        let mut report = Report::new(Facts::read(&data), &options.results, options.quick);
        if processors() < 2 {
            report.note("one processor: server and load share it, so rates mean little");
        }
        let time = |quick: u64, full: u64| Duration::from_millis(if options.quick { quick } else { full });
        Ok(Self {
            plan,
            rounds: options.rounds.unwrap_or(if options.quick { 3 } else { 5 }),
            window: time(1000, 2000),
            warm: time(500, 1000),
            quick: options.quick,
            patient: !options.hurry && !options.quick,
            log_mib: options.log_mib,
            crashes: options.crashes,
            events: options.events.unwrap_or(if options.quick { 5_000 } else { 20_000 }),
            report,
            data,
        })
    }

    /// A new, empty folder on the disk that is measured.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.data.join(name);
        remove(&path)?;
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Tells what is being done, on standard error.
    pub(crate) fn say(&self, text: &str) {
        // With nobody to listen there is nothing to say.
        let _unheard = writeln!(std::io::stderr(), "… {text}");
    }

    /// Prints the table, writes the lines; says whether all bounds were met.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn finish(mut self) -> Result<bool> {
        self.report.compare();
        let file = self.report.write()?;
        let mut out = std::io::stdout().lock();
        write!(out, "{}", self.report.table())?;
        writeln!(out, "results: {}", file.display())?;
        remove(&self.data)?;
        Ok(self.report.passed())
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
