//! Bodies of journaled events.

use bytes::Bytes;
use http::HeaderMap;
use portico_contract::{ConversationId, MessageId, Millis, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Body of an [`crate::EventKind::Gateway`] event: made through the API or by the gateway itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayEvent {
    /// Type as the bot sees it: `message_created`, `message_failed`, `state_expired`, `slack:reacted`, `mine`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Payload as the bot sees it. For the message events it is filled in at dispatch, from the records.
    #[serde(default)]
    pub payload: Value,
    /// Conversation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// User it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Message it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Workflow it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// Body of an [`crate::EventKind::Outgoing`] event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outgoing {
    /// A message to deliver; its content is in the message's row.
    Message {
        /// The message.
        message: MessageId,
    },
    /// A change to a message that was delivered before.
    Edit {
        /// The message; its row holds the new content.
        message: MessageId,
    },
    /// A message to take back at the provider.
    Delete {
        /// The message.
        message: MessageId,
        /// The provider's ids of it, since the row is gone.
        external_ids: Vec<String>,
    },
    /// Something that happened in a live conversation, to be told to the address that its operator set. It stands in
    /// a lane of its own, so that nothing else waits for that address.
    Signal {
        /// The conversation.
        conversation: ConversationId,
        /// The item's number in the conversation's stream.
        seq: u64,
    },
    /// An event of the bot that was shown and stands in no stream, to be told to the same address.
    SignalEvent {
        /// The conversation.
        conversation: ConversationId,
        /// When.
        at: Millis,
        /// Its data.
        data: Value,
    },
}

/// A webhook as it was received, kept for replay and for people who look.
///
/// Form: a head line of JSON, a line feed, the body's bytes as received.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRequest {
    /// HTTP method.
    pub method: String,
    /// What follows the installation's id in the path.
    pub path: String,
    /// Raw query.
    pub query: String,
    /// Headers worth keeping; never credentials.
    pub headers: Vec<(String, String)>,
    /// Body as received.
    pub body: Bytes,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    m: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    p: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    q: std::borrow::Cow<'a, str>,
    #[serde(default)]
    h: Vec<(std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
}

/// The same, written without a list in between.
#[derive(Serialize)]
#[serde(bound = "")]
struct Written<'a, N: AsRef<str>> {
    m: &'a str,
    #[serde(skip_serializing_if = "is_root")]
    p: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    q: &'a str,
    #[serde(skip_serializing_if = "Kept::is_empty")]
    h: Kept<'a, N>,
}

/// The headers that are kept.
struct Kept<'a, N> {
    headers: &'a HeaderMap,
    keep: &'a [N],
}

impl<N: AsRef<str>> Kept<'_, N> {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keep.iter().filter_map(|name| {
            let name = name.as_ref();
            Some((name, self.headers.get(name)?.to_str().ok()?))
        })
    }

    fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<N: AsRef<str>> Serialize for Kept<'_, N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

fn is_root(path: &str) -> bool {
    path.is_empty() || path == "/"
}

impl RawRequest {
    /// Writes the stored form straight from a request's parts, without copies in between.
    pub fn encode(
        method: &str,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        keep: &[impl AsRef<str>],
        body: &[u8],
    ) -> Bytes {
        let head = Written { m: method, p: path, q: query, h: Kept { headers, keep } };
        let mut room = [0; 512];
        let mut rest = room.as_mut_slice();
        // Nearly every head is short; written aside first, it tells how large the whole is.
        let written = serde_json::to_writer(&mut rest, &head).is_ok();
        let left = rest.len();
        let long = if written { Vec::new() } else { serde_json::to_vec(&head).unwrap_or_default() };
        let short = if written { room.get(..room.len() - left).unwrap_or_default() } else { &long };
        let mut stored = Vec::with_capacity(short.len() + 1 + body.len());
        stored.extend_from_slice(short);
        stored.push(b'\n');
        stored.extend_from_slice(body);
        stored.into()
    }

    /// Reads the stored form; `None` when it is not of that form.
    pub fn decode(stored: &Bytes) -> Option<Self> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let head: Head<'_> = serde_json::from_slice(&stored[..end]).ok()?;
        Some(Self {
            method: head.m.into_owned(),
            path: if head.p.is_empty() { "/".into() } else { head.p.into_owned() },
            query: head.q.into_owned(),
            headers: head
                .h
                .into_iter()
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            body: stored.slice(end + 1..),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_requests_keep_their_bytes() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert("authorization", "Bearer no".parse().unwrap());
        let stored = RawRequest::encode("POST", "/", "a=\"1\"\n", &headers, &["content-type"], b"{\n\xff}");
        let raw = RawRequest::decode(&stored).unwrap();
        assert_eq!((raw.method.as_str(), raw.path.as_str(), raw.query.as_str()), ("POST", "/", "a=\"1\"\n"));
        assert_eq!(raw.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert_eq!(&raw.body[..], b"{\n\xff}");
    }
}
