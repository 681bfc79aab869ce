//! The stored form of the rows that every event writes: conversations, users and messages.
//!
//! Form: one byte with the form's number, then the fields in a fixed order (postcard). It is half as long as JSON
//! and read in a quarter of the time, which counts where three rows go into log and index with each event. A row
//! that begins with `{` was written as JSON, by an earlier version.

use bytes::Bytes;
use portico_contract::{ConversationId, InstallationId, MessageId, Millis, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Conversation, Direction, Message, MessageDelivery, TagMap, User};

/// Number of this form. Fields are never added to it: a change gets a number of its own.
const FORM: u8 = 1;

/// A row that has a stored form.
pub(super) trait Stored: Sized {
    /// The stored form.
    fn pack(&self) -> Bytes;

    /// Reads the stored form; the error says what is wrong, without any of the row's text.
    fn unpack(stored: &[u8]) -> Result<Self, String>;
}

fn pack(fields: &impl Serialize, room: usize) -> Bytes {
    let mut out = Vec::with_capacity(room);
    out.push(FORM);
    // Writing plain data into memory does not fail.
    let mut out = postcard::to_extend(fields, out).unwrap_or_default();
    // It stays in memory until the index has it.
    out.shrink_to_fit();
    out.into()
}

fn unpack<T: DeserializeOwned, R: DeserializeOwned>(
    stored: &[u8],
    make: impl FnOnce(T) -> Result<R, String>,
) -> Result<R, String> {
    match stored.split_first() {
        Some((&FORM, fields)) => make(postcard::from_bytes(fields).map_err(|error| error.to_string())?),
        Some((b'{', _)) => serde_json::from_slice(stored).map_err(|error| error.to_string()),
        Some((other, _)) => Err(format!("it is of form {other}, which this version does not know")),
        None => Err("it is empty".into()),
    }
}

fn name<T>(parse: impl FnOnce(&str) -> Result<T, portico_contract::BadId>, text: &str) -> Result<T, String> {
    parse(text).map_err(|error| error.to_string())
}

type ConversationFields = (
    [u8; 16],
    Option<String>,
    String,
    String,
    String,
    TagMap,
    TagMap,
    Option<String>,
    u64,
    Option<String>,
    Millis,
    Millis,
);

impl Stored for Conversation {
    fn pack(&self) -> Bytes {
        let fields = (
            &self.id.0,
            self.installation.as_ref().map(InstallationId::as_str),
            &self.integration,
            &self.channel,
            &self.key,
            &self.tags,
            &self.properties,
            self.recipient.as_ref().map(UserId::as_str),
            self.message_count,
            &self.current_task,
            self.created_at,
            self.updated_at,
        );
        pack(&fields, 192 + self.key.len())
    }

    fn unpack(stored: &[u8]) -> Result<Self, String> {
        unpack(stored, |fields: ConversationFields| {
            let (id, installation, integration, channel, key, tags, properties, recipient, count, task, ..) =
                fields;
            let (created_at, updated_at) = (fields.10, fields.11);
            Ok(Self {
                id: ConversationId(id),
                installation: installation.map(|id| name(InstallationId::parse, &id)).transpose()?,
                integration,
                channel,
                key,
                tags,
                properties,
                recipient: recipient.map(|id| name(UserId::parse, &id)).transpose()?,
                message_count: count,
                current_task: task,
                created_at,
                updated_at,
            })
        })
    }
}

type UserFields =
    (String, Option<String>, Option<String>, TagMap, TagMap, TagMap, Option<String>, Millis, Millis);

impl Stored for User {
    fn pack(&self) -> Bytes {
        let fields = (
            self.id.as_str(),
            &self.name,
            &self.picture_url,
            &self.tags,
            &self.properties,
            &self.attributes,
            &self.party,
            self.created_at,
            self.updated_at,
        );
        pack(&fields, 192)
    }

    fn unpack(stored: &[u8]) -> Result<Self, String> {
        unpack(stored, |fields: UserFields| {
            let (id, name_to_show, picture_url, tags, properties, attributes, party, created_at, updated_at) =
                fields;
            Ok(Self {
                id: name(UserId::parse, &id)?,
                name: name_to_show,
                picture_url,
                tags,
                properties,
                attributes,
                party,
                created_at,
                updated_at,
            })
        })
    }
}

/// A delivery: status, time, reason, the provider's ids, whether it may have arrived twice.
type Way = (super::DeliveryStatus, Millis, Option<String>, Vec<String>, bool);

type MessageFields = (
    [u8; 16],
    [u8; 16],
    String,
    Direction,
    String,
    // The payload as JSON text.
    String,
    TagMap,
    Option<Way>,
    Option<String>,
    Millis,
    Millis,
);

impl Stored for Message {
    fn pack(&self) -> Bytes {
        // A value's keys are texts, so it always has a JSON form.
        let payload = serde_json::to_string(&self.payload).unwrap_or_default();
        let way = self
            .delivery
            .as_ref()
            .map(|way| (way.status, way.at, &way.reason, &way.external_ids, way.possible_duplicate));
        let fields = (
            &self.id.0,
            &self.conversation.0,
            self.user.as_str(),
            self.direction,
            &self.kind,
            &payload,
            &self.tags,
            way,
            &self.origin,
            self.created_at,
            self.updated_at,
        );
        pack(&fields, 192 + payload.len())
    }

    fn unpack(stored: &[u8]) -> Result<Self, String> {
        unpack(stored, |fields: MessageFields| {
            let (id, conversation, user, direction, kind, payload, tags, way, origin, created_at, updated_at) =
                fields;
            let payload = serde_json::from_str(&payload)
                .map_err(|error| format!("its payload is no JSON: {:?}", error.classify()))?;
            let delivery = way.map(|(status, at, reason, external_ids, possible_duplicate)| {
                MessageDelivery { status, at, reason, external_ids, possible_duplicate }
            });
            Ok(Self {
                id: MessageId(id),
                conversation: ConversationId(conversation),
                user: name(UserId::parse, &user)?,
                direction,
                kind,
                payload,
                tags,
                delivery,
                origin,
                created_at,
                updated_at,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::DeliveryStatus;
    use super::*;

    fn tags() -> TagMap {
        [("slack:id", "D1"), ("mine", "Grüße\0\"{")].map(|(n, v)| (n.into(), v.into())).into()
    }

    fn conversation() -> Conversation {
        Conversation {
            id: ConversationId([7; 16]),
            installation: Some(InstallationId::parse("shop").unwrap()),
            integration: "slack".into(),
            channel: "dm".into(),
            key: "D1".into(),
            tags: tags(),
            properties: TagMap::new(),
            recipient: Some(UserId::parse("user_1").unwrap()),
            message_count: 1 << 40,
            current_task: Some("task".into()),
            created_at: 1,
            updated_at: u64::MAX,
        }
    }

    fn user() -> User {
        User {
            id: UserId::new(),
            name: Some("Ada".into()),
            picture_url: None,
            tags: tags(),
            properties: tags(),
            attributes: TagMap::new(),
            party: Some("U1".into()),
            created_at: 5,
            updated_at: 6,
        }
    }

    fn message() -> Message {
        Message {
            id: MessageId([1; 16]),
            conversation: ConversationId([2; 16]),
            user: UserId::new(),
            direction: Direction::Outgoing,
            kind: "text".into(),
            payload: json!({ "text": "世界 \u{1}", "n": 1.5, "deep": [null, { "x": u64::MAX }] }),
            tags: tags(),
            delivery: Some(MessageDelivery {
                status: DeliveryStatus::Read,
                at: 9,
                reason: None,
                external_ids: vec!["a".into(), String::new()],
                possible_duplicate: true,
            }),
            origin: None,
            created_at: 3,
            updated_at: 4,
        }
    }

    #[test]
    fn rows_come_back_as_they_were() {
        assert_eq!(Conversation::unpack(&conversation().pack()), Ok(conversation()));
        let (user, message) = (user(), message());
        assert_eq!(User::unpack(&user.pack()), Ok(user));
        assert_eq!(Message::unpack(&message.pack()), Ok(message.clone()));
        let plain = Message { delivery: None, payload: json!(null), ..message };
        assert_eq!(Message::unpack(&plain.pack()), Ok(plain));
    }

    #[test]
    fn rows_that_were_written_as_json_are_read() {
        let message = message();
        assert_eq!(Message::unpack(&serde_json::to_vec(&message).unwrap()), Ok(message));
        let stored = serde_json::to_vec(&conversation()).unwrap();
        assert_eq!(Conversation::unpack(&stored), Ok(conversation()));
    }

    #[test]
    fn a_row_takes_less_than_two_thirds_of_its_json() {
        for (packed, json) in [
            (conversation().pack(), serde_json::to_vec(&conversation()).unwrap()),
            (message().pack(), serde_json::to_vec(&message()).unwrap()),
        ] {
            assert!(packed.len() * 3 < json.len() * 2, "{} of {}", packed.len(), json.len());
        }
    }

    #[test]
    fn what_is_no_row_is_an_error_without_its_text() {
        let whole = message().pack();
        for end in 0..whole.len() {
            assert!(Message::unpack(&whole[..end]).is_err(), "{end}");
        }
        for stored in [&b"\x02geheim"[..], b"geheim", b"\x01geheim", b"[]"] {
            let fault = User::unpack(stored).unwrap_err();
            assert!(!fault.contains("geheim"), "{fault}");
        }
    }
}
