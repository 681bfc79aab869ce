//! Content: what a message says, in the runtime shapes of the public Botpress message types.
//!
//! On the wire a message is `type` and `payload`; [`Content::from_parts`] and [`Content::into_parts`] go
//! between that pair and the typed form. Unknown types travel as [`Content::Custom`], whole.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Scheme of a media address that only the connector can open: `portico-media:<handle>`. The gateway
/// shows it to bots as an ordinary address of its own and asks the connector's `media` action when it is read.
pub const MEDIA_SCHEME: &str = "portico-media:";

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// `text`: plain text. `value` is set when a button or option was pressed: its machine-readable value.
    Text {
        /// What a person reads.
        text: String,
        /// Value of the pressed button, if this text is an answer to one.
        value: Option<String>,
    },
    /// `markdown` (deprecated by Botpress, still sent by bots).
    Markdown {
        /// CommonMark text.
        markdown: String,
    },
    /// `image`, address in `imageUrl`.
    Image(Media),
    /// `audio`, address in `audioUrl`.
    Audio(Media),
    /// `video`, address in `videoUrl`.
    Video(Media),
    /// `file`, address in `fileUrl`.
    File(Media),
    /// `location`.
    Location(Location),
    /// `card`.
    Card(Card),
    /// `carousel`: cards side by side.
    Carousel {
        /// The cards, in order.
        items: Vec<Card>,
    },
    /// `choice`: options a person can press.
    Choice(Options),
    /// `dropdown`: options a person picks from a list.
    Dropdown(Options),
    /// `bloc`: several contents in one message; text, markdown, media, file and location only.
    Bloc {
        /// The parts, in order.
        items: Vec<Content>,
    },
    /// Any other type, kept whole.
    Custom {
        /// The message's `type`.
        kind: String,
        /// The message's `payload`.
        data: Value,
    },
}

/// A picture, sound, film or file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Media {
    /// `https:` address, or [`MEDIA_SCHEME`] and a handle of the connector.
    pub url: String,
    /// Caption or title.
    pub title: Option<String>,
    /// Media type as the provider states it, such as `audio/ogg; codecs=opus`.
    pub mime_type: Option<String>,
    /// File name as the provider states it.
    pub filename: Option<String>,
    /// Bytes, as the provider states them.
    pub size: Option<u64>,
}

impl Media {
    /// Media at an address, with nothing else known.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Media that only the connector can open.
    pub fn held(handle: &str) -> Self {
        Self::at(format!("{MEDIA_SCHEME}{handle}"))
    }
}

/// A place on the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Street address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Name of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A card: title, optional picture, buttons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// First line.
    pub title: String,
    /// Second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// Address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Buttons, in order.
    #[serde(default)]
    pub actions: Vec<CardAction>,
}

/// What a card's button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionKind {
    /// Sends `value` to the bot, unseen.
    Postback,
    /// Opens `value` as an address.
    Url,
    /// Says `value` as if the person had typed it.
    Say,
}

/// A button on a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardAction {
    /// What pressing it does.
    pub action: ActionKind,
    /// Text on the button.
    pub label: String,
    /// Address, postback value or text, depending on `action`.
    pub value: String,
}

/// A question with options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The question.
    pub text: String,
    /// The options, in order.
    pub options: Vec<SelectOption>,
}

/// One option of a choice or dropdown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelectOption {
    /// What a person reads.
    pub label: String,
    /// What the bot gets.
    pub value: String,
}

/// Why a payload is not of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ContentError {
    /// Path of the field, such as `payload.actions[2].label`.
    pub field: String,
    /// What is wrong, and what is expected. Never the value.
    pub reason: String,
}

impl ContentError {
    fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    fn under(mut self, parent: &str) -> Self {
        let rest = self.field.strip_prefix("payload").unwrap_or(&self.field).to_owned();
        self.field = format!("{parent}{rest}");
        self
    }
}

/// What a JSON value is, for messages.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, name: &str) -> Result<String, ContentError> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_)) => Err(ContentError::new(format!("payload.{name}"), "must not be empty")),
            Some(other) => Err(ContentError::new(
                format!("payload.{name}"),
                format!("must be a text, is {}", kind_of(other)),
            )),
            None => Err(ContentError::new(format!("payload.{name}"), "is missing, must be a text")),
        }
    }

    fn optional(&self, name: &str) -> Result<Option<String>, ContentError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(ContentError::new(
                format!("payload.{name}"),
                format!("must be a text, is {}", kind_of(other)),
            )),
        }
    }

    fn number(&self, name: &str) -> Result<f64, ContentError> {
        match self.0.get(name) {
            Some(Value::Number(number)) => number
                .as_f64()
                .filter(|number| number.is_finite())
                .ok_or_else(|| ContentError::new(format!("payload.{name}"), "must be a finite number")),
            Some(other) => Err(ContentError::new(
                format!("payload.{name}"),
                format!("must be a number, is {}", kind_of(other)),
            )),
            None => Err(ContentError::new(format!("payload.{name}"), "is missing, must be a number")),
        }
    }

    fn list(&self, name: &str) -> Result<&[Value], ContentError> {
        match self.0.get(name) {
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(ContentError::new(
                format!("payload.{name}"),
                format!("must be a list, is {}", kind_of(other)),
            )),
            None => Err(ContentError::new(format!("payload.{name}"), "is missing, must be a list")),
        }
    }

    fn media(&self, address: &str) -> Result<Media, ContentError> {
        Ok(Media {
            url: self.text(address)?,
            title: self.optional("title")?,
            mime_type: self.optional("mimeType")?,
            filename: self.optional("fileName")?,
            size: self.0.get("size").and_then(Value::as_u64),
        })
    }

    fn card(&self) -> Result<Card, ContentError> {
        let mut actions = Vec::new();
        if self.0.get("actions").is_some_and(|value| !value.is_null()) {
            for (index, item) in self.list("actions")?.iter().enumerate() {
                let place = format!("payload.actions[{index}]");
                let fields = object(item).map_err(|error| error.under(&place))?;
                let action = match fields.text("action").map_err(|error| error.under(&place))?.as_str() {
                    "postback" => ActionKind::Postback,
                    "url" => ActionKind::Url,
                    "say" => ActionKind::Say,
                    _ => {
                        return Err(ContentError::new(
                            format!("{place}.action"),
                            "must be one of 'postback', 'url', 'say'",
                        ));
                    }
                };
                actions.push(CardAction {
                    action,
                    label: fields.text("label").map_err(|error| error.under(&place))?,
                    value: fields.text("value").map_err(|error| error.under(&place))?,
                });
            }
        }
        Ok(Card {
            title: self.text("title")?,
            subtitle: self.optional("subtitle")?,
            image_url: self.optional("imageUrl")?,
            actions,
        })
    }

    fn options(&self) -> Result<Options, ContentError> {
        let mut options = Vec::new();
        for (index, item) in self.list("options")?.iter().enumerate() {
            let place = format!("payload.options[{index}]");
            let fields = object(item).map_err(|error| error.under(&place))?;
            options.push(SelectOption {
                label: fields.text("label").map_err(|error| error.under(&place))?,
                value: fields.text("value").map_err(|error| error.under(&place))?,
            });
        }
        Ok(Options { text: self.text("text")?, options })
    }
}

fn object(value: &Value) -> Result<Fields<'_>, ContentError> {
    value
        .as_object()
        .map(Fields)
        .ok_or_else(|| ContentError::new("payload", format!("must be an object, is {}", kind_of(value))))
}

impl Content {
    /// A plain text without a button's value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), value: None }
    }

    /// The wire's `type`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Markdown { .. } => "markdown",
            Self::Image(_) => "image",
            Self::Audio(_) => "audio",
            Self::Video(_) => "video",
            Self::File(_) => "file",
            Self::Location(_) => "location",
            Self::Card(_) => "card",
            Self::Carousel { .. } => "carousel",
            Self::Choice(_) => "choice",
            Self::Dropdown(_) => "dropdown",
            Self::Bloc { .. } => "bloc",
            Self::Custom { kind, .. } => kind,
        }
    }

    /// Reads the wire's pair of `type` and `payload`.
    ///
    /// # Errors
    /// [`ContentError`] names the path of the field that its type promises and that is absent or wrong.
    /// A type outside the table is no error: it becomes [`Content::Custom`].
    pub fn from_parts(kind: &str, payload: Value) -> Result<Self, ContentError> {
        if !matches!(
            kind,
            "text"
                | "markdown"
                | "image"
                | "audio"
                | "video"
                | "file"
                | "location"
                | "card"
                | "carousel"
                | "choice"
                | "dropdown"
                | "bloc"
        ) {
            return Ok(Self::Custom { kind: kind.to_owned(), data: payload });
        }
        let fields = object(&payload)?;
        Ok(match kind {
            "text" => Self::Text { text: fields.text("text")?, value: fields.optional("value")? },
            "markdown" => Self::Markdown { markdown: fields.text("markdown")? },
            "image" => Self::Image(fields.media("imageUrl")?),
            "audio" => Self::Audio(fields.media("audioUrl")?),
            "video" => Self::Video(fields.media("videoUrl")?),
            "file" => Self::File(fields.media("fileUrl")?),
            "location" => Self::Location(Location {
                latitude: fields.number("latitude")?,
                longitude: fields.number("longitude")?,
                address: fields.optional("address")?,
                title: fields.optional("title")?,
            }),
            "card" => Self::Card(fields.card()?),
            "carousel" => {
                let mut items = Vec::new();
                for (index, item) in fields.list("items")?.iter().enumerate() {
                    let place = format!("payload.items[{index}]");
                    items.push(
                        object(item).and_then(|fields| fields.card()).map_err(|error| error.under(&place))?,
                    );
                }
                Self::Carousel { items }
            }
            "choice" => Self::Choice(fields.options()?),
            "dropdown" => Self::Dropdown(fields.options()?),
            _ => {
                let mut items = Vec::new();
                for (index, item) in fields.list("items")?.iter().enumerate() {
                    let place = format!("payload.items[{index}]");
                    let part = object(item).map_err(|error| error.under(&place))?;
                    let kind = part.text("type").map_err(|error| error.under(&place))?;
                    if !matches!(
                        kind.as_str(),
                        "text" | "markdown" | "image" | "audio" | "video" | "file" | "location"
                    ) {
                        return Err(ContentError::new(
                            format!("{place}.type"),
                            "must be one of text, markdown, image, audio, video, file, location inside a bloc",
                        ));
                    }
                    let payload = part.0.get("payload").cloned().unwrap_or(Value::Null);
                    items.push(
                        Self::from_parts(&kind, payload)
                            .map_err(|error| error.under(&format!("{place}.payload")))?,
                    );
                }
                Self::Bloc { items }
            }
        })
    }

    /// The wire's pair of `type` and `payload`; the inverse of [`Content::from_parts`].
    pub fn into_parts(self) -> (String, Value) {
        let kind = self.kind().to_owned();
        let payload = match self {
            Self::Text { text, value } => {
                let mut fields = Map::new();
                fields.insert("text".into(), text.into());
                insert(&mut fields, "value", value);
                Value::Object(fields)
            }
            Self::Markdown { markdown } => serde_json::json!({ "markdown": markdown }),
            Self::Image(media) => media_payload("imageUrl", media),
            Self::Audio(media) => media_payload("audioUrl", media),
            Self::Video(media) => media_payload("videoUrl", media),
            Self::File(media) => media_payload("fileUrl", media),
            Self::Location(place) => plain(&place),
            Self::Card(card) => plain(&card),
            Self::Carousel { items } => serde_json::json!({ "items": items }),
            Self::Choice(options) | Self::Dropdown(options) => plain(&options),
            Self::Bloc { items } => {
                let items: Vec<Value> = items
                    .into_iter()
                    .map(|item| {
                        let (kind, payload) = item.into_parts();
                        serde_json::json!({ "type": kind, "payload": payload })
                    })
                    .collect();
                serde_json::json!({ "items": items })
            }
            Self::Custom { data, .. } => data,
        };
        (kind, payload)
    }
}

fn insert(fields: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        fields.insert(name.into(), value.into());
    }
}

fn media_payload(address: &str, media: Media) -> Value {
    let mut fields = Map::new();
    fields.insert(address.into(), media.url.into());
    insert(&mut fields, "title", media.title);
    insert(&mut fields, "mimeType", media.mime_type);
    insert(&mut fields, "fileName", media.filename);
    if let Some(size) = media.size {
        fields.insert("size".into(), size.into());
    }
    Value::Object(fields)
}

/// Plain data (texts, numbers, lists) always has a JSON form.
fn plain<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    payload: Value,
}

impl Serialize for Content {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut wire = serializer.serialize_struct("Content", 2)?;
        wire.serialize_field("type", self.kind())?;
        // Texts are by far the most frequent, and need no detour.
        if let Self::Text { text, value: None } = self {
            #[derive(Serialize)]
            struct Plain<'a> {
                text: &'a str,
            }
            wire.serialize_field("payload", &Plain { text })?;
        } else {
            wire.serialize_field("payload", &self.clone().into_parts().1)?;
        }
        wire.end()
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Self::from_parts(&wire.kind, wire.payload).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn there_and_back(kind: &str, payload: Value) {
        let content = Content::from_parts(kind, payload.clone()).unwrap();
        assert_eq!(content.clone().into_parts(), (kind.to_owned(), payload));
        let text = serde_json::to_string(&content).unwrap();
        assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content);
    }

    #[test]
    fn every_type_goes_there_and_back() {
        let card = json!({ "title": "t", "subtitle": "s", "imageUrl": "https://i", "actions": [
            { "action": "say", "label": "l", "value": "v" } ] });
        there_and_back("text", json!({ "text": "hi" }));
        there_and_back("text", json!({ "text": "Yes", "value": "yes" }));
        there_and_back("markdown", json!({ "markdown": "**hi**" }));
        there_and_back("image", json!({ "imageUrl": "https://i", "title": "t" }));
        there_and_back("audio", json!({ "audioUrl": "https://a", "mimeType": "audio/ogg" }));
        there_and_back("video", json!({ "videoUrl": "https://v" }));
        there_and_back(
            "file",
            json!({ "fileUrl": "https://f", "title": "t", "fileName": "a.pdf", "size": 7 }),
        );
        there_and_back("location", json!({ "latitude": 1.5, "longitude": -2.0, "address": "a" }));
        there_and_back("card", card.clone());
        there_and_back("carousel", json!({ "items": [card] }));
        there_and_back("choice", json!({ "text": "?", "options": [{ "label": "a", "value": "b" }] }));
        there_and_back("dropdown", json!({ "text": "?", "options": [] }));
        there_and_back("bloc", json!({ "items": [{ "type": "text", "payload": { "text": "x" } }] }));
        there_and_back("sticker", json!([1, 2]));
    }

    #[test]
    fn errors_name_the_path_and_the_kind() {
        let error = |kind: &str, payload| Content::from_parts(kind, payload).unwrap_err().to_string();
        assert_eq!(error("text", json!({})), "payload.text: is missing, must be a text");
        assert_eq!(error("text", json!({ "text": 5 })), "payload.text: must be a text, is a number");
        assert_eq!(
            error(
                "card",
                json!({ "title": "t", "actions": [{ "action": "x", "label": "l", "value": "v" }] })
            ),
            "payload.actions[0].action: must be one of 'postback', 'url', 'say'"
        );
        assert_eq!(
            error("carousel", json!({ "items": [{ "title": "" }] })),
            "payload.items[0].title: must not be empty"
        );
        assert_eq!(
            error("bloc", json!({ "items": [{ "type": "card" }] })),
            "payload.items[0].type: must be one of text, markdown, image, audio, video, file, location inside a bloc"
        );
        assert_eq!(
            error("bloc", json!({ "items": [{ "type": "text", "payload": {} }] })),
            "payload.items[0].payload.text: is missing, must be a text"
        );
        assert_eq!(error("location", json!("x")), "payload: must be an object, is a text");
    }
}
