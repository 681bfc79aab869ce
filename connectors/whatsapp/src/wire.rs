//! The provider's webhook JSON, only the fields that are read, borrowed from the body.
//!
//! Tolerant on purpose: unknown fields and kinds never fail, and rare parts stay raw until somebody asks
//! for them. Before: `verify`. After: `normalize`.
//!
//! Source: WhatsApp Business Platform, "messages webhook reference" and "Business-scoped user IDs", 2026.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// A text that may also come as a number; absent and `null` are the empty text. Borrows where nothing is
/// escaped, which an `Option<Cow<str>>` never does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, unless it is empty.
    pub(crate) fn some(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&self.0)
    }

    /// The text as an own string, unless it is empty.
    pub(crate) fn owned(&self) -> Option<String> {
        self.some().map(str::to_owned)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(if flag { "true" } else { "false" })))
            }
            fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A part that is read only when its kind asks for it.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// One POST.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Update<'a> {
    #[serde(default, borrow)]
    pub object: Text<'a>,
    #[serde(borrow)]
    pub entry: Vec<Entry<'a>>,
}

/// What happened to one business account.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Entry<'a> {
    /// Id of the WhatsApp Business account.
    #[serde(default, borrow)]
    pub id: Text<'a>,
    /// Epoch seconds; account events only.
    #[serde(default, borrow)]
    pub time: Text<'a>,
    #[serde(default, borrow)]
    pub changes: Vec<Change<'a>>,
}

/// One change. `value` stays raw, because `field`, which says what it is, comes after it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Change<'a> {
    #[serde(default, borrow)]
    pub field: Text<'a>,
    #[serde(borrow)]
    pub value: &'a RawValue,
}

/// The value of the fields that carry messages and statuses.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Value<'a> {
    #[serde(default, borrow)]
    pub metadata: Option<Metadata<'a>>,
    #[serde(default, borrow)]
    pub contacts: Option<Vec<Contact<'a>>>,
    #[serde(default, borrow)]
    pub messages: Option<Vec<Message<'a>>>,
    #[serde(default, borrow)]
    pub message_echoes: Option<Vec<Message<'a>>>,
    #[serde(default, borrow)]
    pub statuses: Option<Vec<Status<'a>>>,
    #[serde(default, borrow)]
    pub user_id_update: Option<Vec<UserIdUpdate<'a>>>,
    #[serde(default, borrow)]
    pub errors: Option<Vec<&'a RawValue>>,
}

/// The same value with its updates unread: for when one of them can't be read, or must be kept whole.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct RawUpdates<'a> {
    #[serde(default, borrow)]
    pub metadata: Option<Metadata<'a>>,
    #[serde(default, borrow)]
    pub contacts: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub messages: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    pub message_echoes: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    pub statuses: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    pub user_id_update: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    pub errors: Option<Vec<&'a RawValue>>,
}

/// The bot's own number.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(crate) struct Metadata<'a> {
    #[serde(default, borrow)]
    pub phone_number_id: Text<'a>,
}

/// Who wrote; matched to a message by one of its ids.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Contact<'a> {
    #[serde(default, borrow)]
    pub profile: Option<Profile<'a>>,
    #[serde(default, borrow)]
    pub wa_id: Text<'a>,
    #[serde(default, borrow)]
    pub user_id: Text<'a>,
}

/// What a person shows of themselves.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Profile<'a> {
    #[serde(default, borrow)]
    pub name: Text<'a>,
    #[serde(default, borrow)]
    pub username: Text<'a>,
}

/// One message of a person (or, in an echo, of the business).
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(default, borrow)]
    pub id: Text<'a>,
    /// Digits without `+`; absent for people who show a username instead of their number.
    #[serde(default, borrow)]
    pub from: Text<'a>,
    /// Business-scoped user id.
    #[serde(default, borrow)]
    pub from_user_id: Text<'a>,
    #[serde(default, borrow)]
    pub timestamp: Text<'a>,
    #[serde(rename = "type", default, borrow)]
    pub kind: Text<'a>,
    #[serde(default, borrow)]
    pub group_id: Text<'a>,
    /// Echoes only.
    #[serde(default, borrow)]
    pub to: Text<'a>,
    /// Echoes only.
    #[serde(default, borrow)]
    pub to_user_id: Text<'a>,
    #[serde(default, borrow)]
    pub context: Option<Quote<'a>>,
    #[serde(default, borrow)]
    pub text: Option<Body<'a>>,
    #[serde(default, borrow)]
    pub image: Option<MediaPart<'a>>,
    #[serde(default, borrow)]
    pub video: Option<MediaPart<'a>>,
    #[serde(default, borrow)]
    pub audio: Option<MediaPart<'a>>,
    #[serde(default, borrow)]
    pub document: Option<MediaPart<'a>>,
    #[serde(default, borrow)]
    pub sticker: Option<MediaPart<'a>>,
    #[serde(default, borrow)]
    pub referral: Raw<'a>,
    #[serde(default, borrow)]
    pub location: Raw<'a>,
    #[serde(default, borrow)]
    pub contacts: Raw<'a>,
    #[serde(default, borrow)]
    pub button: Raw<'a>,
    #[serde(default, borrow)]
    pub interactive: Raw<'a>,
    #[serde(default, borrow)]
    pub reaction: Raw<'a>,
    #[serde(default, borrow)]
    pub order: Raw<'a>,
    #[serde(default, borrow)]
    pub edit: Raw<'a>,
    #[serde(default, borrow)]
    pub revoke: Raw<'a>,
    #[serde(default, borrow)]
    pub system: Raw<'a>,
}

/// What a message answers, and how it travelled.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Quote<'a> {
    #[serde(default, borrow)]
    pub id: Text<'a>,
    #[serde(default)]
    pub forwarded: Option<bool>,
    #[serde(default)]
    pub frequently_forwarded: Option<bool>,
    #[serde(default, borrow)]
    pub referred_product: Option<Product<'a>>,
}

/// The product that a question is about.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Product<'a> {
    #[serde(default, borrow)]
    pub catalog_id: Text<'a>,
    #[serde(default, borrow)]
    pub product_retailer_id: Text<'a>,
}

/// `text`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(default, borrow)]
    pub body: Text<'a>,
}

/// `image`, `video`, `audio`, `document`, `sticker`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct MediaPart<'a> {
    #[serde(default, borrow)]
    pub id: Text<'a>,
    #[serde(default, borrow)]
    pub mime_type: Text<'a>,
    #[serde(default, borrow)]
    pub caption: Text<'a>,
    #[serde(default, borrow)]
    pub filename: Text<'a>,
    /// Whether a sound was recorded in the chat.
    #[serde(default)]
    pub voice: Option<bool>,
}

/// `location`; the coordinates are numbers, or texts that hold numbers.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Place<'a> {
    #[serde(default, borrow)]
    pub latitude: Text<'a>,
    #[serde(default, borrow)]
    pub longitude: Text<'a>,
    #[serde(default, borrow)]
    pub name: Text<'a>,
    #[serde(default, borrow)]
    pub address: Text<'a>,
}

/// `button`: the answer to a template's button.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct TemplateButton<'a> {
    #[serde(default, borrow)]
    pub payload: Text<'a>,
    #[serde(default, borrow)]
    pub text: Text<'a>,
}

/// `interactive`: a pressed button, a picked row, a form that was filled in.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Interactive<'a> {
    #[serde(rename = "type", default, borrow)]
    pub kind: Text<'a>,
    #[serde(default, borrow)]
    pub button_reply: Option<Pressed<'a>>,
    #[serde(default, borrow)]
    pub list_reply: Option<Pressed<'a>>,
    #[serde(default, borrow)]
    pub nfm_reply: Option<Form<'a>>,
}

/// The pressed thing.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Pressed<'a> {
    #[serde(default, borrow)]
    pub id: Text<'a>,
    #[serde(default, borrow)]
    pub title: Text<'a>,
}

/// The filled form; `response_json` is JSON inside a text.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Form<'a> {
    #[serde(default, borrow)]
    pub name: Text<'a>,
    #[serde(default, borrow)]
    pub body: Text<'a>,
    #[serde(default, borrow)]
    pub response_json: Text<'a>,
}

/// `reaction`; taken off when `emoji` is absent or empty.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Reacted<'a> {
    #[serde(default, borrow)]
    pub message_id: Text<'a>,
    #[serde(default, borrow)]
    pub emoji: Text<'a>,
}

/// `edit`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Edited<'a> {
    #[serde(default, borrow)]
    pub original_message_id: Text<'a>,
    #[serde(borrow)]
    pub message: Message<'a>,
}

/// `revoke`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Revoked<'a> {
    #[serde(default, borrow)]
    pub original_message_id: Text<'a>,
}

/// `system`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct System<'a> {
    #[serde(rename = "type", default, borrow)]
    pub kind: Text<'a>,
    /// The number from now on.
    #[serde(default, borrow)]
    pub wa_id: Text<'a>,
    /// The same, as older versions call it.
    #[serde(default, borrow)]
    pub new_wa_id: Text<'a>,
    /// The business-scoped user id from now on.
    #[serde(default, borrow)]
    pub user_id: Text<'a>,
    #[serde(default, borrow)]
    pub previous_user_id: Text<'a>,
}

/// `referral`: the ad or post that led here.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Referral<'a> {
    #[serde(default, borrow)]
    pub source_url: Text<'a>,
    #[serde(default, borrow)]
    pub source_id: Text<'a>,
    #[serde(default, borrow)]
    pub source_type: Text<'a>,
    #[serde(default, borrow)]
    pub headline: Text<'a>,
    #[serde(default, borrow)]
    pub body: Text<'a>,
    #[serde(default, borrow)]
    pub media_type: Text<'a>,
    #[serde(default, borrow)]
    pub image_url: Text<'a>,
    #[serde(default, borrow)]
    pub video_url: Text<'a>,
    #[serde(default, borrow)]
    pub ctwa_clid: Text<'a>,
}

/// How far a sent message got.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Status<'a> {
    #[serde(default, borrow)]
    pub id: Text<'a>,
    #[serde(default, borrow)]
    pub status: Text<'a>,
    #[serde(default, borrow)]
    pub timestamp: Text<'a>,
    #[serde(default, borrow)]
    pub recipient_id: Text<'a>,
    #[serde(default, borrow)]
    pub recipient_user_id: Text<'a>,
    /// `individual` where absent.
    #[serde(default, borrow)]
    pub recipient_type: Text<'a>,
    #[serde(default, borrow)]
    pub errors: Option<Vec<Problem<'a>>>,
}

/// Why something went wrong.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Problem<'a> {
    #[serde(default, borrow)]
    pub code: Text<'a>,
    #[serde(default, borrow)]
    pub title: Text<'a>,
    #[serde(default, borrow)]
    pub message: Text<'a>,
    #[serde(default, borrow)]
    pub error_data: Option<Details<'a>>,
}

/// The long form of a problem.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Details<'a> {
    #[serde(default, borrow)]
    pub details: Text<'a>,
}

/// A person got a new business-scoped user id.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct UserIdUpdate<'a> {
    #[serde(default, borrow)]
    pub user_id: Option<BeforeAfter<'a>>,
    #[serde(default, borrow)]
    pub timestamp: Text<'a>,
}

/// An id that changed.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct BeforeAfter<'a> {
    #[serde(default, borrow)]
    pub previous: Text<'a>,
    #[serde(default, borrow)]
    pub current: Text<'a>,
}
