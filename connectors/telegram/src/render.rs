//! Outbound: the parts of a message as calls of the Bot API, in order, within Telegram's limits.
//!
//! What goes above a limit is sent as further messages, never cut. What Telegram may refuse although it looks
//! right (a file it can't fetch) has its way out in `media`, taken by `send` when the refusal comes.

pub(crate) mod media;

use portico_contract::{
    ActionKind, Card, Content, Context, Effect, Fault, FaultCode, Host, Location, Options, OutboundMessage,
    OutboundRequest, Thread, Turn,
};
use portico_kit::markup::{self, Dialect, MarkdownPart};
use portico_kit::sequence::Sequence;
use portico_kit::split::{Measure, ellipsize, split, split_markdown};
use serde::{Deserialize, Serialize};
use teloxide_core::payloads::{SendLocation, SendMessage, SendVenue};
use teloxide_core::types::{InlineKeyboardMarkup, MessageId, ParseMode, ReplyMarkup, ReplyParameters};
use url::Url;

use crate::buttons::{self, Button, Does, Layout, MAX_BUTTONS};
use crate::call::{Api, Target, addressed};
use crate::html;
use media::{Caption, Kind, Plan};

/// Name of the run that delivers.
pub(crate) const JOB: &str = "deliver";
/// Longest text of a message, in UTF-16 units.
pub(crate) const MAX_TEXT: usize = 4096;
/// Longest caption, in UTF-16 units.
pub(crate) const MAX_CAPTION: usize = 1024;
/// How much of a question stands again over the buttons that did not fit under it.
const REMINDER: usize = 200;

/// What a delivery remembers beside its calls.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Note {
    /// Files among the calls, with what to do when one is refused; calls name them by index.
    #[serde(default)]
    pub(crate) media: Vec<Plan>,
}

/// The turn of a message that waits in the outbox.
///
/// # Errors
/// `bad-input` when the conversation or a part can't be what it says.
pub(crate) fn deliver(host: &dyn Host, ctx: &Context, message: &OutboundMessage) -> Result<Turn, Fault> {
    let api = Api::of(ctx)?;
    let mut page = Page::new(host, &api, &message.thread)?;
    page.reply = message.reply_to.as_deref().and_then(|id| id.parse().ok()).map(|id| {
        // The message may be gone by now; what the bot says is not worth less.
        ReplyParameters::new(MessageId(id)).allow_sending_without_reply()
    });
    for (index, part) in message.parts.iter().enumerate() {
        page.part(part).map_err(|fault| {
            let field = fault.field.clone().unwrap_or_default();
            fault.at(format!("/parts/{index}{field}"))
        })?;
    }
    if page.calls.is_empty() {
        return Err(Fault::new(FaultCode::BadInput, "the message shows nothing").at("/parts"));
    }
    let note =
        serde_json::to_value(&page.note).map_err(|error| Fault::new(FaultCode::Bug, error.to_string()))?;
    let mut turn = Sequence::new(JOB, page.calls).with_note(note).start()?;
    turn.effects = page.effects;
    Ok(turn)
}

/// A message while it is rendered.
pub(crate) struct Page<'a> {
    host: &'a dyn Host,
    api: &'a Api,
    target: Target,
    reply: Option<ReplyParameters>,
    pub(crate) calls: Vec<OutboundRequest>,
    pub(crate) effects: Vec<Effect>,
    note: Note,
}

impl<'a> Page<'a> {
    /// An empty page for a conversation.
    pub(crate) fn new(host: &'a dyn Host, api: &'a Api, thread: &Thread) -> Result<Self, Fault> {
        let target = Target::of(thread)?;
        Ok(Self {
            host,
            api,
            target,
            reply: None,
            calls: Vec::new(),
            effects: Vec::new(),
            note: Note::default(),
        })
    }

    fn part(&mut self, part: &Content) -> Result<(), Fault> {
        match part {
            Content::Text { text, .. } => self.text(text),
            Content::Markdown { markdown } => self.text(markdown),
            Content::Image(image) => named("/imageUrl", self.media(media::image_kind(image), image, None)),
            Content::Audio(audio) => named("/audioUrl", self.media(media::audio_kind(audio), audio, None)),
            Content::Video(video) => named("/videoUrl", self.media(Kind::Video, video, None)),
            Content::File(file) => named("/fileUrl", self.media(Kind::Document, file, None)),
            Content::Location(location) => self.location(location),
            Content::Card(card) => self.card(card),
            Content::Carousel { items } => items.iter().enumerate().try_for_each(|(index, card)| {
                self.card(card).map_err(|fault| {
                    let field = fault.field.clone().unwrap_or_default();
                    fault.at(format!("/items/{index}{field}"))
                })
            }),
            Content::Choice(options) => self.options(options, Layout::Wrapped),
            Content::Dropdown(options) => self.options(options, Layout::List),
            Content::Bloc { items } => items.iter().try_for_each(|item| self.part(item)),
            Content::Custom { kind, .. } => {
                Err(Fault::new(FaultCode::Unsupported, format!("Telegram has no content kind '{kind}'")))
            }
        }
    }

    /// Markdown, with its pictures as photos between the texts.
    fn text(&mut self, markdown: &str) -> Result<(), Fault> {
        let before = self.calls.len();
        for part in markup::parts(markdown) {
            match part {
                MarkdownPart::Text(text) => self.html(&pieces(&text), None),
                MarkdownPart::Image { url, alt } => {
                    let image = portico_contract::Media {
                        title: Some(alt.clone()).filter(|alt| !alt.is_empty()),
                        ..portico_contract::Media::at(url.clone())
                    };
                    // An address that can't be fetched is still worth showing.
                    if self.media(media::image_kind(&image), &image, None).is_err() {
                        self.plain(&format!("{alt} {url}"));
                    }
                }
            }
        }
        if self.calls.len() == before {
            self.plain(markdown);
        }
        Ok(())
    }

    fn plain(&mut self, text: &str) {
        let pieces: Vec<String> =
            split(text, MAX_TEXT, Measure::Utf16).iter().map(|piece| html::escape(piece)).collect();
        self.html(&pieces, None);
    }

    /// Texts as HTML, a message each; the keyboard stands under the last.
    fn html(&mut self, pieces: &[String], mut keyboard: Option<InlineKeyboardMarkup>) {
        for (index, piece) in pieces.iter().enumerate() {
            let mut payload = addressed!(SendMessage::new(self.target.chat.clone(), piece), self.target);
            payload.parse_mode = Some(ParseMode::Html);
            payload.reply_parameters = self.reply.take();
            if index + 1 == pieces.len() {
                payload.reply_markup = keyboard.take().map(ReplyMarkup::InlineKeyboard);
            }
            self.calls.push(self.api.call("sendMessage", &payload));
        }
    }

    fn location(&mut self, place: &Location) -> Result<(), Fault> {
        if !(-90.0..=90.0).contains(&place.latitude) {
            return Err(
                Fault::new(FaultCode::BadInput, "latitude must be from -90 to 90 degrees").at("/latitude")
            );
        }
        if !(-180.0..=180.0).contains(&place.longitude) {
            return Err(Fault::new(FaultCode::BadInput, "longitude must be from -180 to 180 degrees")
                .at("/longitude"));
        }
        let chat = self.target.chat.clone();
        if let (Some(title), Some(address)) = (&place.title, &place.address) {
            let payload = SendVenue::new(chat, place.latitude, place.longitude, title, address);
            let mut payload = addressed!(payload, self.target);
            payload.reply_parameters = self.reply.take();
            self.calls.push(self.api.call("sendVenue", &payload));
            return Ok(());
        }
        let mut payload = addressed!(SendLocation::new(chat, place.latitude, place.longitude), self.target);
        payload.reply_parameters = self.reply.take();
        self.calls.push(self.api.call("sendLocation", &payload));
        if let Some(words) = place.title.as_ref().or(place.address.as_ref()) {
            self.plain(words);
        }
        Ok(())
    }

    fn card(&mut self, card: &Card) -> Result<(), Fault> {
        let mut buttons = Vec::new();
        let mut links = String::new();
        for action in &card.actions {
            let does = match action.action {
                ActionKind::Postback => Does::Value(action.value.clone()),
                ActionKind::Say => Does::Say(action.value.clone()),
                ActionKind::Url => match openable(&action.value) {
                    Some(url) => Does::Open(url),
                    // Telegram opens web addresses only; others (tel:, mailto:) stand in the text.
                    None => {
                        links.push_str(&format!("\n\n{}: {}", action.label, action.value));
                        continue;
                    }
                },
            };
            buttons.push(Button { label: action.label.clone(), does });
        }
        let mut whole = format!("<b>{}</b>", html::escape(&card.title));
        let subtitle = card.subtitle.as_deref().map(|text| markup::render(text, Dialect::TelegramHtml));
        for more in [subtitle, Some(html::escape(&links))].into_iter().flatten() {
            if !more.trim().is_empty() {
                whole.push('\n');
                whole.push_str(more.trim());
            }
        }
        let length = Measure::Utf16.of(&whole);
        if let Some(address) = &card.image_url {
            let image = portico_contract::Media::at(address);
            let kind = media::image_kind(&image);
            if length <= MAX_CAPTION && buttons.len() <= MAX_BUTTONS {
                let keyboard = self.keyboard(&buttons, Layout::List).map_err(|fault| fault.at("/actions"))?;
                return named(
                    "/imageUrl",
                    self.media(kind, &image, Some(Caption { text: whole, html: true, keyboard })),
                );
            }
            named("/imageUrl", self.media(kind, &image, None))?;
        }
        let texts = if length <= MAX_TEXT {
            vec![whole]
        } else {
            let title = split(&card.title, MAX_TEXT / 6, Measure::Utf16);
            let mut texts: Vec<String> =
                title.iter().map(|piece| format!("<b>{}</b>", html::escape(piece))).collect();
            texts.extend(card.subtitle.as_deref().map(pieces).unwrap_or_default());
            texts.extend(split(&links, MAX_TEXT / 6, Measure::Utf16).iter().map(|piece| html::escape(piece)));
            texts
        };
        self.with_buttons(texts, &card.title, &buttons, Layout::List).map_err(|fault| fault.at("/actions"))
    }

    fn options(&mut self, options: &Options, layout: Layout) -> Result<(), Fault> {
        let texts = pieces(&options.text);
        if texts.is_empty() {
            return Err(Fault::new(FaultCode::BadInput, "the question shows nothing").at("/text"));
        }
        let buttons = option_buttons(options);
        self.with_buttons(texts, &options.text, &buttons, layout).map_err(|fault| fault.at("/options"))
    }

    /// Texts with buttons under the last; buttons above Telegram's number stand under reminders of the text.
    fn with_buttons(
        &mut self,
        texts: Vec<String>,
        reminder: &str,
        buttons: &[Button],
        layout: Layout,
    ) -> Result<(), Fault> {
        let mut groups = buttons.chunks(MAX_BUTTONS);
        let count = groups.len();
        let first = groups.next().map(|group| self.keyboard(group, layout)).transpose()?.flatten();
        self.html(&texts, first);
        for (index, group) in groups.enumerate() {
            let words = ellipsize(&markup::render(reminder, Dialect::Plain), REMINDER, Measure::Utf16);
            let text = format!("{} ({}/{count})", html::escape(words.trim()), index + 2);
            let keyboard = self.keyboard(group, layout)?;
            self.html(&[text], keyboard);
        }
        Ok(())
    }

    /// A keyboard, with what must be remembered for it; `None` when there is no button.
    ///
    /// # Errors
    /// `bad-input` when its values are too large to be kept.
    pub(crate) fn keyboard(
        &mut self,
        buttons: &[Button],
        layout: Layout,
    ) -> Result<Option<InlineKeyboardMarkup>, Fault> {
        if buttons.is_empty() {
            return Ok(None);
        }
        let (keyboard, write) = buttons::keyboard(self.host, buttons, layout)?;
        self.effects.extend(write);
        Ok(Some(keyboard))
    }
}

/// Names the field that a file's address stands in.
fn named(field: &str, sent: Result<(), Fault>) -> Result<(), Fault> {
    sent.map_err(|fault| fault.at(field))
}

/// Markdown as HTML, in pieces of a message's length.
pub(crate) fn pieces(markdown: &str) -> Vec<String> {
    let pieces = split_markdown(markdown, MAX_TEXT, Measure::Utf16, Dialect::TelegramHtml);
    if pieces.is_empty() {
        // Markdown that shows nothing (`---`) is still something that was said.
        return split(markdown, MAX_TEXT / 6, Measure::Utf16)
            .iter()
            .map(|piece| html::escape(piece))
            .collect();
    }
    pieces
}

/// The options of a question as buttons.
pub(crate) fn option_buttons(options: &Options) -> Vec<Button> {
    let button = |option: &portico_contract::SelectOption| Button {
        label: option.label.clone(),
        does: Does::Value(option.value.clone()),
    };
    options.options.iter().map(button).collect()
}

/// An address that a button may open.
fn openable(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    match url.scheme() {
        "http" | "https" => url.has_host().then_some(url),
        "tg" => Some(url),
        _ => None,
    }
}
