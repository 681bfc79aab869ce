//! Stands in for the providers' APIs: takes every call, answers as the provider would when all is well, and
//! shows messages as they arrive.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::extract::Path;
use axum::routing::{any, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::roles::say;

/// Starts it on a free port of loopback.
pub(super) async fn start() -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/api/{method}", any(slack))
        .route("/{token}/{method}", any(telegram))
        .route("/v22.0/{number}/messages", post(whatsapp))
        .route("/webhook", post(webhook));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn show(provider: &str, call: &str, what: &Value) {
    say(&format!("  portico ──▶ {provider:<9} {call} {what}"));
}

fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Slack's Web API.
async fn slack(Path(method): Path<String>, body: Bytes) -> Json<Value> {
    if method == "auth.test" {
        return Json(json!({ "ok": true, "user_id": "UBOT", "bot_id": "BBOT", "team_id": "T1" }));
    }
    let sent = read(&body);
    show("slack", &method, &sent);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Json(json!({ "ok": true, "channel": sent["channel"], "ts": format!("{seconds}.{:06}", next()) }))
}

/// Telegram's Bot API.
async fn telegram(Path((_, method)): Path<(String, String)>, body: Bytes) -> Json<Value> {
    let sent = read(&body);
    let result = match method.as_str() {
        "getMe" => json!({ "id": 1, "is_bot": true, "first_name": "Demo", "username": "demo_bot" }),
        "setWebhook" | "deleteWebhook" | "setMyCommands" | "answerCallbackQuery" | "sendChatAction" => {
            json!(true)
        }
        _ => {
            show("telegram", &method, &sent);
            json!({ "message_id": next(), "date": 0, "chat": { "id": sent["chat_id"], "type": "private" } })
        }
    };
    Json(json!({ "ok": true, "result": result }))
}

/// WhatsApp's Cloud API.
async fn whatsapp(body: Bytes) -> Json<Value> {
    let sent = read(&body);
    show("whatsapp", "messages", &sent);
    Json(json!({ "messaging_product": "whatsapp", "messages": [{ "id": format!("wamid.demo{}", next()) }] }))
}

/// Somebody's own application.
async fn webhook(body: Bytes) -> Json<Value> {
    show("webhook", "POST", &read(&body));
    Json(json!({ "id": format!("reply-{}", next()) }))
}
