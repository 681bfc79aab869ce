//! What this binary plays besides measuring: the limits, each in a process of its own.

mod bare;
mod client;
mod rawlog;
mod render;
mod sockets;
mod stages;
mod store;
mod tls;

pub(crate) use bare::bare_hyper;
pub(crate) use client::bare_client;
pub(crate) use rawlog::raw_log;
pub(crate) use render::render;
pub(crate) use sockets::bare_sockets;
pub(crate) use stages::stages;
pub(crate) use store::{PAYLOAD, store_append};
pub(crate) use tls::bare_tls;
