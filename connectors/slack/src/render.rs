//! Content as Slack shows it: texts, blocks and files. Nothing is cut off in silence: what is longer than Slack
//! takes is split, values that are too long are stored, and only labels and picture texts are shortened.

mod blocks;

use portico_contract::{Content, Effect, Fault, FaultCode, Host, Location, Media};
use portico_kit::markup::{Dialect, slack_mrkdwn::escape};
use portico_kit::split::{Measure, ellipsize, split, split_markdown};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

pub(crate) use blocks::Blocks;

/// Longest text of a message.
const TEXT: usize = 4000;
/// Longest address in a block.
const ADDRESS: usize = 3000;
/// Longest alternative text and title of a picture.
const ALT: usize = 2000;
/// Picture types that Slack shows from an address.
const SHOWN: [&str; 4] = ["image/png", "image/jpeg", "image/jpg", "image/gif"];
/// Endings of pictures that Slack does not show from an address.
const NOT_SHOWN: [&str; 8] = [".webp", ".svg", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"];

/// A message to post.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Post {
    /// mrkdwn; with blocks, what notifications show.
    pub(crate) text: String,
    /// Block Kit; empty for plain texts.
    pub(crate) blocks: Vec<Value>,
}

/// A file to upload, after its bytes were fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) url: String,
    pub(crate) filename: String,
    pub(crate) title: String,
}

/// One message of Slack's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// A message.
    Post(Post),
    /// A message with a picture by its address, and what to do when Slack can't reach it.
    Picture(Post, Upload),
    /// A file.
    Upload(Upload),
}

/// The pieces that a content becomes, and the values that have to be stored for them.
///
/// # Errors
/// `bad-input` when Slack can't take it; `unsupported` for other kinds.
pub(crate) fn render(
    host: &dyn Host,
    content: &Content,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Piece>, Fault> {
    let pieces = match content {
        Content::Text { text, .. } => texts(escaped(text, TEXT)),
        Content::Markdown { markdown } => {
            texts(split_markdown(markdown, TEXT, Measure::Utf16, Dialect::SlackMrkdwn))
        }
        Content::Image(media) => vec![picture(media)?],
        Content::Audio(media) => vec![Piece::Upload(upload(media, "audioUrl", "audio")?)],
        Content::Video(media) => vec![Piece::Upload(upload(media, "videoUrl", "video")?)],
        Content::File(media) => vec![Piece::Upload(upload(media, "fileUrl", "file")?)],
        Content::Location(place) => texts(escaped_location(place)),
        Content::Card(card) => blocks(|all| all.card(host, card, "/payload"), effects)?,
        Content::Carousel { items } => {
            let all = |all: &mut Blocks<'_>| {
                let place = |index: usize| format!("/payload/items/{index}");
                items.iter().enumerate().try_for_each(|(index, card)| all.card(host, card, &place(index)))
            };
            blocks(all, effects)?
        }
        Content::Choice(options) => blocks(|all| all.choice(host, options), effects)?,
        Content::Dropdown(options) => blocks(|all| all.dropdown(host, options), effects)?,
        Content::Custom { kind, data } if kind == "blocks" => own_blocks(data)?,
        Content::Bloc { items } => {
            let mut pieces = Vec::new();
            for item in items {
                pieces.extend(render(host, item, effects)?);
            }
            pieces
        }
        Content::Custom { kind, .. } => {
            let kind: String = kind.chars().take(60).collect();
            return Err(
                Fault::new(FaultCode::Unsupported, format!("Slack has nothing like '{kind}'")).at("/type")
            );
        }
    };
    if pieces.is_empty() {
        return Err(bad(
            "/payload",
            format!("the {} shows nothing; Slack takes no empty messages", content.kind()),
        ));
    }
    Ok(pieces)
}

fn bad(field: impl Into<String>, reason: impl Into<String>) -> Fault {
    Fault::new(FaultCode::BadInput, reason).at(field)
}

fn texts(texts: Vec<String>) -> Vec<Piece> {
    texts.into_iter().map(|text| Piece::Post(Post { text, blocks: Vec::new() })).collect()
}

fn blocks(
    fill: impl FnOnce(&mut Blocks<'_>) -> Result<(), Fault>,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Piece>, Fault> {
    let mut all = Blocks::new(effects);
    fill(&mut all)?;
    Ok(all.into_posts().into_iter().map(Piece::Post).collect())
}

/// Plain text in pieces that are within the limit once they are escaped.
fn escaped(text: &str, limit: usize) -> Vec<String> {
    let mut out = Vec::new();
    for piece in split(text, limit, Measure::Utf16) {
        let written = escape(&piece);
        if Measure::Utf16.of(&written) <= limit || limit < 16 {
            out.push(written);
        } else {
            // Escapes make a text at most five times as long.
            for part in split(&piece, limit / 5, Measure::Utf16) {
                out.push(escape(&part));
            }
        }
    }
    out
}

fn escaped_location(place: &Location) -> Vec<String> {
    let (latitude, longitude) = (place.latitude, place.longitude);
    let link = format!(
        "<https://www.google.com/maps/search/?api=1&amp;query={latitude},{longitude}|{latitude}, {longitude}>"
    );
    let named: Vec<&str> = [&place.title, &place.address].into_iter().flatten().map(String::as_str).collect();
    let mut texts = escaped(&named.join("\n"), TEXT);
    match texts.last_mut().filter(|last| Measure::Utf16.of(last) + Measure::Utf16.of(&link) < TEXT) {
        Some(last) => {
            last.push('\n');
            last.push_str(&link);
        }
        None => texts.push(link),
    }
    texts
}

/// A picture by its address where Slack shows it so, else as a file.
fn picture(media: &Media) -> Result<Piece, Fault> {
    let upload = upload(media, "imageUrl", "image")?;
    let kind = media
        .mime_type
        .as_deref()
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let path = Url::parse(&media.url).map(|url| url.path().to_ascii_lowercase()).unwrap_or_default();
    let shown = match kind {
        Some(kind) => SHOWN.contains(&kind.as_str()),
        None => !NOT_SHOWN.iter().any(|ending| path.ends_with(ending)),
    };
    if !shown || Measure::Utf16.of(&media.url) > ADDRESS {
        return Ok(Piece::Upload(upload));
    }
    let title = media.title.as_deref().filter(|title| !title.trim().is_empty());
    let alt = title.unwrap_or(&upload.filename);
    let mut block =
        json!({ "type": "image", "image_url": media.url, "alt_text": ellipsize(alt, ALT, Measure::Utf16) });
    let mut posted = Post { text: escape(&ellipsize(alt, ALT, Measure::Utf16)), blocks: Vec::new() };
    match title {
        Some(title) if Measure::Utf16.of(title) <= ALT => {
            block["title"] = json!({ "type": "plain_text", "text": title, "emoji": true });
            posted.blocks.push(block);
        }
        Some(title) => {
            // A caption too long for the block stands above it.
            let sections = escaped(title, blocks::SECTION).into_iter();
            posted.blocks.extend(
                sections.map(|text| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })),
            );
            posted.blocks.push(block);
        }
        None => posted.blocks.push(block),
    }
    Ok(Piece::Picture(posted, upload))
}

fn upload(media: &Media, field: &str, kind: &str) -> Result<Upload, Fault> {
    let url =
        Url::parse(&media.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        return Err(bad(format!("/payload/{field}"), format!("{field} must be an http or https address")));
    };
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let filename = [media.filename.as_deref().unwrap_or_default(), last, kind].into_iter().map(file_name);
    let filename = filename.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| kind.to_owned());
    let title = media
        .title
        .as_deref()
        .map(|title| ellipsize(title.trim(), ALT, Measure::Utf16))
        .filter(|title| !title.is_empty());
    Ok(Upload { url: media.url.clone(), title: title.unwrap_or_else(|| filename.clone()), filename })
}

/// A name without a path and without letters that have no place in a name.
fn file_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = name
        .chars()
        .filter(|letter| !letter.is_control() && !matches!(letter, '"' | '<' | '>' | '|'))
        .collect();
    ellipsize(kept.trim_matches([' ', '.']), 200, Measure::Utf16)
}

/// Block Kit as the bot wrote it, or its text alone.
fn own_blocks(data: &Value) -> Result<Vec<Piece>, Fault> {
    let text = data.get("text").and_then(Value::as_str).unwrap_or_default();
    let own = match data.get("blocks") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(blocks)) => blocks,
        Some(_) => {
            return Err(bad(
                "/payload/blocks",
                "blocks must be a list of Block Kit blocks with 1 to 50 items",
            ));
        }
    };
    if own.is_empty() && text.trim().is_empty() {
        return Err(bad(
            "/payload/blocks",
            "blocks is missing, must be a list of Block Kit blocks with 1 to 50 items",
        ));
    }
    if own.len() > blocks::MOST {
        return Err(bad(
            "/payload/blocks",
            format!("blocks has {} items, Slack takes at most 50", own.len()),
        ));
    }
    if own.is_empty() {
        return Ok(texts(escaped(text, TEXT)));
    }
    Ok(vec![Piece::Post(Post { text: escape(&ellipsize(text, TEXT, Measure::Utf16)), blocks: own.to_vec() })])
}
