//! What this machine can do at all: the denominators of every ratio.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::bench::Bench;
use crate::child::{self, Process};
use crate::core::NullCore;
use crate::hooks::{CONVERSATIONS, Deck, Mix, Paths};
use crate::load::{Load, Proof};
use crate::machine::{Strangers, wait_quiet};
use crate::portico::get;
use crate::report::Must;
use crate::sched::Cpu;

/// Connections of the load.
pub(crate) const CONNECTIONS: usize = 64;

/// The bare server as a child.
pub(crate) struct Bare {
    process: Process,
    address: SocketAddr,
    load: Load,
    lone: Load,
    deck: Deck,
}

/// One round on the bare server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BareRound {
    /// R0: CPU per request in µs.
    pub(crate) cpu: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// CPU of the generator per request in µs.
    pub(crate) generator: f64,
    /// How busy the generator's thread was, 0 to 1.
    pub(crate) generator_busy: f64,
    /// A lone request in µs.
    pub(crate) lone_p50: f64,
    /// Open loop at a quarter of the rate, in µs.
    pub(crate) open_p50: f64,
    pub(crate) open_p99: f64,
    pub(crate) late: bool,
}

/// The raw log's times in µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawLog {
    pub(crate) f1: f64,
    pub(crate) f64: f64,
    pub(crate) f64_p99: f64,
}

impl Bare {
    pub(crate) fn start(bench: &Bench) -> Result<Self> {
        let (process, address) = child::role("bare-hyper", &[], bench.plan.server)?;
        // The same bodies as Portico gets; the bare server answers all of them 200.
        let paths = Paths {
            slack: Some("/webhooks/slack-0".into()),
            telegram: Some("/webhooks/telegram-0".into()),
            whatsapp: Some("/webhooks/whatsapp-0".into()),
            ..Paths::default()
        };
        Ok(Self {
            process,
            address,
            load: Load::connect(address, CONNECTIONS)?,
            lone: Load::connect(address, 1)?,
            deck: Deck::new(&paths, Mix::BUDGET, CONNECTIONS, CONVERSATIONS, 0),
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// CPU per request and rate alone.
    pub(crate) fn closed(&mut self, bench: &Bench) -> Result<(f64, f64, f64, f64)> {
        self.load.closed(&mut self.deck, bench.warm)?.planned(Proof::Absent)?;
        let before = Cpu::of(self.id());
        let tally = self.load.closed(&mut self.deck, bench.window)?;
        let spent = Cpu::of(self.id()).since(&before).total();
        tally.planned(Proof::Absent)?;
        let each = |ns: u64| ns as f64 / tally.requests as f64 / 1e3;
        let busy = tally.own_cpu as f64 / tally.took.as_nanos() as f64;
        Ok((each(spent), tally.rate(), each(tally.own_cpu), busy))
    }

    pub(crate) fn round(&mut self, bench: &Bench) -> Result<BareRound> {
        let (cpu, rate, generator, generator_busy) = self.closed(bench)?;
        let lone = self.lone.closed(&mut self.deck, bench.window / 4)?;
        let open = self.load.open(&mut self.deck, rate * 0.25, bench.window)?;
        open.planned(Proof::Absent)?;
        Ok(BareRound {
            cpu,
            rate,
            generator,
            generator_busy,
            lone_p50: lone.micros(0.5),
            open_p50: open.micros(0.5),
            open_p99: open.micros(0.99),
            late: open.late(),
        })
    }

    /// As [`connects`].
    pub(crate) fn connects(&self, lasting: Duration) -> Result<f64> {
        connects(self.id(), self.address, lasting)
    }
}

/// Connections one after the other, each with a request for nothing: server CPU in µs of one.
pub(crate) fn connects(pid: u32, address: SocketAddr, lasting: Duration) -> Result<f64> {
    let (before, begin) = (Cpu::of(pid), Instant::now());
    let mut count = 0_u32;
    while begin.elapsed() < lasting {
        let (status, _) = get(address, "/healthz")?;
        if status != 200 {
            bail!("/healthz answered {status}");
        }
        count += 1;
    }
    Ok(Cpu::of(pid).since(&before).total() as f64 / f64::from(count) / 1e3)
}

/// The raw log writer, on the server's processor.
pub(crate) fn raw_log(bench: &Bench) -> Result<RawLog> {
    let folder = bench.folder("raw-log")?;
    let arguments = [folder.display().to_string(), (bench.window.as_millis() / 4).to_string()];
    let result = child::outcome("raw-log", &arguments, bench.plan.server)?;
    let field = |name: &str| result[name].as_f64().unwrap_or(f64::NAN);
    Ok(RawLog { f1: field("f1"), f64: field("f64"), f64_p99: field("f64_p99") })
}

/// The bare client against a null core: requests per second.
pub(crate) fn bare_client(bench: &Bench, core: &NullCore, connections: usize, bytes: usize) -> Result<f64> {
    let arguments = [
        core.address().to_string(),
        connections.to_string(),
        bytes.to_string(),
        bench.window.as_millis().to_string(),
    ];
    let result = child::outcome("bare-client", &arguments, bench.plan.server)?;
    Ok(result["requests"].as_f64().unwrap_or(0.0) / result["seconds"].as_f64().unwrap_or(f64::NAN))
}

/// Measures all limits.
pub(crate) fn limits(bench: &mut Bench) -> Result<()> {
    let mut bare = Bare::start(bench)?;
    let core = NullCore::start(bench.plan.core)?;
    let (mut rounds, mut logs, mut connects) = (Vec::new(), Vec::new(), Vec::new());
    let (mut clients, mut serial) = (Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        bench.say(&format!("limits, round {round} of {}", bench.rounds));
        wait_quiet(&[bare.id()], bench.patient);
        let strangers = Strangers::begin(&[bare.id()]);
        rounds.push(bare.round(bench)?);
        connects.push(bare.connects(bench.window / 4)?);
        let cores = strangers.cores();
        bench.report.strangers(cores);
        logs.push(raw_log(bench)?);
        if !bench.quick {
            clients.push(bare_client(bench, &core, CONNECTIONS, 1200)?);
            serial.push(bare_client(bench, &core, 1, 1200)?);
        }
    }
    let column = |pick: fn(&BareRound) -> f64| rounds.iter().map(pick).collect::<Vec<f64>>();
    let (cost, nothing) = ("limits", Must::Nothing);
    let report = &mut bench.report;
    report.cost(cost, "R0: CPU of a bare hyper server", "µs/request", &column(|one| one.cpu), nothing);
    report.speed(cost, "bare hyper, 64 connections", "requests/s", &column(|one| one.rate), nothing);
    report.cost(cost, "generator", "µs/request", &column(|one| one.generator), nothing);
    report.speed(cost, "generator busy", "of 1", &column(|one| one.generator_busy), nothing);
    report.cost(cost, "bare hyper, new connection for each request", "µs CPU", &connects, nothing);
    report.speed(cost, "bare hyper, lone request p50", "µs", &column(|one| one.lone_p50), nothing);
    report.speed(cost, "bare hyper, open loop at a quarter, p50", "µs", &column(|one| one.open_p50), nothing);
    report.speed(cost, "bare hyper, open loop at a quarter, p99", "µs", &column(|one| one.open_p99), nothing);
    let disk = |pick: fn(&RawLog) -> f64| logs.iter().map(pick).collect::<Vec<f64>>();
    report.speed(cost, "F1: write and sync of 1 KiB, median", "µs", &disk(|one| one.f1), nothing);
    report.speed(cost, "F64: write and sync of 64 KiB, median", "µs", &disk(|one| one.f64), nothing);
    report.speed(cost, "F64 p99", "µs", &disk(|one| one.f64_p99), nothing);
    if !bench.quick {
        report.speed(cost, "bare hyper client, 64 connections", "requests/s", &clients, nothing);
        report.speed(cost, "bare hyper client, serial", "requests/s", &serial, nothing);
    }
    if crate::report::median(&disk(|one| one.f1)) < 30.0 {
        report.note("F1 is below 30 µs: a memory disk, or a host that answers for the disk; durability costs nothing here");
    }
    if rounds.iter().any(|one| one.generator_busy > 0.97) {
        report.note("the generator was busy all the time: bare hyper could do more than it was asked for");
    }
    if rounds.iter().any(|one| one.late) {
        report.note("the generator was late in an open-loop round of the bare server");
    }
    Ok(())
}
