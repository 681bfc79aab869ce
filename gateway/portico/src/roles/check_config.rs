//! `portico check-config`

use anyhow::Result;

use super::say;
use crate::cli::CheckConfig;

pub(super) fn run(options: &CheckConfig) -> Result<()> {
    if options.defaults {
        say(portico_config::DEFAULTS.trim_end());
        return Ok(());
    }
    let config = super::load(&options.file)?;
    say(&format!(
        "{} is right: {} bots, {} installations, store in {}",
        options.file.config.display(),
        config.bots.len(),
        config.installations.len(),
        config.store.path.display(),
    ));
    for installation in config.installations.values() {
        let state = if installation.enabled { "" } else { " (switched off)" };
        say(&format!(
            "  {}: {} for bot {}, webhooks at /webhooks/{}{state}",
            installation.id, installation.connector, installation.bot, installation.id
        ));
    }
    Ok(())
}
