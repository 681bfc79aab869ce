//! What happens by time: leases are renewed, deferred lanes come back, closed gates are tried again.

use std::sync::Arc;
use std::time::Duration;

use portico_store::{Change, Commit};
use tokio::time::Instant;

use crate::driver::Inner;

/// Lanes taken up at a time.
const PAGE: usize = 256;

/// Holds the shards: at once, then as often as the options say.
pub(crate) async fn leases(inner: Arc<Inner>) {
    loop {
        match inner.store.hold(inner.options.node, inner.options.shards).await {
            Ok(granted) => {
                if inner.leases.update(&granted) {
                    inner.recover.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
        tokio::time::sleep(inner.options.renew).await;
    }
}

/// Takes up deferred lanes whose time has come.
pub(crate) async fn due(inner: Arc<Inner>) {
    loop {
        let now = inner.options.clock.now();
        let next = match inner.store.next_due(inner.dir).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "deferred lanes could not be read");
                None
            }
        };
        let mut pause = inner.options.poll;
        if let Some(next) = next {
            if next <= now {
                if take_due(&inner, now).await {
                    continue;
                }
            } else {
                pause = pause.min(Duration::from_millis(next - now));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inner.due_moved.notified() => {}
        }
    }
}

/// Says whether there may be more at once.
async fn take_due(inner: &Arc<Inner>, now: u64) -> bool {
    let heads = match inner.store.due(inner.dir, now, PAGE).await {
        Ok(heads) => heads,
        Err(error) => {
            tracing::warn!(%error, "deferred lanes could not be read");
            return false;
        }
    };
    let full = heads.len() >= PAGE;
    let mut waiting = Vec::new();
    for head in &heads {
        if inner.leases.fence(head.lane.shard()).is_none() {
            continue;
        }
        waiting.push(head.lane);
        for lane in inner.wake(&[head.lane]) {
            if let Err(error) = inner.admit(lane).await {
                tracing::warn!(%error, "a deferred lane could not be read");
            }
        }
    }
    if !full || waiting.is_empty() {
        return false;
    }
    // Lanes of a closed group keep their place among the earliest and would hide those behind them: as ready
    // lanes they wait in memory, or for a scan.
    let release = waiting.into_iter().map(|lane| Change::Release { lane });
    match inner.store.commit(Commit::of(release).ordered()).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%error, "due lanes moved on while they were released");
            false
        }
    }
}

/// Lets closed groups be tried when their time has come, and recovered ones have more and more workers.
pub(crate) async fn gates(inner: Arc<Inner>) {
    loop {
        let (started, next) = inner.state.lock().gates(Instant::now());
        inner.launch(started);
        match next {
            Some(next) => tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = inner.gate_moved.notified() => {}
            },
            None => inner.gate_moved.notified().await,
        }
    }
}
