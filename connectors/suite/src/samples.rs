//! Content of every kind: small, large, and odd.

use portico_contract::{ActionKind, Card, CardAction, Content, Location, Media, Options, SelectOption};
use serde_json::json;

/// Stands at the end of long texts: when it does not arrive, something was cut off.
pub const END: &str = "THE-END";

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// An ordinary message.
    Small,
    /// 60,000 characters of text, 200 options, 20 cards.
    Large,
    /// Emoji made of several code points, right to left, control characters, markup of all kinds.
    Odd,
}

/// All sizes.
pub const SIZES: [Size; 3] = [Size::Small, Size::Large, Size::Odd];

const ODD: &str = "👩‍👩‍👧‍👦🏳️‍🌈 مرحبا \u{202e}txet\u{202c} e\u{301} a\u{0}b\u{7}c\td\r\ne <b>&amp; *_~`[x](y) ${z} {bearer} {token} \"\\ \u{feff}\u{200b}\u{10ffff}";

/// Content of a kind; unknown kinds become custom content.
pub fn content(kind: &str, size: Size) -> Content {
    match kind {
        "text" => Content::text(text(size)),
        "markdown" => Content::Markdown { markdown: markdown(size) },
        "image" => Content::Image(media("picture.png", "image/png", size)),
        "audio" => Content::Audio(media("sound.ogg", "audio/ogg", size)),
        "video" => Content::Video(media("film.mp4", "video/mp4", size)),
        "file" => Content::File(media("paper.pdf", "application/pdf", size)),
        "location" => Content::Location(Location {
            latitude: if size == Size::Large { -89.999_999_999 } else { 48.2 },
            longitude: if size == Size::Large { 179.999_999_999 } else { 16.37 },
            address: (size != Size::Small).then(|| caption(size)),
            title: (size != Size::Small).then(|| caption(size)),
        }),
        "card" => Content::Card(card(size)),
        "carousel" => Content::Carousel { items: (0..count(size, 2, 20)).map(|_| card(size)).collect() },
        "choice" => Content::Choice(options(size)),
        "dropdown" => Content::Dropdown(options(size)),
        other => Content::Custom { kind: other.to_owned(), data: json!({ "text": text(size) }) },
    }
}

fn count(size: Size, small: usize, large: usize) -> usize {
    if size == Size::Large { large } else { small }
}

fn text(size: Size) -> String {
    match size {
        Size::Small => "Hello, Ada".into(),
        Size::Large => format!("{}{END}", "Ten words or so make a line of this text.\n".repeat(1430)),
        Size::Odd => ODD.into(),
    }
}

fn markdown(size: Size) -> String {
    match size {
        Size::Small => "**Hello**, _Ada_".into(),
        Size::Large => format!(
            "# Title\n\n{}\n\n{END}",
            "- **ten** words or _so_ make a `line` of this [text](https://a.example)\n".repeat(850)
        ),
        Size::Odd => format!("{ODD} **_unclosed `x\n\n| a | b |\n|---|\n> > 1. ![]()"),
    }
}

fn caption(size: Size) -> String {
    match size {
        Size::Small => "A caption".into(),
        Size::Large => "A caption that goes on. ".repeat(20),
        Size::Odd => ODD.into(),
    }
}

fn media(name: &str, mime_type: &str, size: Size) -> Media {
    Media {
        url: format!("https://files.example/{name}"),
        title: (size != Size::Small).then(|| caption(size)),
        mime_type: Some(mime_type.into()),
        filename: Some(if size == Size::Odd { format!("a/../{name}\"\r\nx: y") } else { name.into() }),
        size: Some(if size == Size::Large { 3_000_000_000 } else { 1234 }),
    }
}

fn card(size: Size) -> Card {
    let button = |action, value: &str| CardAction { action, label: caption(size), value: value.into() };
    let postback = if size == Size::Large { "p".repeat(3000) } else { caption(size) };
    let mut actions = vec![
        button(ActionKind::Postback, &postback),
        button(ActionKind::Url, if size == Size::Odd { "not an address" } else { "https://shop.example/1" }),
        button(ActionKind::Say, &caption(size)),
    ];
    if size == Size::Large {
        actions = std::iter::repeat_n(actions, 5).flatten().collect();
    }
    Card {
        title: caption(size),
        subtitle: (size != Size::Small).then(|| caption(size)),
        image_url: Some("https://files.example/picture.png".into()),
        actions,
    }
}

fn options(size: Size) -> Options {
    let option = |number: usize| SelectOption {
        label: if size == Size::Large {
            format!("Option number {number} with a long label")
        } else {
            caption(size)
        },
        value: if size == Size::Large {
            format!("{number}-{}", "v".repeat(120))
        } else {
            format!("value-{number}")
        },
    };
    Options { text: caption(size), options: (0..count(size, 3, 200)).map(option).collect() }
}
