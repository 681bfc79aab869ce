//! `portico serve`

use anyhow::{Context, Result, anyhow};
use portico_config::{Checked, LogFormat};
use portico_telemetry::{LogOptions, init};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

use crate::cli::ConfigFile;
use crate::{Extras, start};

pub(super) fn run(file: &ConfigFile) -> Result<()> {
    let config = super::load(file)?;
    init(&LogOptions {
        format: match config.log.format {
            LogFormat::Text => portico_telemetry::LogFormat::Text,
            LogFormat::Json => portico_telemetry::LogFormat::Json,
        },
        filter: config.log.filter.clone(),
    })
    .map_err(|error| anyhow!("log.filter: {error}"))?;
    let extras = Extras { file: Some(file.config.clone()), ..Extras::default() };
    super::runtime()?.block_on(serve(config, extras))
}

/// Serves until SIGTERM or SIGINT; SIGHUP reads the configuration again.
pub(super) async fn serve(config: Checked, extras: Extras) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals can't be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals can't be heard")?;
    let mut hangup = signal(SignalKind::hangup()).context("signals can't be heard")?;
    let running = start(config, extras).await?;
    info!(
        public = %running.public,
        admin = %running.admin,
        public_url = %running.public_url,
        version = env!("CARGO_PKG_VERSION"),
        "ready"
    );
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                if let Err(faults) = running.reload() {
                    error!("the configuration was not taken, the old one stays: {faults}");
                }
            }
        }
    }
    info!("ending in order; a second signal ends at once");
    tokio::select! {
        ended = running.drain() => ended,
        _ = terminate.recv() => Err(anyhow!("ended at once; the next start recovers")),
        _ = interrupt.recv() => Err(anyhow!("ended at once; the next start recovers")),
    }
}
