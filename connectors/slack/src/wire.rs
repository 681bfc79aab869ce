//! Slack's JSON as it comes in: only the fields that are read, borrowed from the body.
//!
//! Tolerant by design: what is missing, null or of another kind than expected reads as empty, so that
//! an event that nobody knew of when this was written still arrives.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A text that borrows from the body unless an escape forces a copy. An object reads as its `id`
/// (`user` and `channel` are texts in most events and objects in some); anything else is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Text<'_> {
    /// The text, unless it is empty.
    pub(crate) fn some(&self) -> Option<&str> {
        Some(&*self.0).filter(|text| !text.is_empty())
    }

    /// The text as an owned one, unless it is empty.
    pub(crate) fn owned(&self) -> Option<String> {
        self.some().map(str::to_owned)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                let mut id = Text::default();
                while let Some(name) = fields.next_key::<Text<'de>>()? {
                    if &*name == "id" {
                        id = fields.next_value()?;
                    } else {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(id)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A whole number, as such or as a text; `None` for anything else.
pub(crate) fn number(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().trim_matches('"').parse().ok()
}

/// The outer object of the Events API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) challenge: Text<'a>,
    #[serde(borrow)]
    pub(crate) team_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_time: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) minute_rate_limited: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) authorizations: Option<Vec<Authorization<'a>>>,
    #[serde(borrow)]
    pub(crate) event: Option<Event<'a>>,
}

/// On whose behalf the event was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Authorization<'a> {
    #[serde(borrow)]
    pub(crate) user_id: Text<'a>,
    pub(crate) is_bot: bool,
}

/// The inner event: messages, mentions, reactions, membership and lifecycle in one shape, since every
/// field means the same wherever it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) subtype: Text<'a>,
    pub(crate) hidden: bool,
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    #[serde(borrow)]
    pub(crate) bot_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) channel: Text<'a>,
    #[serde(borrow)]
    pub(crate) channel_type: Text<'a>,
    #[serde(borrow)]
    pub(crate) text: Text<'a>,
    #[serde(borrow)]
    pub(crate) ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) thread_ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) deleted_ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) files: Option<Vec<File<'a>>>,
    #[serde(borrow)]
    pub(crate) attachments: Option<Vec<Attachment<'a>>>,
    #[serde(borrow)]
    pub(crate) message: Option<Box<Event<'a>>>,
    #[serde(borrow)]
    pub(crate) previous_message: Option<Box<Event<'a>>>,
    #[serde(borrow)]
    pub(crate) edited: Option<Edited<'a>>,
    #[serde(borrow)]
    pub(crate) user_profile: Option<Profile<'a>>,
    #[serde(borrow)]
    pub(crate) reaction: Text<'a>,
    #[serde(borrow)]
    pub(crate) item: Option<Item<'a>>,
    #[serde(borrow)]
    pub(crate) item_user: Text<'a>,
    #[serde(borrow)]
    pub(crate) inviter: Text<'a>,
    #[serde(borrow)]
    pub(crate) assistant_thread: Option<AssistantThread<'a>>,
    #[serde(borrow)]
    pub(crate) tokens: Option<Tokens<'a>>,
}

/// That and when a message was edited.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Edited<'a> {
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    #[serde(borrow)]
    pub(crate) ts: Text<'a>,
}

/// What little a message says of its author.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Profile<'a> {
    #[serde(borrow)]
    pub(crate) real_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) display_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) image_72: Text<'a>,
}

/// What a reaction stands on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) channel: Text<'a>,
    #[serde(borrow)]
    pub(crate) ts: Text<'a>,
}

/// Place of an assistant thread. In messages it holds a token only, and every field here is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AssistantThread<'a> {
    #[serde(borrow)]
    pub(crate) user_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) channel_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) thread_ts: Text<'a>,
}

/// Whose tokens were revoked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Tokens<'a> {
    #[serde(borrow)]
    pub(crate) bot: Option<Vec<Text<'a>>>,
}

/// A file of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct File<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) title: Text<'a>,
    #[serde(borrow)]
    pub(crate) mimetype: Text<'a>,
    #[serde(borrow)]
    pub(crate) subtype: Text<'a>,
    #[serde(borrow)]
    pub(crate) mode: Text<'a>,
    #[serde(borrow)]
    pub(crate) size: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) url_private: Text<'a>,
    #[serde(borrow)]
    pub(crate) url_private_download: Text<'a>,
    #[serde(borrow)]
    pub(crate) file_access: Text<'a>,
}

/// An attachment: forwarded messages have their text here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Attachment<'a> {
    #[serde(borrow)]
    pub(crate) text: Text<'a>,
    #[serde(borrow)]
    pub(crate) fallback: Text<'a>,
    #[serde(borrow)]
    pub(crate) from_url: Text<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Event<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn plain_texts_are_borrowed_and_escaped_ones_copied() {
        let event = read(r#"{"user":"U1","text":"a\nb"}"#);
        assert!(matches!(event.user.0, Cow::Borrowed("U1")));
        assert_eq!(&*event.text, "a\nb");
    }

    #[test]
    fn texts_of_another_kind_read_as_empty_and_objects_as_their_id() {
        let event = read(
            r#"{"user":{"name":"ada","id":"U1"},"channel":null,"ts":[1,{"a":2}],"text":true,"thread_ts":7}"#,
        );
        assert_eq!((&*event.user, &*event.channel, &*event.ts, &*event.text), ("U1", "", "", ""));
        assert_eq!(&*event.thread_ts, "7");
    }

    #[test]
    fn numbers_may_stand_in_quotes() {
        let envelope: Envelope<'_> =
            serde_json::from_str(r#"{"event_time":"17","minute_rate_limited":[]}"#).unwrap();
        assert_eq!((number(envelope.event_time), number(envelope.minute_rate_limited)), (Some(17), None));
    }
}
