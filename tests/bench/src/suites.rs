//! What is measured, one suite each.

mod dispatch;
mod ingest;
mod limits;

pub(crate) use dispatch::dispatch;
pub(crate) use ingest::ingest;
pub(crate) use limits::limits;
pub(crate) fn store(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
pub(crate) fn memory(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
pub(crate) fn peers(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
