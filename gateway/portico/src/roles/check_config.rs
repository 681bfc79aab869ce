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
        "{} is right: {}, {}, store in {}",
        options.file.config.display(),
        counted(config.bots.len(), "bot"),
        counted(config.installations.len(), "installation"),
        config.store.path.display(),
    ));
    for installation in config.installations.values() {
        let state = if installation.enabled { "" } else { " (switched off)" };
        let id = &installation.id;
        let place = match installation.connector.as_str() {
            "webchat" => format!("page at /webchat/v1/chat/{id}"),
            "chat" => format!("Chat API at /chat/{id}"),
            _ => format!("webhooks at /webhooks/{id}"),
        };
        say(&format!("  {id}: {} for bot {}, {place}{state}", installation.connector, installation.bot));
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
