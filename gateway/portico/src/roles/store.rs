//! `portico store`

use anyhow::{Result, anyhow, bail};
use portico_store::Store;
use portico_store_sled::{SledStore, restore, salvage, verify};

use super::{say, with_progress};
use crate::cli::StoreCommand;
use crate::setup;

pub(super) fn run(command: &StoreCommand) -> Result<()> {
    let file = match command {
        StoreCommand::Verify(file) | StoreCommand::Salvage(file) => file,
        StoreCommand::Backup { file, .. } | StoreCommand::Restore { file, .. } => file,
    };
    let config = super::load(file)?;
    let path = &config.store.path;
    let plain = |error: portico_store::StoreError| anyhow!("{error}");
    match command {
        StoreCommand::Verify(_) => {
            let report = with_progress("verifying", |progress| verify(path, progress)).map_err(plain)?;
            for fault in &report.faults {
                say(fault);
            }
            match report.faults.len() {
                0 => say(&format!("{} things were looked at, all are right", report.checked)),
                faults => bail!("{} things were looked at, {faults} are damaged", report.checked),
            }
        }
        StoreCommand::Backup { to, .. } => {
            super::runtime()?.block_on(async {
                let store = SledStore::open(setup::store_options(&config)).map_err(plain)?;
                let done = store.backup(to).await;
                store.close().await.map_err(plain)?;
                done.map_err(plain)
            })?;
            say(&format!(
                "backed up into {}; keep master.key of {} apart from it",
                to.display(),
                path.display()
            ));
        }
        StoreCommand::Restore { from, .. } => {
            with_progress("restoring", |progress| restore(from, path, progress)).map_err(plain)?;
            say(&format!("restored into {}; put master.key back beside it", path.display()));
        }
        StoreCommand::Salvage(_) => {
            let report = with_progress("salvaging", |progress| salvage(path, progress)).map_err(plain)?;
            say(&format!("{report:#?}"));
        }
    }
    Ok(())
}
