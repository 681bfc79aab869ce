//! What is measured, one suite each.

mod allocations;
mod dispatch;
mod ingest;
mod limits;
mod memory;
mod neighbours;
mod outbox;
mod overload;
mod peers;
mod store;
mod tls;
mod ws;

pub(crate) use allocations::allocations;
pub(crate) use dispatch::dispatch;
pub(crate) use ingest::ingest;
pub(crate) use limits::limits;
pub(crate) use memory::memory;
pub(crate) use outbox::outbox;
pub(crate) use overload::overload;
pub(crate) use peers::peers;
pub(crate) use store::store;
pub(crate) use tls::tls;
pub(crate) use ws::ws;
