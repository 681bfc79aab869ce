//! Slack's interactions as they come in: the JSON inside a form's `payload`, and the fields of a command.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::Text;

/// A `payload` of any type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Interaction<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) team: Text<'a>,
    #[serde(borrow)]
    pub(crate) user: User<'a>,
    #[serde(borrow)]
    pub(crate) channel: Option<Channel<'a>>,
    #[serde(borrow)]
    pub(crate) container: Option<Container<'a>>,
    #[serde(borrow)]
    pub(crate) message: Option<Pressed<'a>>,
    #[serde(borrow)]
    pub(crate) actions: Option<Vec<Action<'a>>>,
    #[serde(borrow)]
    pub(crate) view: Option<View<'a>>,
    #[serde(borrow)]
    pub(crate) callback_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) trigger_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) action_ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) message_ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) response_url: Text<'a>,
    /// In a modal that asked for a conversation to answer in.
    #[serde(borrow)]
    pub(crate) response_urls: Option<Vec<ResponseUrl<'a>>>,
}

/// Where a modal can be answered.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResponseUrl<'a> {
    #[serde(borrow)]
    pub(crate) response_url: Text<'a>,
}

/// Who pressed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct User<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) username: Text<'a>,
}

/// Where.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Channel<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
}

/// What held the element.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Container<'a> {
    #[serde(borrow)]
    pub(crate) message_ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) channel_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) thread_ts: Text<'a>,
}

/// The message that held the element.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pressed<'a> {
    #[serde(borrow)]
    pub(crate) ts: Text<'a>,
    #[serde(borrow)]
    pub(crate) thread_ts: Text<'a>,
}

/// The view that was sent or closed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct View<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) hash: Text<'a>,
}

/// An element that was used. Which fields are filled depends on `kind`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Action<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) action_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) block_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) action_ts: Text<'a>,
    /// Name of a legacy element.
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) text: Label<'a>,
    #[serde(borrow)]
    pub(crate) value: Text<'a>,
    #[serde(borrow)]
    pub(crate) selected_option: Option<Choice<'a>>,
    #[serde(borrow)]
    pub(crate) selected_options: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(crate) selected_user: Text<'a>,
    #[serde(borrow)]
    pub(crate) selected_users: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) selected_conversation: Text<'a>,
    #[serde(borrow)]
    pub(crate) selected_conversations: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) selected_channel: Text<'a>,
    #[serde(borrow)]
    pub(crate) selected_channels: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) selected_date: Text<'a>,
    #[serde(borrow)]
    pub(crate) selected_time: Text<'a>,
    #[serde(borrow)]
    pub(crate) selected_date_time: Text<'a>,
    #[serde(borrow)]
    pub(crate) rich_text_value: Option<&'a RawValue>,
}

/// A text object, or null.
#[derive(Debug, Default)]
pub(crate) struct Label<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Label<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Object<'a> {
            #[serde(borrow)]
            text: Text<'a>,
        }
        Ok(Self(Option::<Object<'de>>::deserialize(deserializer)?.unwrap_or_default().text))
    }
}

/// An option that was chosen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    #[serde(borrow)]
    pub(crate) text: Label<'a>,
    #[serde(borrow)]
    pub(crate) value: Text<'a>,
}
