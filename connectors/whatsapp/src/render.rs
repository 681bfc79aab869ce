//! First step of the outbound path: content as message bodies of the Cloud API.
//!
//! A body is `{"type": …, "<type>": {…}}` without its addressee; `send` adds that. What does not fit one
//! message becomes several, in order; nothing is cut off but labels. After: `deliver`.

mod cards;
mod choices;
mod media;
mod special;

use portico_contract::{Content, Fault, FaultCode, Host, Level, StateWrite};
use portico_kit::markup::{Dialect, render as markup};
use portico_kit::split::{Measure, split, split_markdown};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use media::{MediaKind, guess_type};

use crate::config::WhatsAppConfig;
use crate::values::Ids;

/// Longest `text.body`, in UTF-16 units (the strictest reading of "characters").
pub(crate) const TEXT: usize = 4096;
/// Longest `interactive.body.text`, and longest caption.
pub(crate) const BODY: usize = 1024;
/// Stands for a body where there is nothing to say, because a blank one is refused.
const NOTHING: &str = "\u{200b}";

/// Media in a body that is uploaded before the message is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// JSON pointer to the object that has `link` now and gets `id`.
    pub pointer: String,
    /// Where the bytes are: an address, or a held handle.
    pub url: String,
    /// What it is sent as.
    pub kind: MediaKind,
}

/// One message to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draft {
    /// The message without its addressee.
    pub body: Value,
    /// Uploads that come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<Slot>,
}

impl Draft {
    fn plain(body: Value) -> Self {
        Self { body, uploads: Vec::new() }
    }
}

/// Renders one outbound message.
pub(crate) struct Renderer<'a> {
    host: &'a dyn Host,
    config: &'a WhatsAppConfig,
    /// Origin of the gateway's own public address: media there is uploaded.
    own_origin: Option<url::Origin>,
    ids: Ids<'a>,
    drafts: Vec<Draft>,
}

impl<'a> Renderer<'a> {
    /// A renderer with nothing in it yet.
    pub(crate) fn new(host: &'a dyn Host, config: &'a WhatsAppConfig, webhook_url: &str) -> Self {
        let own_origin = url::Url::parse(webhook_url).ok().map(|url| url.origin());
        Self { host, config, own_origin, ids: Ids::new(host), drafts: Vec::new() }
    }

    /// The messages, and the state that their buttons need.
    pub(crate) fn end(self) -> (Vec<Draft>, Vec<StateWrite>) {
        (self.drafts, self.ids.writes)
    }

    /// Adds what one part says. `place` is the part's JSON pointer, for faults.
    pub(crate) fn part(&mut self, content: &Content, place: &str) -> Result<(), Fault> {
        match content {
            Content::Text { text, .. } => self.text(text),
            Content::Markdown { markdown } => self.markdown(markdown),
            Content::Image(media) => self.media(MediaKind::Image, media, place)?,
            Content::Audio(media) => self.media(MediaKind::Audio, media, place)?,
            Content::Video(media) => self.media(MediaKind::Video, media, place)?,
            Content::File(media) => self.media(MediaKind::Document, media, place)?,
            Content::Location(location) => {
                let mut body = json!({ "latitude": location.latitude, "longitude": location.longitude });
                insert(&mut body, "name", location.title.as_deref());
                insert(&mut body, "address", location.address.as_deref());
                self.push(json!({ "type": "location", "location": body }));
            }
            Content::Card(card) => self.card(card, place)?,
            Content::Carousel { items } => self.carousel(items, place)?,
            Content::Choice(options) => self.choice(options),
            Content::Dropdown(options) => self.dropdown(options),
            Content::Bloc { items } => {
                for (index, item) in items.iter().enumerate() {
                    self.part(item, &format!("{place}/items/{index}"))?;
                }
            }
            Content::Custom { kind, data } => self.special(kind, data, place)?,
        }
        Ok(())
    }

    fn push(&mut self, body: Value) {
        self.drafts.push(Draft::plain(body));
    }

    /// Plain text, in as many messages as it needs. Blank text is refused by the provider, so it is left out.
    pub(crate) fn text(&mut self, text: &str) {
        if self.config.markdown_in_text {
            return self.markdown(text);
        }
        self.pieces(split(text, TEXT, Measure::Utf16));
    }

    fn markdown(&mut self, markdown: &str) {
        self.pieces(split_markdown(markdown, TEXT, Measure::Utf16, Dialect::WhatsApp));
    }

    fn pieces(&mut self, pieces: Vec<String>) {
        if pieces.is_empty() {
            self.host.log(Level::Warn, "a blank text was not sent: WhatsApp refuses it", &[]);
        }
        for piece in pieces {
            let text =
                if self.config.link_previews && (piece.contains("https://") || piece.contains("http://")) {
                    json!({ "body": piece, "preview_url": true })
                } else {
                    json!({ "body": piece })
                };
            self.push(json!({ "type": "text", "text": text }));
        }
    }

    /// A bot's words inside a larger message.
    fn words(&self, text: &str) -> String {
        if self.config.markdown_in_text { markup(text, Dialect::WhatsApp) } else { text.to_owned() }
    }

    /// The body of an interactive message: what is too long for one goes before it as plain text.
    fn body(&mut self, text: &str) -> String {
        let mut pieces = split(text, BODY, Measure::Utf16);
        let last = pieces.pop().unwrap_or_else(|| NOTHING.to_owned());
        if !pieces.is_empty() {
            self.pieces(pieces);
        }
        last
    }
}

/// Sets a text field, unless there is nothing in it.
fn insert(object: &mut Value, name: &str, text: Option<&str>) {
    if let (Some(object), Some(text)) = (object.as_object_mut(), text.filter(|text| !text.trim().is_empty()))
    {
        object.insert(name.to_owned(), text.into());
    }
}

fn bad_input(field: &str, reason: impl Into<String>) -> Fault {
    Fault::new(FaultCode::BadInput, reason).at(field)
}
