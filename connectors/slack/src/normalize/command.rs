//! Slash commands: a text `/command arguments` from a person, with the command as a tag.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portico_contract::{
    Content, Event as Emitted, Fault, Host, InboundMessage, InboundRequest, Party, Tags, Turn,
};
use portico_kit::time::epoch_millis;
use url::form_urlencoded;

use super::{content, missing};
use crate::place::room;
use crate::{respond, values};

/// Names that Slack uses where a channel has none.
const NAMELESS: [&str; 3] = ["directmessage", "privategroup", "mpdm"];

/// What a command says.
pub(super) fn normalize(host: &dyn Host, request: &InboundRequest) -> Result<Turn, Fault> {
    let fields: BTreeMap<Cow<'_, str>, Cow<'_, str>> = form_urlencoded::parse(&request.body).collect();
    let field = |name: &str| fields.get(name).map(|value| &**value).filter(|value| !value.is_empty());
    let need = |name: &'static str| field(name).ok_or_else(|| missing(name));
    let (command, user, channel) = (need("command")?, need("user_id")?, need("channel_id")?);
    let arguments = content::readable(field("text").unwrap_or_default());
    let text = if arguments.trim().is_empty() {
        command.to_owned()
    } else {
        format!("{command} {}", arguments.trim())
    };
    let stamp = request.header("x-slack-request-timestamp").unwrap_or_default();
    // Commands are never repeated by Slack and have no id; trigger and response address are made once for each.
    let external_id = match (field("trigger_id"), field("response_url")) {
        (Some(trigger), _) => format!("command-{trigger}"),
        (None, Some(address)) => format!("command-{}", values::key(host, address)),
        (None, None) => format!("command-{user}-{channel}-{stamp}"),
    };
    let mut thread = room(channel, channel.starts_with('D'));
    if let Some(name) =
        field("channel_name").filter(|name| !NAMELESS.iter().any(|none| name.starts_with(none)))
    {
        thread.tags.set("title", name);
    }
    let sent_at =
        epoch_millis(stamp).and_then(|millis| u64::try_from(millis).ok()).unwrap_or(request.received_at);
    let message = InboundMessage {
        external_id: external_id.clone(),
        dedupe: None,
        thread,
        author: Party {
            id: user.to_owned(),
            name: field("user_name").map(str::to_owned),
            ..Party::default()
        },
        sent_at,
        content: Content::text(text),
        reply_to: None,
        tags: Tags::new()
            .with("userId", user)
            .with("channelId", channel)
            .with("command", command)
            .with("triggerId", field("trigger_id").unwrap_or_default()),
    };
    Ok(respond::remember(Turn::emit([Emitted::Message(message)]), &external_id, field("response_url")))
}
