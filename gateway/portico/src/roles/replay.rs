//! `portico replay`

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Map, Value};

use super::admin_client::AdminClient;
use super::say;
use crate::cli::Replay;

pub(super) fn run(options: &Replay) -> Result<()> {
    let config = super::load(&options.file)?;
    super::runtime()?.block_on(async {
        let admin = AdminClient::of(&config).await?;
        let done = replay(&admin, options).await;
        admin.close().await?;
        done
    })
}

async fn replay(admin: &AdminClient, options: &Replay) -> Result<()> {
    if let Some(event) = &options.event {
        let answer = admin.call(Method::POST, &format!("/events/{event}/replay"), None).await?;
        say(&format!("{event} is offered again ({} events)", answer["events"]));
        return Ok(());
    }
    let mut filter = Map::new();
    let mut put = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            filter.insert(name.into(), value.clone().into());
        }
    };
    put("bot", &options.bot);
    put("installation", &options.installation);
    put("conversation", &options.conversation);
    put("outcome", &options.outcome);
    if options.unread {
        filter.insert("kind".into(), "unread".into());
    }
    for (name, time) in [("since", &options.since), ("until", &options.until)] {
        if let Some(time) = time {
            let at: jiff::Timestamp =
                time.parse().with_context(|| format!("--{name}: not a time like 2026-01-31T08:00:00Z"))?;
            filter.insert(name.into(), at.as_millisecond().into());
        }
    }
    let answer = admin.call(Method::POST, "/replay", Some(Value::Object(filter))).await?;
    say(&format!("{} events are offered again, {} could not be", answer["replayed"], answer["failed"]));
    Ok(())
}
