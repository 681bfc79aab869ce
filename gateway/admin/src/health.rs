//! Figures, and how each promise stands at this moment.

use axum::Json;
use axum::extract::State;
use portico_store::{DiskLevel, Health, Stats};
use serde_json::{Value, json};

use crate::Admin;

/// `GET /stats`
pub(crate) async fn stats(State(admin): State<Admin>) -> Json<Value> {
    let stats = admin.store.stats();
    Json(json!({
        "backlog": { "inbound": stats.backlog[0], "outbound": stats.backlog[1] },
        "oldest": {
            "inbound": stats.oldest[0].map(portico_store::records::iso),
            "outbound": stats.oldest[1].map(portico_store::records::iso),
        },
        "deadLetters": stats.dead_letters,
        "commits": stats.commits,
        "syncs": stats.syncs,
        "syncP50Us": stats.sync_p50.as_micros() as u64,
        "syncP99Us": stats.sync_p99.as_micros() as u64,
        "logBytes": stats.log_bytes,
        "indexBytes": stats.index_bytes,
        "dedupeKeys": stats.dedupe_keys,
        "freeBytes": stats.free_bytes,
    }))
}

/// `GET /promises` and `GET /health/promises`: one line for each guarantee.
pub(crate) async fn promises(State(admin): State<Admin>) -> Json<Value> {
    let health = admin.store.health();
    let stats = admin.store.stats();
    let attention: Vec<Value> = admin
        .installations
        .all()
        .iter()
        .filter_map(|one| Some(json!({ "installation": one.id, "why": one.attention()? })))
        .collect();
    Json(json!({
        "acknowledgedMeansKept": kept(&health),
        "durability": health.durability,
        "atLeastOnce": at_least_once(&stats),
        "order": "held in each conversation, both ways",
        "verification": "every installation proves its callers, unless it says 'insecure'",
        "needsAttention": attention,
        "facts": admin.operations.facts(),
    }))
}

fn kept(health: &Health) -> String {
    if !health.writable {
        let why = health.problem.as_deref().unwrap_or("the store takes no writes");
        return format!("not now: webhooks and messages are refused with 503 ({why})");
    }
    match health.disk {
        DiskLevel::Fine => "held".into(),
        DiskLevel::Warn => "held; the disk is filling, settled bodies are kept half as long".into(),
        DiskLevel::RefuseHooks => "held by refusing webhooks with 503: the disk is nearly full".into(),
        DiskLevel::SettleOnly => "held by refusing everything but settling: the disk is full".into(),
    }
}

fn at_least_once(stats: &Stats) -> String {
    match stats.dead_letters {
        0 => "held".into(),
        1 => "held; one dead letter waits for a person".into(),
        many => format!("held; {many} dead letters wait for a person"),
    }
}
