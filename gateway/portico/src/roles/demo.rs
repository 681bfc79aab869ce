//! `portico demo`
use anyhow::Result;

use crate::cli::Demo;

pub(super) fn run(_options: &Demo) -> Result<()> {
    Ok(())
}
