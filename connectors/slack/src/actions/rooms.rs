//! Actions on conversations, views and files.

use portico_contract::{ActionCall, Effect, Fault, FaultCode, HttpAnswer, Keep, OutboundRequest, Turn};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ask, blob_of, input, lookup, output, query, write};
use crate::config::SlackConfig;
use crate::normalize::BY_ID;
use crate::{place, send};

/// Fetches a file that somebody sent: by its address, or first by its id.
pub(super) fn media(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let handle = input::text(call, "handle")?;
    match handle.strip_prefix(BY_ID) {
        Some(id) => ask("media", query(config, "files.info", &[("file", id)]), Value::Null),
        None if config.is_slack(handle) => ask("media", download(handle), Value::Null),
        None => Err(input::bad("handle", "handle must be one that came with a message")),
    }
}

fn download(address: &str) -> OutboundRequest {
    OutboundRequest { keep: Keep::Stored, timeout_ms: Some(60_000), ..OutboundRequest::get("file", address) }
}

pub(super) fn fetched(config: &SlackConfig, answer: &HttpAnswer) -> Result<Turn, Fault> {
    if answer.label == "files.info" {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Info {
            file: File,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct File {
            url_private: Option<String>,
            url_private_download: Option<String>,
        }
        let file = send::read::<Info>(answer)?.file;
        let address =
            file.url_private_download.or(file.url_private).filter(|address| config.is_slack(address));
        let address = address.ok_or_else(|| {
            Fault::new(FaultCode::NotFound, "Slack has no address for the file; it may be deleted")
        })?;
        return ask("media", download(&address), Value::Null);
    }
    let response = answer.outcome.as_ref().map_err(|failure| send::transport("file", *failure))?;
    let no_right = || {
        Fault::new(
            FaultCode::Forbidden,
            "Slack did not hand out the file; add the scope files:read and install the app again",
        )
    };
    match (response.status, blob_of(&response.body)) {
        // Without the right Slack answers with a page to log in, and calls it a success.
        (200..=299, Some(blob)) => {
            let page = response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            let named = response.header("content-disposition").is_some();
            if page && !named { Err(no_right()) } else { Ok(output(blob)) }
        }
        (300..=399 | 401 | 403, _) => Err(no_right()),
        (404 | 410, _) => Err(Fault::new(FaultCode::NotFound, "the file is gone")),
        (429, _) => Err(Fault::new(FaultCode::RateLimited, "Slack wants a pause").retry_after_ms(
            response
                .header("retry-after")
                .and_then(|seconds| seconds.parse::<u32>().ok())
                .unwrap_or(10)
                .saturating_mul(1000),
        )),
        (status, _) => Err(Fault::new(FaultCode::Unavailable, format!("file: answered {status}"))),
    }
}

/// Opens a direct message, so that the bot can write first.
pub(super) fn start_dm(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let users = match input::optional(call, "slackUserId")? {
        Some(users) => users,
        None => input::text(call, "userId")
            .map_err(|_| input::bad("slackUserId", "slackUserId is missing, must be a Slack user id"))?,
    };
    let ids: Vec<&str> = users.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    let known = |id: &&str| id.starts_with(['U', 'W']) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if ids.is_empty() || ids.len() > 8 || !ids.iter().all(known) {
        return Err(input::bad(
            "slackUserId",
            "slackUserId must be 1 to 8 Slack user ids such as U0123ABCD, separated by commas",
        ));
    }
    let body = json!({ "users": ids.join(",") });
    ask("startDmConversation", write(config, "conversations.open", &body).repeatable(), Value::Null)
}

pub(super) fn dm_started(answer: &HttpAnswer) -> Result<Turn, Fault> {
    let opened: Opened = send::read(answer)?;
    let id = opened.channel.id;
    let thread = place::room(&id, id.starts_with('D'));
    Ok(output(json!({ "slackChannelId": id })).with_effect(Effect::Open(thread)))
}

#[derive(Deserialize)]
struct Opened {
    channel: Room,
}

#[derive(Deserialize)]
pub(super) struct Room {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// Opens the conversation of a channel by its id or name.
pub(super) fn start_channel(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    if let Some(id) = input::optional(call, "channelId")? {
        return ask(
            "startChannelConversation",
            query(config, "conversations.info", &[("channel", id)]),
            Value::Null,
        );
    }
    let name = input::optional(call, "channelName")?.map(|name| name.trim_start_matches('#').to_lowercase());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(input::bad("channelId", "channelId or channelName must be given"));
    };
    ask("startChannelConversation", lookup::channels(config, ""), json!({ "name": name, "pages": 1 }))
}

pub(super) fn channel_started(
    config: &SlackConfig,
    note: &Value,
    answer: &HttpAnswer,
) -> Result<Turn, Fault> {
    if answer.label == "conversations.info" {
        return Ok(opened(send::read::<Opened>(answer)?.channel));
    }
    let name = note.get("name").and_then(Value::as_str).unwrap_or_default();
    let pages = note.get("pages").and_then(Value::as_u64).unwrap_or_default();
    let list: lookup::ChannelList = send::read(answer)?;
    let next = list.response_metadata.next_cursor;
    if let Some(room) = list.channels.into_iter().find(|room| room.name.as_deref() == Some(name)) {
        return Ok(opened(room));
    }
    if next.is_empty() || pages >= lookup::MOST_PAGES {
        return Err(Fault::new(
            FaultCode::NotFound,
            "the bot sees no channel of that name; invite it, or use channelId",
        )
        .at("/channelName"));
    }
    ask(
        "startChannelConversation",
        lookup::channels(config, &next),
        json!({ "name": name, "pages": pages + 1 }),
    )
}

fn opened(room: Room) -> Turn {
    let mut thread = place::room(&room.id, room.id.starts_with('D'));
    thread.tags.set("title", room.name.unwrap_or_default());
    output(json!({ "slackChannelId": room.id })).with_effect(Effect::Open(thread))
}

/// `conversations.setTopic`.
pub(super) fn set_topic(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let topic = call
        .input
        .get("topic")
        .and_then(Value::as_str)
        .ok_or_else(|| input::bad("topic", "topic is missing, must be a text"))?;
    if topic.chars().count() > 250 {
        return Err(input::bad("topic", "topic must have at most 250 characters"));
    }
    let body = json!({ "channel": input::text(call, "channelId")?, "topic": topic });
    ask("updateChannelTopic", write(config, "conversations.setTopic", &body).repeatable(), Value::Null)
}

pub(super) fn topic_set(answer: &HttpAnswer) -> Result<Turn, Fault> {
    let answer: Value = send::read(answer)?;
    let topic = answer.pointer("/channel/topic/value").or(answer.get("topic")).and_then(Value::as_str);
    Ok(output(topic.map_or_else(|| json!({}), |topic| json!({ "topic": topic }))))
}

/// `views.open`, within 3 seconds of a press or command.
pub(super) fn open_view(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let view = call
        .input
        .get("view")
        .filter(|view| view.is_object())
        .ok_or_else(|| input::bad("view", "view is missing, must be an object"))?;
    let body = json!({ "trigger_id": input::text(call, "triggerId")?, "view": view });
    ask("openView", write(config, "views.open", &body), Value::Null)
}

pub(super) fn view_opened(answer: &HttpAnswer) -> Result<Turn, Fault> {
    #[derive(Deserialize)]
    struct Opened {
        view: Room,
    }
    let opened: Opened = send::read(answer)?;
    Ok(output(json!({ "viewId": opened.view.id })))
}
