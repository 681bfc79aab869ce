//! Second step of the way out: content is fitted to what its channel declares in `sends`.
//!
//! What is declared passes untouched. The rest is replaced by what comes nearest, down to plain text, and
//! every label, address and text stays readable; a kind that has no such form is refused by name.

use portico_contract::{ActionKind, Card, ChannelSpec, Content, Location, Media, Options};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// A kind of content that the channel can't carry in any form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel can't carry messages of type '{kind}'")]
pub struct Unfit {
    /// The kind.
    pub kind: String,
}

/// Content as parts that the channel declares, in order.
///
/// # Errors
/// [`Unfit`] names the kind that has no form in the channel.
pub fn fit(content: Content, channel: &ChannelSpec) -> Result<Vec<Content>, Unfit> {
    let mut parts = Vec::new();
    Fitter { carries: &|kind| channel.sends.contains_key(kind), parts: &mut parts }.take(content)?;
    Ok(parts)
}

/// Content as plain texts: the last form that is tried when a provider refuses a kind that its channel declares.
///
/// # Errors
/// [`Unfit`] for custom kinds, which have no text.
pub fn as_text(content: Content) -> Result<Vec<Content>, Unfit> {
    let mut parts = Vec::new();
    Fitter { carries: &|kind| kind == "text", parts: &mut parts }.take(content)?;
    Ok(parts)
}

struct Fitter<'a> {
    carries: &'a dyn Fn(&str) -> bool,
    parts: &'a mut Vec<Content>,
}

impl Fitter<'_> {
    fn take(&mut self, content: Content) -> Result<(), Unfit> {
        if (self.carries)(content.kind()) {
            self.parts.push(content);
            return Ok(());
        }
        match content {
            Content::Text { text, .. } => self.say("text", text),
            Content::Markdown { markdown } => self.say("markdown", plain(&markdown)),
            Content::Image(media) => self.say("image", media_text(&media)),
            Content::Audio(media) => self.say("audio", media_text(&media)),
            Content::Video(media) => self.say("video", media_text(&media)),
            Content::File(media) => self.say("file", media_text(&media)),
            Content::Location(place) => self.say("location", place_text(&place)),
            Content::Card(card) => self.card(card),
            Content::Carousel { items } => {
                items.into_iter().try_for_each(|card| self.take(Content::Card(card)))
            }
            Content::Choice(options) if (self.carries)("dropdown") => self.take(Content::Dropdown(options)),
            Content::Dropdown(options) if (self.carries)("choice") => self.take(Content::Choice(options)),
            Content::Choice(options) => self.say("choice", options_text(&options)),
            Content::Dropdown(options) => self.say("dropdown", options_text(&options)),
            Content::Bloc { items } => items.into_iter().try_for_each(|item| self.take(item)),
            Content::Custom { kind, .. } => Err(Unfit { kind }),
        }
    }

    /// Adds a text; `kind` is what it stands for, should the channel carry no text either.
    fn say(&mut self, kind: &str, text: String) -> Result<(), Unfit> {
        if (self.carries)("text") {
            self.parts.push(Content::Text { text, value: None });
        } else if (self.carries)("markdown") {
            self.parts.push(Content::Markdown { markdown: text });
        } else {
            return Err(Unfit { kind: kind.to_owned() });
        }
        Ok(())
    }

    /// A picture, then the words, then the buttons: as options where they can be pressed, else numbered.
    fn card(&mut self, card: Card) -> Result<(), Unfit> {
        if let Some(url) = card.image_url {
            self.take(Content::Image(Media::at(url)))?;
        }
        let mut lines = vec![card.title];
        lines.extend(card.subtitle);
        let pressed = card.actions.iter().filter(|action| action.action != ActionKind::Url).count();
        if pressed > 0 && (self.carries)("choice") {
            let mut options = Vec::with_capacity(pressed);
            for action in card.actions {
                if action.action == ActionKind::Url {
                    lines.push(format!("{}: {}", action.label, action.value));
                } else {
                    options.push(portico_contract::SelectOption { label: action.label, value: action.value });
                }
            }
            return self.take(Content::Choice(Options { text: lines.join("\n"), options }));
        }
        for (index, action) in card.actions.iter().enumerate() {
            let number = index + 1;
            lines.push(match action.action {
                ActionKind::Url => format!("{number}. {}: {}", action.label, action.value),
                ActionKind::Postback | ActionKind::Say => format!("{number}. {}", action.label),
            });
        }
        self.say("card", lines.join("\n"))
    }
}

fn media_text(media: &Media) -> String {
    match media.title.as_deref().or(media.filename.as_deref()) {
        Some(title) => format!("{title}\n{}", media.url),
        None => media.url.clone(),
    }
}

fn place_text(place: &Location) -> String {
    let mut lines: Vec<String> = place.title.iter().chain(&place.address).cloned().collect();
    lines.push(format!("https://maps.google.com/?q={},{}", place.latitude, place.longitude));
    lines.join("\n")
}

fn options_text(options: &Options) -> String {
    let mut lines = vec![options.text.clone()];
    lines.extend(
        options.options.iter().enumerate().map(|(index, option)| format!("{}. {}", index + 1, option.label)),
    );
    lines.join("\n")
}

/// Markdown as plain text: marks are dropped, lists keep bullets and numbers, links keep their address.
pub(crate) fn plain(markdown: &str) -> String {
    let mut text = Plain::default();
    for event in Parser::new(markdown) {
        text.take(event);
    }
    let plain = text.out.trim().to_owned();
    // A source of marks alone (`---`) must not become an empty message.
    if plain.is_empty() { markdown.trim().to_owned() } else { plain }
}

#[derive(Default)]
struct Plain {
    out: String,
    /// Next number of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    /// Address of each open link or picture, and where its text begins.
    links: Vec<(String, usize)>,
}

impl Plain {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::List(first)) => self.lists.push(first),
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
                self.gap();
            }
            Event::Start(Tag::Item) => {
                self.line();
                self.out.push_str(&"  ".repeat(self.lists.len().saturating_sub(1)));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.out.push_str(&format!("{number}. "));
                        *number = number.saturating_add(1);
                    }
                    _ => self.out.push_str("• "),
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                self.links.push((dest_url.into_string(), self.out.len()));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if let Some((address, start)) = self.links.pop() {
                    let shown = self.out.get(start..).unwrap_or_default();
                    if shown.is_empty() {
                        self.out.push_str(&address);
                    } else if shown != address && address.strip_prefix("mailto:") != Some(shown) {
                        self.out.push_str(&format!(" ({address})"));
                    }
                }
            }
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::BlockQuote(_),
            ) => {
                if self.lists.is_empty() {
                    self.gap()
                } else {
                    self.line()
                }
            }
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.out.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.out.push('\n'),
            Event::Rule => self.gap(),
            _ => {}
        }
    }

    fn line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn gap(&mut self) {
        self.line();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests;
