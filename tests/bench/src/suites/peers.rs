//! Other gateways under the same load, each on one core, Portico among them in every round.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::ingest::{PATIENCE, answers};
use super::limits::CONNECTIONS;
use crate::bench::Bench;
use crate::child::{self, Process};
use crate::core::NullCore;
use crate::hooks::{CONVERSATIONS, Deck, Mix, Paths, SECRETS};
use crate::load::{Load, Proof};
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Setup, get, provider_stub};
use crate::report::Must;
use crate::sched::{Cpu, resident_kib};

/// One peer: its page, what it is sent, and what Portico's CPU per request may be of its own.
struct Peer {
    name: &'static str,
    page: &'static str,
    argument: Option<&'static str>,
    traffic: Traffic,
    proof: Proof,
    must: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    Slack,
    Telegram,
    WhatsApp,
    Activity,
}

impl Traffic {
    fn paths(self, to_portico: bool) -> Paths {
        let path =
            |own: &str, name: &str| Some(if to_portico { format!("/webhooks/{name}-0") } else { own.into() });
        match self {
            Self::Slack => Paths { slack: path("/slack", "slack"), ..Paths::default() },
            Self::Telegram => Paths { telegram: path("/telegram", "telegram"), ..Paths::default() },
            Self::WhatsApp => Paths { whatsapp: path("/whatsapp", "whatsapp"), ..Paths::default() },
            Self::Activity => Paths { activity: Some("/activity".into()), ..Paths::default() },
        }
    }

    /// What Portico is sent for it; it speaks no activities yet.
    fn of_portico(self) -> Self {
        if self == Self::Activity { Self::Slack } else { self }
    }
}

const fn peer(
    name: &'static str,
    page: &'static str,
    argument: Option<&'static str>,
    traffic: Traffic,
    proof: Proof,
    must: f64,
) -> Peer {
    Peer { name, page, argument, traffic, proof, must }
}

const PEERS: [Peer; 8] = [
    peer("Chat SDK, Slack", "chat", Some("slack"), Traffic::Slack, Proof::Refused, 1.0 / 80.0),
    peer("Chat SDK, Telegram", "chat", Some("telegram"), Traffic::Telegram, Proof::Refused, 1.0 / 80.0),
    peer("Chat SDK, WhatsApp", "chat", Some("whatsapp"), Traffic::WhatsApp, Proof::Refused, 1.0 / 80.0),
    peer("Slack Bolt", "bolt", None, Traffic::Slack, Proof::Refused, 1.0 / 6.0),
    peer("grammY", "grammy", None, Traffic::Telegram, Proof::Refused, 1.0 / 3.0),
    peer("Telegraf", "telegraf", None, Traffic::Telegram, Proof::Refused, 1.0 / 3.0),
    peer("Bot Framework", "botbuilder", None, Traffic::Activity, Proof::Absent, 1.0 / 12.0),
    peer("empty Node server", "empty", None, Traffic::Slack, Proof::Absent, 0.9),
];

/// What one side of a round found.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// CPU per request in µs, all threads, until the bot had everything.
    cpu: f64,
    /// Of it up to the answer; the same where nothing tells.
    to_answer: f64,
    rate: f64,
    /// Open loop at half the rate and at 200/s, in µs.
    half: (f64, f64),
    common: (f64, f64),
    /// MiB, and milliseconds to the first answer.
    resident: f64,
    start: f64,
}

/// Measures Portico beside its peers.
pub(crate) fn peers(bench: &mut Bench) -> Result<()> {
    let pages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers");
    if !pages.join("node_modules").is_dir() {
        bench.report.note("peers were left out: run `npm ci` in tests/bench/peers first");
        return Ok(());
    }
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let mut found: BTreeMap<usize, Vec<(Found, Found)>> = BTreeMap::new();
    for round in 1..=bench.rounds {
        for (place, peer) in PEERS.iter().enumerate() {
            bench.say(&format!("peers, round {round} of {}: {}", bench.rounds, peer.name));
            wait_quiet(&[], bench.patient);
            let pair = own(bench, peer.traffic.of_portico(), &core, provider.address())
                .and_then(|own| Ok((own, other(bench, peer, &pages, provider.address())?)))
                .with_context(|| peer.name);
            match pair {
                Ok(pair) => found.entry(place).or_default().push(pair),
                Err(error) => bench.report.failure(format!("{error:#}")),
            }
        }
    }
    for (place, peer) in PEERS.iter().enumerate() {
        if let Some(rounds) = found.get(&place) {
            tell(bench, peer, rounds);
        }
    }
    Ok(())
}

fn own(bench: &mut Bench, traffic: Traffic, core: &NullCore, provider: SocketAddr) -> Result<Found> {
    let folder = bench.folder("peers")?;
    let setup = Setup { folder, cores: vec![core.address()], provider, more: String::new() };
    core.take();
    let portico = setup.start(bench.plan.server)?;
    let start = portico.ready_in.as_secs_f64() * 1e3;
    let side = Side { process: &portico.process, address: portico.address, proof: Proof::Unauthorized };
    side.measure(bench, &traffic.paths(true), start, |sent| core.wait_for(sent, PATIENCE))
}

fn other(bench: &mut Bench, peer: &Peer, pages: &std::path::Path, provider: SocketAddr) -> Result<Found> {
    let mut command = Command::new("node");
    command
        .arg(pages.join(format!("{}.mjs", peer.page)))
        .args(peer.argument)
        .current_dir(pages)
        .env("PROVIDER", format!("http://{provider}"))
        .env("SLACK_SECRET", SECRETS.slack)
        .env("TELEGRAM_SECRET", SECRETS.telegram)
        .env("WHATSAPP_SECRET", SECRETS.whatsapp)
        .env("NODE_ENV", "production")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let begin = Instant::now();
    let mut process = child::spawn(command, bench.plan.server)?;
    let address = process.listening(Duration::from_secs(20))?;
    get(address, "/messages")?;
    let start = begin.elapsed().as_secs_f64() * 1e3;
    let side = Side { process: &process, address, proof: peer.proof };
    side.measure(bench, &peer.traffic.paths(false), start, |sent| {
        let end = Instant::now() + PATIENCE;
        loop {
            let count: u64 = get(address, "/messages")?.1.parse()?;
            // What does not know repeats, or checks no proof, hands on more than that.
            if count >= sent {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("its handler got {count} of {sent} messages");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

/// One side under load.
struct Side<'a> {
    process: &'a Process,
    address: SocketAddr,
    proof: Proof,
}

impl Side<'_> {
    fn measure(
        &self,
        bench: &mut Bench,
        paths: &Paths,
        start: f64,
        wait_for: impl Fn(u64) -> Result<()>,
    ) -> Result<Found> {
        let pid = self.process.id();
        let mut load = Load::connect(self.address, CONNECTIONS)?;
        let mut deck = Deck::new(paths, Mix::BUDGET, CONNECTIONS, CONVERSATIONS, 0);
        // Compilers need their time.
        let warm = load.closed(&mut deck, bench.warm * 3)?;
        warm.planned(self.proof)?;
        let mut sent = warm.acknowledged.len() as u64;
        wait_for(sent)?;
        let strangers = Strangers::begin(&[pid]);
        let before = Cpu::of_tree(pid);
        let tally = load.closed(&mut deck, bench.window)?;
        let answered = Cpu::of_tree(pid).since(&before);
        tally.planned(self.proof)?;
        sent += tally.acknowledged.len() as u64;
        wait_for(sent)?;
        let whole = Cpu::of_tree(pid).since(&before);
        let resident = resident_kib(pid).1 as f64 / 1024.0;
        let half = load.open(&mut deck, tally.rate() / 2.0, bench.window / 2)?;
        let common = load.open(&mut deck, 200.0, bench.window / 2)?;
        let cores = strangers.cores();
        bench.report.strangers(cores);
        let each = |ns: u64| ns as f64 / tally.requests as f64 / 1e3;
        let to_answer = match answered.named(answers) {
            0 => whole.total(),
            ours => ours,
        };
        Ok(Found {
            cpu: each(whole.total()),
            to_answer: each(to_answer),
            rate: tally.rate(),
            half: (half.micros(0.5), half.micros(0.99)),
            common: (common.micros(0.5), common.micros(0.99)),
            resident,
            start,
        })
    }
}

fn tell(bench: &mut Bench, peer: &Peer, rounds: &[(Found, Found)]) {
    let (s, name, report) = ("peers", peer.name, &mut bench.report);
    let own = |pick: fn(&Found) -> f64| rounds.iter().map(|(own, _)| pick(own)).collect::<Vec<f64>>();
    let other = |pick: fn(&Found) -> f64| rounds.iter().map(|(_, other)| pick(other)).collect::<Vec<f64>>();
    let ratio: Vec<f64> = rounds.iter().map(|(own, other)| own.to_answer / other.cpu).collect();
    let whole: Vec<f64> = rounds.iter().map(|(own, other)| own.cpu / other.cpu).collect();
    report.cost(s, &format!("{name}: CPU"), "µs/request", &other(|one| one.cpu), Must::Nothing);
    report.cost(
        s,
        "  Portico, all threads, until the bot has it",
        "µs/request",
        &own(|one| one.cpu),
        Must::Nothing,
    );
    report.cost(s, "  same ÷ the peer", "×", &whole, Must::AtMost(peer.must));
    report.cost(s, "  Portico up to the 2xx ÷ the peer", "×", &ratio, Must::Nothing);
    report.speed(s, "  rate of the peer", "requests/s", &other(|one| one.rate), Must::Nothing);
    report.speed(s, "  rate of Portico, durable", "requests/s", &own(|one| one.rate), Must::Nothing);
    for (what, pick) in [
        ("p50 at half its rate", (|one: &Found| one.half.0) as fn(&Found) -> f64),
        ("p99 at half its rate", |one| one.half.1),
        ("p50 at 200/s", |one| one.common.0),
        ("p99 at 200/s", |one| one.common.1),
    ] {
        report.speed(s, &format!("  peer: {what}"), "µs", &other(pick), Must::Nothing);
        report.speed(s, &format!("  Portico: {what}"), "µs", &own(pick), Must::Nothing);
    }
    report.cost(s, "  peer: resident", "MiB", &other(|one| one.resident), Must::Nothing);
    report.cost(s, "  Portico: resident", "MiB", &own(|one| one.resident), Must::Nothing);
    report.speed(s, "  peer: start", "ms", &other(|one| one.start), Must::Nothing);
    report.speed(s, "  Portico: start", "ms", &own(|one| one.start), Must::Nothing);
}
