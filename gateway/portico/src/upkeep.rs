//! What is done now and then: retention, figures for metrics.

use std::sync::Arc;
use std::time::Duration;

use portico_contract::BotId;
use portico_store::records::Records;
use portico_store::{DiskLevel, Store};
use portico_telemetry::Metrics;
use portico_telemetry::metrics;
use portico_turns::{BlobStore, now};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Removes what retention no longer keeps: a bounded amount each minute, more while there is more.
pub(crate) async fn sweep(store: Arc<dyn Store>, stop: CancellationToken) {
    let mut pause = Duration::from_secs(60);
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = match store.sweep(now()).await {
            Ok(report) => {
                if report.removed > 0 || report.freed_bytes > 0 {
                    info!(
                        removed = report.removed,
                        freed_bytes = report.freed_bytes,
                        "retention removed what is old"
                    );
                }
                if report.more { Duration::from_secs(1) } else { Duration::from_secs(60) }
            }
            Err(error) => {
                warn!("retention could not run: {error}");
                Duration::from_secs(60)
            }
        };
    }
}

/// Removes messages and conversations that are older than `keep`, each hour.
pub(crate) async fn expire(
    store: Arc<dyn Store>,
    bots: impl Fn() -> Vec<BotId>,
    keep: Duration,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(3600))).await.is_some() {
        let before = now().saturating_sub(keep.as_millis() as u64);
        for bot in bots() {
            let records = Records::of(store.clone(), bot.clone());
            let (mut all, mut cursor) = (0, None);
            loop {
                match records.expire(before, cursor.take()).await {
                    Ok((removed, next)) => {
                        all += removed;
                        cursor = next;
                    }
                    Err(error) => warn!(bot.id = %bot, "old messages could not be removed: {error}"),
                }
                if cursor.is_none() {
                    break;
                }
            }
            if all > 0 {
                info!(bot.id = %bot, removed = all, "retention removed old messages and conversations");
            }
        }
    }
}

/// Removes files that nothing names any more, each hour.
pub(crate) async fn sweep_files(blobs: BlobStore, keep: Duration, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(3600))).await.is_some() {
        match blobs.sweep(now(), keep).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "files that nothing named were removed"),
            Err(error) => warn!("files could not be swept: {error}"),
        }
    }
}

/// Copies the store's figures into the metrics every two seconds.
pub(crate) async fn watch(store: Arc<dyn Store>, metrics: Arc<Metrics>, stop: CancellationToken) {
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (mut commits, mut level) = (0, DiskLevel::Fine);
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(2))).await.is_some() {
        let (stats, health) = (store.stats(), store.health());
        metrics.journal_commits.inc_by(stats.commits.saturating_sub(commits));
        commits = stats.commits;
        metrics.journal_sync_p50.set(stats.sync_p50.as_secs_f64());
        metrics.journal_sync_p99.set(stats.sync_p99.as_secs_f64());
        metrics.backlog.set(gauge(stats.backlog[0]));
        let age = stats.oldest[0].map_or(0, |oldest| now().saturating_sub(oldest));
        metrics.backlog_oldest.set(Duration::from_millis(age).as_secs_f64());
        metrics.dead_letters.set(gauge(stats.dead_letters));
        metrics.disk_free.set(gauge(stats.free_bytes));
        metrics.store_bytes.set(gauge(stats.log_bytes + stats.index_bytes));
        metrics.store_writable.set(i64::from(health.writable));
        metrics.set_disk_level(match health.disk {
            DiskLevel::Fine => metrics::DiskLevel::Ok,
            DiskLevel::Warn => metrics::DiskLevel::Warn,
            DiskLevel::RefuseHooks => metrics::DiskLevel::Refuse,
            DiskLevel::SettleOnly => metrics::DiskLevel::Critical,
        });
        if health.disk != level {
            level = health.disk;
            warn!(free_bytes = stats.free_bytes, "the disk is at level {level:?}");
        }
    }
}
