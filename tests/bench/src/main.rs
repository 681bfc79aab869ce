//! The `portico-bench` command: what Portico costs, beside the limits of the machine and beside its peers.
//!
//! `suites` holds what is measured; `load` makes the traffic, `hooks` the webhooks, `core` the far end;
//! `report` judges.

mod bench;
mod caller;
mod child;
mod core;
mod hooks;
mod load;
mod machine;
mod portico;
mod report;
mod roles;
mod sched;
mod server;
mod sockets;
mod suites;
mod wire;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::bench::{Bench, Options};

/// What Portico costs, as ratios to limits measured in the same run. Exit code 1 when a bound is missed.
#[derive(Debug, Parser)]
#[command(name = "portico-bench", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    suite: Option<Suite>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// A bare server, a bare client and a raw log: what this machine can do.
    Limits,
    /// Webhooks up to the 2xx: CPU, rate, latency, and whether each is kept once and in order.
    Ingest,
    /// From the journal to the core.
    Dispatch,
    /// Messages that bots create, and the providers' calls made of them.
    Outbox,
    /// Handshakes and records.
    Tls,
    /// WebSockets and webchat, beside a server made by hand, ws and Socket.IO.
    Ws,
    /// More than can be taken.
    Overload,
    /// Allocations of one webhook.
    Allocations,
    /// The embedded store alone, and kill -9 under load.
    Store,
    /// Memory, start, stop, sizes.
    Memory,
    /// Other gateways under the same load; needs `npm ci` in tests/bench/peers.
    Peers,
    /// All of them.
    All,
    /// A part that this binary plays in a process of its own.
    #[command(subcommand, hide = true)]
    Child(Role),
}

#[derive(Debug, Subcommand)]
enum Role {
    BareHyper,
    BareSockets,
    BareTls { cert: PathBuf, key: PathBuf },
    BareClient { target: SocketAddr, connections: usize, bytes: usize, millis: u64 },
    RawLog { folder: PathBuf, millis: u64 },
    Stages,
    Render,
    StoreAppend { folder: PathBuf, callers: usize, millis: u64 },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.suite {
        Some(Suite::Child(role)) => play(role).map(|()| true),
        suite => run(suite, cli.options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // With nowhere to write to, the exit code must do.
            let _unheard = writeln!(std::io::stderr(), "portico-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(role: Role) -> Result<()> {
    let time = Duration::from_millis;
    match role {
        Role::BareHyper => roles::bare_hyper(),
        Role::BareSockets => roles::bare_sockets(),
        Role::BareTls { cert, key } => roles::bare_tls(&cert, &key),
        Role::BareClient { target, connections, bytes, millis } => {
            roles::bare_client(target, connections, bytes, time(millis))
        }
        Role::RawLog { folder, millis } => roles::raw_log(&folder, time(millis)),
        Role::Stages => roles::stages(),
        Role::Render => roles::render(),
        Role::StoreAppend { folder, callers, millis } => roles::store_append(&folder, callers, time(millis)),
    }
}

fn run(suite: Option<Suite>, options: Options) -> Result<bool> {
    let mut bench = Bench::new(options)?;
    let every = matches!(suite, Some(Suite::All));
    let smoke = suite.is_none();
    let wants = |one: bool| every || one;
    if wants(smoke || matches!(suite, Some(Suite::Limits))) {
        suites::limits(&mut bench)?;
    }
    if wants(smoke || matches!(suite, Some(Suite::Ingest))) {
        suites::ingest(&mut bench)?;
    }
    if wants(matches!(suite, Some(Suite::Dispatch))) {
        suites::dispatch(&mut bench)?;
    }
    if wants(matches!(suite, Some(Suite::Outbox))) {
        suites::outbox(&mut bench)?;
    }
    if wants(matches!(suite, Some(Suite::Tls))) {
        suites::tls(&mut bench)?;
    }
    if wants(smoke || matches!(suite, Some(Suite::Ws))) {
        suites::ws(&mut bench, smoke)?;
    }
    if wants(matches!(suite, Some(Suite::Overload))) {
        suites::overload(&mut bench)?;
    }
    if wants(matches!(suite, Some(Suite::Allocations))) {
        suites::allocations(&mut bench)?;
    }
    if wants(matches!(suite, Some(Suite::Store))) {
        suites::store(&mut bench)?;
    }
    if wants(matches!(suite, Some(Suite::Memory))) {
        suites::memory(&mut bench)?;
    }
    if wants(matches!(suite, Some(Suite::Peers))) {
        suites::peers(&mut bench)?;
    }
    bench.finish()
}
