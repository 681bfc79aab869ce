//! What this binary plays besides measuring: the limits, each in a process of its own.

mod bare;
mod client;
mod rawlog;
mod stages;
mod store;

pub(crate) use bare::bare_hyper;
pub(crate) use client::bare_client;
pub(crate) use rawlog::raw_log;
pub(crate) use stages::stages;
pub(crate) use store::{PAYLOAD, store_append};
