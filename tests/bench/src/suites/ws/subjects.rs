//! Who is measured: the gateway, a server made by hand, and the two packages that Node programs use.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::Bench;
use crate::child::{self, Process};
use crate::portico::{Portico, Setup, binary};
use crate::sockets::Target;
use crate::sockets::dialect::{CHANNEL, Dialect, ORIGIN};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Portico,
    Floor,
    Ws,
    SocketIo,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Portico => "Portico",
            Self::Floor => "floor",
            Self::Ws => "ws",
            Self::SocketIo => "socket.io",
        }
    }
}

enum Running {
    Gateway(Portico),
    Other(Process),
}

/// One of them, running.
pub(super) struct Subject {
    pub(super) kind: Kind,
    running: Running,
    pub(super) target: Target,
}

impl Subject {
    pub(super) fn gateway(setup: &Setup, bench: &Bench) -> Result<Self> {
        let mut command = Command::new(binary()?);
        // The table of edge limits is written already; a variable wins over it. Ten thousand are let in as it comes,
        // and some more are to be measured beside them.
        command.env("PORTICO_LIMITS__EDGE__CONNECTIONS", "40000");
        let portico = setup.start_with(command, bench.plan.server)?;
        let target = Target { address: portico.address, dialect: Dialect::Portico, window: None };
        Ok(Self { kind: Kind::Portico, running: Running::Gateway(portico), target })
    }

    pub(super) fn floor(bench: &Bench) -> Result<Self> {
        let (process, address) = child::role("bare-sockets", &[], bench.plan.server)?;
        let target = Target { address, dialect: Dialect::Plain, window: None };
        Ok(Self { kind: Kind::Floor, running: Running::Other(process), target })
    }

    /// `ws` or Socket.IO; `None` where its package is not installed.
    pub(super) fn peer(bench: &Bench, kind: Kind) -> Result<Option<Self>> {
        let (page, package, dialect) = match kind {
            Kind::Ws => ("ws.mjs", "ws", Dialect::Plain),
            _ => ("socketio.mjs", "socket.io", Dialect::SocketIo),
        };
        let pages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers");
        if !pages.join("node_modules").join(package).is_dir() {
            return Ok(None);
        }
        let mut command = Command::new("node");
        command
            .arg(pages.join(page))
            .current_dir(&pages)
            .env("NODE_ENV", "production")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = child::spawn(command, bench.plan.server)?;
        let address = process.listening(Duration::from_secs(20)).context(page)?;
        let target = Target { address, dialect, window: None };
        Ok(Some(Self { kind, running: Running::Other(process), target }))
    }

    pub(super) fn process(&mut self) -> &mut Process {
        match &mut self.running {
            Running::Gateway(portico) => &mut portico.process,
            Running::Other(process) => process,
        }
    }

    pub(super) fn id(&self) -> u32 {
        match &self.running {
            Running::Gateway(portico) => portico.id(),
            Running::Other(process) => process.id(),
        }
    }
}

/// The channel, with the limits of a session and of an address as they come.
pub(super) fn channel() -> String {
    format!(
        "[installations.{CHANNEL}]\nbot = \"bench-0\"\nconnector = \"webchat\"\n[installations.{CHANNEL}.config]\n\
         origins = [\"{ORIGIN}\"]\n"
    )
}

/// The channel, with limits that let few sessions and addresses be a crowd.
pub(super) fn open_channel() -> String {
    format!(
        "[limits.api]\nrate = \"1000000/s burst 1000000\"\n[limits.lane]\noutbox = 100000\n{}\
         [installations.{CHANNEL}.config.limits]\nmessages = 60000\nevents = 60000\nhellos = 1000000\nsockets = 1000000\n\
         session_sockets = 1000\n",
        channel()
    )
}
