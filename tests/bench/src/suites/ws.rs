//! WebSockets and webchat: beside a server made by hand, `ws` and Socket.IO, in turn in every round.
//!
//! The parts: an echo, a message to a thousand sockets, connections that wait, visitors' messages to the ack and to
//! the core and back, and readers who stop reading. All that is shown is also held against what was said.

mod bot;
mod core;
mod crowd;
mod echo;
mod fanout;
mod idle;
mod slow;
mod subjects;
mod visitors;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::core::Core;
use self::subjects::{Kind, Subject, open_channel};
use crate::bench::Bench;
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Setup, provider_stub};

/// In the order in which they are told.
const KINDS: [Kind; 4] = [Kind::Portico, Kind::Floor, Kind::Ws, Kind::SocketIo];
/// Descriptors beside those of connections that wait: Node's, logs, a store.
const SPARE: u64 = 2 * idle::MADE as u64;
/// Most rounds of what takes long and varies little: connections that wait, and readers who stop.
const LONG_ROUNDS: usize = 3;
const SMOKE_ROUNDS: usize = 2;

/// Measures WebSockets and webchat. A smoke test leaves out peers and what takes long.
pub(crate) fn ws(bench: &mut Bench, smoke: bool) -> Result<()> {
    allow_descriptors(idle::waiting(bench) as u64 + SPARE)?;
    let core = Core::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let setup = Setup {
        folder: bench.folder("ws")?,
        cores: vec![core.address()],
        provider: provider.address(),
        more: open_channel(),
    };
    let mut all = vec![Subject::gateway(&setup, bench)?, Subject::floor(bench)?];
    for kind in [Kind::Ws, Kind::SocketIo].into_iter().filter(|_| !smoke) {
        match Subject::peer(bench, kind)? {
            Some(peer) => all.push(peer),
            None => {
                bench.report.note(format!("{} was left out: run `npm ci` in tests/bench/peers", kind.name()))
            }
        }
    }
    let ids: Vec<u32> = all.iter().map(Subject::id).collect();
    let mut deck = visitors::deck();
    let (mut echoes, mut fans, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let (mut idles, mut slows) = (Vec::new(), Vec::new());
    let (rounds, long) = match (smoke, bench.quick) {
        (true, _) => (bench.rounds.min(SMOKE_ROUNDS), 0),
        (false, true) => (bench.rounds, 1),
        (false, false) => (bench.rounds, bench.rounds.min(LONG_ROUNDS)),
    };
    for round in 1..=rounds {
        let part =
            |bench: &mut Bench, name: &str, ids: &[u32], work: &mut dyn FnMut(&Bench) -> Result<()>| {
                bench.say(&format!("ws, round {round} of {rounds}: {name}"));
                wait_quiet(ids, bench.patient);
                let strangers = Strangers::begin(ids);
                if let Err(error) = work(bench) {
                    bench.report.failure(format!("ws, {name}, round {round}: {error:#}"));
                }
                let cores = strangers.cores();
                bench.report.strangers(cores);
            };
        part(bench, "echo", &ids, &mut |bench| {
            echoes.push(each(&all, |one| echo::measure(bench, one))?);
            Ok(())
        });
        part(bench, "a message to many", &ids, &mut |bench| {
            fans.push(each(&all, |one| fanout::measure(bench, one))?);
            Ok(())
        });
        // After a failure the core may still get what nobody waits for any more.
        if said.len() + 1 == round {
            part(bench, "visitors", &ids, &mut |bench| {
                said.push(visitors::measure(
                    bench,
                    all.first().context("no gateway")?,
                    &core,
                    &mut deck,
                    visitors::lane(round),
                )?);
                Ok(())
            });
        }
        if round <= long {
            // In a gateway that has done much, what the slow hold would find room in what was freed before.
            let fresh = Setup { folder: bench.folder("ws-slow")?, ..setup.clone() };
            let fresh = Subject::gateway(&fresh, bench)?;
            let with: Vec<u32> = ids.iter().copied().chain([fresh.id()]).collect();
            part(bench, "readers who stop", &with, &mut |_| {
                slows.push(slow::measure(&fresh)?);
                Ok(())
            });
            drop(fresh);
            // Processes come and go in it, and it has no rates that strangers could spoil: they are not looked for.
            bench.say(&format!("ws, round {round} of {rounds}: connections that wait"));
            match idles_of(bench, &core) {
                Ok(found) => idles.push(found),
                Err(error) => {
                    bench.report.failure(format!("ws, connections that wait, round {round}: {error:#}"))
                }
            }
        }
    }
    let (listeners, waiting) = (fanout::listeners(bench), idle::waiting(bench));
    echo::tell(&mut bench.report, &echoes);
    fanout::tell(&mut bench.report, &fans, listeners);
    visitors::tell(&mut bench.report, &said);
    if long > 0 {
        slow::tell(&mut bench.report, &slows);
        idle::tell(&mut bench.report, &idles, waiting);
    }
    Ok(())
}

fn each<T>(all: &[Subject], measure: impl Fn(&Subject) -> Result<T>) -> Result<Vec<T>> {
    all.iter().map(|one| measure(one).context(one.kind.name())).collect()
}

/// Everybody new, so that nothing is left over from other parts.
fn idles_of(bench: &Bench, core: &Core) -> Result<Vec<idle::Idle>> {
    let mut found = vec![idle::portico(bench, core).context("Portico")?];
    let floor = Subject::floor(bench)?;
    found.push(idle::other(bench, &floor).context("floor")?);
    drop(floor);
    for kind in [Kind::Ws, Kind::SocketIo] {
        if let Some(peer) = Subject::peer(bench, kind)? {
            found.push(idle::other(bench, &peer).context(kind.name())?);
        }
    }
    Ok(found)
}

/// As many descriptors as connections, here and in all children.
fn allow_descriptors(wanted: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let current = now.maximum.map_or(wanted, |most| most.min(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: now.maximum })?;
    anyhow::ensure!(
        current >= wanted,
        "{wanted} descriptors are needed, {current} are allowed: raise `ulimit -Hn`"
    );
    Ok(())
}
