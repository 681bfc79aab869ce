//! Serves both APIs over a store in memory, with a bot that says everything back, for trying a client against them:
//! `cargo run -p portico-chat-api --example serve -- 127.0.0.1:8091`.
//!
//! Installations, keys and secrets are those of `src/tests/world.rs`; the bot does what `tests/clients/live-bot.mjs`
//! does, without a core.

#[path = "../src/tests/world.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod world;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use portico_contract::ConversationId;
use portico_store::records::{GatewayEvent, TagMap};
use portico_store::{Dir, EventFilter, EventKind};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8091".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let folder = tempfile::tempdir()?;
    let parts = world::parts(folder.path(), &url, &["*"], None).await?;
    let server = axum::serve(listener, portico_chat_api::router(parts.api.clone()));
    tokio::select! {
        ended = server => ended?,
        ended = speak(&parts) => ended?,
        ended = tokio::signal::ctrl_c() => ended?,
    }
    Ok(())
}

/// Hears what comes in, and answers.
async fn speak(parts: &world::Parts) -> anyhow::Result<()> {
    let filter = EventFilter { kinds: vec![EventKind::Gateway], ..EventFilter::default() };
    let mut heard = HashSet::new();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut new = parts.store.events(&filter, None, 500).await?.items;
        new.retain(|event| event.lane.dir == Dir::Inbound && heard.insert(event.id));
        for summary in new.iter().rev() {
            let Some(stored) = parts.store.event(summary.id).await? else { continue };
            let event: GatewayEvent = serde_json::from_slice(&stored.body)?;
            let place = stored.lane.conversation;
            if let Err(error) = answer(parts, place, &event).await {
                tracing::warn!("{}: {error:#}", event.kind);
            }
            if let Some(message) = event.message_id {
                parts.api.live.core_took(&stored.installation, place, message, Ok(())).await?;
            }
        }
    }
}

async fn answer(parts: &world::Parts, place: ConversationId, event: &GatewayEvent) -> anyhow::Result<()> {
    let act = |name: String, input: Value| async move {
        let mut input = input;
        input["conversationId"] = json!(place);
        let done = parts.actions.call(&parts.bot, &name, input, None).await;
        done.map(drop).map_err(|error| anyhow::anyhow!(error.message))
    };
    match (event.kind.as_str(), event.message_id) {
        ("message_created", Some(id)) => {
            let records = portico_store::records::Records::of(parts.store.clone(), parts.bot.clone());
            let message = records.message(id).await?.context("the message is gone")?.value;
            let said = message.payload.get("text").and_then(Value::as_str).unwrap_or_default();
            if said.starts_with("quiet") {
                return Ok(());
            }
            parts.say(place, &message.kind, message.payload.clone(), TagMap::new()).await?;
            if said == "odd" {
                let custom = json!({ "url": "https://odd.example/widget.js", "name": "chart" });
                parts.say(place, "custom", custom, TagMap::new()).await?;
                let bare = json!({ "items": [{ "title": "bare", "subtitle": null }] });
                parts.say(place, "carousel", bare, TagMap::new()).await?;
            }
        }
        ("webchat:custom", _) => {
            let data = event.payload["data"].clone();
            act("webchat:customEvent".into(), json!({ "name": "seen", "data": data })).await?;
            act("webchat:showWebchat".into(), json!({})).await?;
        }
        (custom, _) if custom.ends_with(":custom") => {
            let payload = event.payload["payload"].clone();
            act(custom.replace(":custom", ":sendEvent"), json!({ "payload": payload })).await?;
        }
        _ => {}
    }
    Ok(())
}
