//! `portico dead-letters`

use anyhow::Result;
use http::Method;
use serde_json::Value;

use super::admin_client::AdminClient;
use super::{progress, say};
use crate::cli::{Chosen, DeadLetters};

pub(super) fn run(command: &DeadLetters) -> Result<()> {
    let file = match command {
        DeadLetters::List { file, .. } => file,
        DeadLetters::Retry(chosen) | DeadLetters::Drop(chosen) => &chosen.file,
    };
    let config = super::load(file)?;
    super::runtime()?.block_on(async {
        let admin = AdminClient::of(&config).await?;
        let done = match command {
            DeadLetters::List { bot, json, .. } => list(&admin, bot.as_deref(), *json).await,
            DeadLetters::Retry(chosen) => {
                each(&admin, chosen, Method::POST, "/retry", "put at the end of their conversations").await
            }
            DeadLetters::Drop(chosen) => each(&admin, chosen, Method::DELETE, "", "forgotten").await,
        };
        admin.close().await?;
        done
    })
}

fn path(bot: Option<&str>) -> String {
    bot.map_or_else(|| "/dead-letters".into(), |bot| format!("/dead-letters?bot={bot}"))
}

async fn list(admin: &AdminClient, bot: Option<&str>, json: bool) -> Result<()> {
    let items = admin.all(&path(bot)).await?;
    for item in &items {
        if json {
            say(&item.to_string());
        } else {
            let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
            let detail = item["last"]["detail"].as_str().unwrap_or_default();
            say(&format!(
                "{}  {}  {}  {}  {}  {}",
                text("id"),
                text("diedAt"),
                text("bot"),
                text("installation"),
                text("reason"),
                detail
            ));
        }
    }
    if items.is_empty() && !json {
        say("there are no dead letters");
    }
    Ok(())
}

async fn each(admin: &AdminClient, chosen: &Chosen, method: Method, action: &str, done: &str) -> Result<()> {
    let events: Vec<String> = if chosen.all {
        let items = admin.all(&path(chosen.bot.as_deref())).await?;
        // Oldest first, so that they go to the ends of their conversations in their old order.
        items.iter().rev().filter_map(|item: &Value| item["id"].as_str().map(str::to_owned)).collect()
    } else {
        chosen.events.clone()
    };
    let bar = progress("dead letters");
    bar.set_length(events.len() as u64);
    for event in &events {
        admin.call(method.clone(), &format!("/dead-letters/{event}{action}"), None).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    say(&format!("{} dead letters were {done}", events.len()));
    Ok(())
}
