//! The subcommands.

mod admin_client;
mod check_config;
mod dead_letters;
mod demo;
mod export;
mod health;
mod replay;
mod serve;
mod store;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use portico_config::{Checked, ProcessEnvironment};

use crate::cli::{Command, ConfigFile};
use crate::facts::Facts;

/// Runs a subcommand. What went wrong is told on standard error; the exit code is 1 then, and 2 when it was
/// the configuration.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Serve(file) => serve::run(&file),
        Command::Demo(options) => demo::run(&options),
        Command::CheckConfig(options) => check_config::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::DeadLetters(command) => dead_letters::run(&command),
        Command::Export(options) => export::run(&options),
        Command::Store(command) => store::run(&command),
        Command::Health(file) => health::run(&file),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("portico: {error:#}"));
            if error.is::<BadConfig>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// A configuration that can't work, with all its faults.
#[derive(Debug)]
struct BadConfig(String);

impl std::fmt::Display for BadConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadConfig {}

/// Reads and checks the configuration.
fn load(file: &ConfigFile) -> Result<Checked> {
    let catalog = portico_catalog::built_in();
    portico_config::load(&file.config, &ProcessEnvironment, &Facts(&catalog)).map_err(|faults| {
        let count = faults.0.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        anyhow!(BadConfig(format!("{} has {count} {noun}:\n{faults}", file.config.display())))
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name_fn(|| {
            static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            format!("work-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        })
        .enable_all()
        .build()
        .context("the runtime can't be made")
}

/// A line for the person at the terminal.
#[expect(clippy::print_stdout, reason = "a command's output is its purpose")]
fn say(line: &str) {
    println!("{line}");
}

/// A line about what went wrong.
#[expect(clippy::print_stderr, reason = "a command tells its failure on standard error")]
fn say_error(line: &str) {
    eprintln!("{line}");
}

/// Progress of something long, where somebody looks.
fn progress(what: &str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(0);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// Runs a piece of work that takes `progress(done, all)`.
fn with_progress<T>(what: &str, work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> T) -> T {
    let bar = progress(what);
    let done = work(&mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    done
}
