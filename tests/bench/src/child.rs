//! Child processes, each pinned to its processor, killed and reaped when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::machine::pin;

/// A running child.
#[derive(Debug)]
pub(crate) struct Process(Child);

/// Starts a command on one processor: affinity is inherited, so a thread of that affinity starts it.
///
/// # Errors
/// When it can't be started or the processor can't be used.
pub(crate) fn spawn(mut command: Command, cpu: usize) -> Result<Process> {
    let name = format!("{:?}", command.get_program());
    let started = std::thread::spawn(move || -> Result<Child> {
        pin(cpu)?;
        Ok(command.spawn()?)
    });
    let child = started.join().map_err(|_| anyhow!("the thread that starts {name} broke"))?;
    child.map(Process).with_context(|| format!("{name} could not be started"))
}

/// A role of this very binary (`portico-bench child <role>`), which prints the port that it listens on.
///
/// # Errors
/// When it does not start or says no port.
pub(crate) fn role(name: &str, arguments: &[String], cpu: usize) -> Result<(Process, SocketAddr)> {
    let mut process = spawn(own(name, arguments)?, cpu)?;
    let address = process.listening(Duration::from_secs(10))?;
    Ok((process, address))
}

/// Runs a role of this binary to its end and reads the JSON line that it prints.
///
/// # Errors
/// When it fails or prints something else.
pub(crate) fn outcome(name: &str, arguments: &[String], cpu: usize) -> Result<serde_json::Value> {
    let mut process = spawn(own(name, arguments)?, cpu)?;
    let mut text = String::new();
    process.0.stdout.take().context("no output")?.read_to_string(&mut text)?;
    let status = process.0.wait()?;
    if !status.success() {
        bail!("child {name} ended with {status}");
    }
    serde_json::from_str(text.trim()).with_context(|| format!("child {name} printed no result: {text}"))
}

fn own(name: &str, arguments: &[String]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", name]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

impl Process {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Reads `listening <port>` from its output.
    ///
    /// # Errors
    /// When it ends before that, or takes too long.
    pub(crate) fn listening(&mut self, within: Duration) -> Result<SocketAddr> {
        let output = self.0.stdout.take().context("the child's output is not a pipe")?;
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            let port = lines.find_map(|line| line.strip_prefix("listening ")?.trim().parse::<u16>().ok());
            // The asker may have given up.
            let _gone = tell.send(port);
            // Read on, or the child would block on a full pipe.
            lines.for_each(drop);
        });
        let port = told.recv_timeout(within).ok().flatten().context("the child said no port")?;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _gone = kill_process(pid, signal);
        }
    }

    /// Waits for its end; `None` when it still runs after `within`.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<std::process::ExitStatus> {
        let end = Instant::now() + within;
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_micros(500)),
                _ => return None,
            }
        }
    }

    /// Kill -9, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        // Already ended is as good.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says on which port a role listens.
///
/// # Errors
/// When nobody reads.
pub(crate) fn announce(port: u16) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening {port}")?;
    out.flush()?;
    Ok(())
}
