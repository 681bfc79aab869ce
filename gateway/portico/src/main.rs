//! The `portico` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    portico::run(portico::Cli::parse().command)
}
