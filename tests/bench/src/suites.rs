//! What is measured, one suite each.

mod limits;

pub(crate) use limits::limits;
pub(crate) fn ingest(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
pub(crate) fn dispatch(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
pub(crate) fn store(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
pub(crate) fn memory(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
pub(crate) fn peers(_: &mut crate::bench::Bench) -> anyhow::Result<()> { Ok(()) }
