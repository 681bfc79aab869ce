//! A body of `"type": "message"` as a message of a conversation.

use portico_contract::{
    Content, ContentError, Fault, FaultCode, Host, InboundMessage, InboundRequest, Media, Party, Tags, Thread,
};
use portico_kit::json;
use serde_json::Value;

use super::MAX_ID;
use crate::wire::{Conversation, Envelope, Kind, Message, Name, TAGS, TextPayload};

const CHANNEL: &str = "channel";
const IDENTITY: &[&str] = &["id"];
/// Longest thread key that the gateway keeps, in bytes.
const MAX_KEY: usize = 500;
/// Longest value of a tag, in bytes.
const MAX_TAG: usize = 500;
/// Types that the manifest says are received; a bloc holds several of them.
const KINDS: [&str; 12] = [
    "text", "markdown", "image", "audio", "video", "file", "location", "card", "carousel", "choice",
    "dropdown", "bloc",
];

/// The message in a body; `None` when the body does not say that it is one.
pub(super) fn read(
    host: &dyn Host,
    request: &InboundRequest,
    key: Option<&str>,
) -> Result<Option<InboundMessage>, Fault> {
    let envelope = match json::from_slice::<Envelope<'_>>(&request.body) {
        Ok(envelope) if envelope.kind == "message" => envelope,
        Ok(_) => return Ok(None),
        Err(error) => {
            let kind = serde_json::from_slice::<Kind<'_>>(&request.body).ok().and_then(|body| body.kind);
            if kind.as_deref() != Some("message") {
                return Ok(None);
            }
            return Err(bad(error.to_string(), &pointer(&error.path)));
        }
    };
    let thread = thread(envelope.conversation)?;
    let author_id = id(envelope.user.id, "/user/id")?;
    let external_id = match (envelope.id, key) {
        (Some(given), _) => id(given, "/id")?,
        (None, Some(key)) => key.to_owned(),
        // Nothing tells a repeat of this one; it only needs an id that no other has.
        (None, None) => host.entropy(16).iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let reply_to = envelope.message.reply_to.as_ref().map(|name| name.0.clone().into_owned());
    Ok(Some(InboundMessage {
        external_id,
        dedupe: None,
        thread,
        author: Party {
            id: author_id,
            name: envelope.user.name.filter(|name| !name.is_empty()).map(Into::into),
            picture_url: envelope.user.picture_url.filter(|url| !url.is_empty()).map(Into::into),
            ..Party::default()
        },
        sent_at: request.received_at,
        content: content(&envelope.message)?,
        reply_to: reply_to.filter(|id| !id.is_empty()),
        tags: Tags::new(),
    }))
}

fn thread(conversation: Conversation<'_>) -> Result<Thread, Fault> {
    let mut tags = Tags::new().with("id", id(conversation.id, "/conversation/id")?);
    for (name, Name(value)) in conversation.tags {
        let Some(known) = TAGS.iter().find(|known| **known == name) else {
            let known = TAGS.join(", ");
            let name = shown(&name);
            return Err(bad(
                format!("conversation: no tag '{name}'; besides id there are {known}"),
                "/conversation",
            ));
        };
        if value.len() > MAX_TAG {
            return Err(bad(
                format!("conversation.{known}: must have at most {MAX_TAG} bytes"),
                "/conversation",
            ));
        }
        tags.set(*known, value);
    }
    let thread = Thread::new(CHANNEL, IDENTITY, tags);
    if thread.key.len() > MAX_KEY {
        return Err(bad(
            "conversation.id: is too long with its '/' and '%' escaped".into(),
            "/conversation/id",
        ));
    }
    Ok(thread)
}

fn id(Name(id): Name<'_>, place: &str) -> Result<String, Fault> {
    if id.is_empty() || id.len() > MAX_ID {
        return Err(bad(format!("{place}: must have 1 to {MAX_ID} bytes"), place));
    }
    Ok(id.into_owned())
}

fn content(message: &Message<'_>) -> Result<Content, Fault> {
    let payload = message.payload.get();
    if message.kind == "text"
        && let Ok(TextPayload { text, value }) = serde_json::from_str::<TextPayload<'_>>(payload)
        && !text.is_empty()
    {
        return Ok(Content::Text {
            text: text.into(),
            value: value.filter(|value| !value.is_empty()).map(Into::into),
        });
    }
    if !KINDS.contains(&message.kind.as_ref()) {
        return Err(bad(format!("message.type: must be one of {}", KINDS.join(", ")), "/message/type"));
    }
    let payload: Value = serde_json::from_str(payload)
        .map_err(|_| bad("message.payload: is too deep".into(), "/message/payload"))?;
    let content = Content::from_parts(&message.kind, payload).map_err(|error: ContentError| {
        bad(format!("message.{error}"), &pointer(&format!("message.{}", error.field)))
    })?;
    if let Some(field) = foreign_media(&content) {
        return Err(bad(
            format!("message.payload.{field}: must begin with https:// or http://"),
            "/message/payload",
        ));
    }
    Ok(content)
}

/// The field of a media address that is none; other schemes mean something inside the gateway.
fn foreign_media(content: &Content) -> Option<&'static str> {
    let odd = |media: &Media| !(media.url.starts_with("https://") || media.url.starts_with("http://"));
    match content {
        Content::Image(media) if odd(media) => Some("imageUrl"),
        Content::Audio(media) if odd(media) => Some("audioUrl"),
        Content::Video(media) if odd(media) => Some("videoUrl"),
        Content::File(media) if odd(media) => Some("fileUrl"),
        Content::Bloc { items } => items.iter().find_map(foreign_media),
        _ => None,
    }
}

fn bad(reason: String, place: &str) -> Fault {
    Fault::new(FaultCode::BadInput, reason).at(place)
}

/// `a.b[2].c` as `/a/b/2/c`.
fn pointer(path: &str) -> String {
    path.split(['.', '[']).filter(|part| !part.is_empty()).fold(String::new(), |mut pointer, part| {
        pointer.push('/');
        pointer.push_str(part.trim_end_matches(']'));
        pointer
    })
}

/// A stranger's name, fit for a log line.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(40).collect()
}
