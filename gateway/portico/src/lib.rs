//! The Portico binary as a library: what is started, in which order, and how it ends.
//!
//! `assemble` puts the gateway together; read it to know what runs. `roles` are the subcommands.

mod assemble;
mod cli;
mod facts;
mod glue;
mod keys;
mod live;
mod offline;
mod operations;
mod pages;
mod register;
mod roles;
mod setup;
mod upkeep;

pub use assemble::{Addition, Extras, Running, start};
pub use cli::{Cli, Command};
pub use roles::run;
