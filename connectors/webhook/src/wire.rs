//! Portico's own JSON for conversations of other apps, borrowed from the body where it can be.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Tags that a conversation may have besides its id, as the manifest declares them.
pub(crate) const TAGS: [&str; 5] = ["title", "topic", "source", "url", "locale"];

/// A body that may be a message: only its `type` is looked at.
#[derive(Deserialize)]
pub(crate) struct Kind<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Option<Cow<'a, str>>,
}

/// A message on its way in.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) id: Option<Name<'a>>,
    #[serde(borrow)]
    pub(crate) conversation: Conversation<'a>,
    #[serde(borrow)]
    pub(crate) user: User<'a>,
    #[serde(borrow)]
    pub(crate) message: Message<'a>,
}

/// Who wrote it.
#[derive(Deserialize)]
pub(crate) struct User<'a> {
    #[serde(borrow)]
    pub(crate) id: Name<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(rename = "pictureUrl", borrow, default)]
    pub(crate) picture_url: Option<Cow<'a, str>>,
}

/// What was written.
#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) payload: &'a RawValue,
    #[serde(rename = "replyTo", borrow, default)]
    pub(crate) reply_to: Option<Name<'a>>,
}

/// The payload of a text, by far the most frequent.
#[derive(Deserialize)]
pub(crate) struct TextPayload<'a> {
    #[serde(borrow)]
    pub(crate) text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) value: Option<Cow<'a, str>>,
}

/// Where it was written: an id, and tags.
pub(crate) struct Conversation<'a> {
    pub(crate) id: Name<'a>,
    pub(crate) tags: Vec<(Cow<'a, str>, Name<'a>)>,
}

/// A name or id: a text, or a whole number taken as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(number.to_string())))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Conversation<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Conversation<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an id")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Conversation<'de>, M::Error> {
                let (mut id, mut tags) = (None, Vec::new());
                while let Some(Name(name)) = fields.next_key::<Name<'de>>()? {
                    if name == "id" {
                        id = Some(fields.next_value()?);
                    } else if let Some(value) = fields.next_value::<Option<Name<'de>>>()? {
                        tags.push((name, value));
                    }
                }
                Ok(Conversation { id: id.ok_or_else(|| de::Error::missing_field("id"))?, tags })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A message on its way out.
#[derive(Serialize)]
pub(crate) struct Outgoing<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The message's id, followed by `.2`, `.3` … for its further parts.
    pub(crate) id: &'a str,
    pub(crate) conversation: OutgoingConversation<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<OutgoingUser<'a>>,
    pub(crate) message: &'a portico_contract::Content,
    #[serde(rename = "replyTo", skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<&'a str>,
}

/// Where it goes.
#[derive(Serialize)]
pub(crate) struct OutgoingConversation<'a> {
    pub(crate) id: &'a str,
}

/// Whom it is for.
#[derive(Serialize)]
pub(crate) struct OutgoingUser<'a> {
    pub(crate) id: &'a str,
}

/// What an app may say to a delivered message.
#[derive(Deserialize)]
pub(crate) struct Receipt<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<Name<'a>>,
}
