//! What is measured, one suite each.

mod dispatch;
mod ingest;
mod limits;
mod memory;
mod peers;
mod store;

pub(crate) use dispatch::dispatch;
pub(crate) use ingest::ingest;
pub(crate) use limits::limits;
pub(crate) use memory::memory;
pub(crate) use peers::peers;
pub(crate) use store::store;
