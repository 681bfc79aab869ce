//! Formatted text: the server's HTML dialect, really parsed, with the server's own messages.
//!
//! Source: Bot API, "Formatting options"; the messages and their byte offsets after tdlib's parser.

use serde_json::{Value, json};

use super::answer::{Refused, bad};
use super::markdown;
use super::params::Params;

const TAGS: [&str; 18] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "s",
    "strike",
    "del",
    "u",
    "ins",
    "tg-spoiler",
    "tg-emoji",
    "tg-time",
    "span",
    "pre",
    "code",
    "blockquote",
    "br",
];

/// Text without its markup, and its entities with offsets in UTF-16 units.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Formatted {
    pub(super) text: String,
    pub(super) entities: Vec<Value>,
}

/// Length in UTF-16 units, as Telegram counts.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Reads `field` after `parse_mode`; texts end without blank space, as the server keeps them.
pub(super) fn read(params: &Params, field: &str) -> Result<Formatted, Refused> {
    let raw = params.text(field);
    let mode = params.text("parse_mode");
    let parsed = match mode.to_ascii_lowercase().as_str() {
        "" => Ok(Formatted { text: raw, entities: Vec::new() }),
        "html" => html(&raw),
        "markdownv2" => markdown::v2(&raw),
        // The old mode is kept by the server for old bots only; Portico never uses it.
        "markdown" => Ok(Formatted { text: raw, entities: Vec::new() }),
        _ => return Err(bad("unsupported parse_mode")),
    };
    let mut formatted = parsed.map_err(|why| bad(format!("can't parse entities: {why}")))?;
    formatted.text.truncate(formatted.text.trim_end().len());
    Ok(formatted)
}

struct Open {
    tag: String,
    argument: Option<String>,
    offset: usize,
}

/// Parses Telegram's HTML.
pub(super) fn html(source: &str) -> Result<Formatted, String> {
    let bytes = source.as_bytes();
    // A zero byte ends the scan, as in the server: every look-ahead below is safe.
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let mut out = Formatted::default();
    let mut offset = 0;
    let mut open: Vec<Open> = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let begin = i;
        match at(i) {
            b'&' => {
                let (character, next) = entity(source, i);
                out.text.push(character);
                offset += character.len_utf16();
                i = next;
            }
            b'<' if at(i + 1) != b'/' => {
                i += 1;
                let tag_start = i;
                while at(i) != 0 && !at(i).is_ascii_whitespace() && at(i) != b'>' {
                    i += 1;
                }
                if at(i) == 0 {
                    return Err(format!("Unclosed start tag at byte offset {begin}"));
                }
                let tag = slice(source, tag_start, i).to_ascii_lowercase();
                if !TAGS.contains(&tag.as_str()) || tag == "br" {
                    return Err(format!("Unsupported start tag \"{tag}\" at byte offset {begin}"));
                }
                let (argument, next) = attributes(source, i, &tag, begin)?;
                i = next + 1;
                if tag == "span" && argument.as_deref() != Some("tg-spoiler") {
                    return Err(format!(
                        "Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"
                    ));
                }
                open.push(Open { tag, argument, offset });
            }
            b'<' => {
                let Some(opened) = open.pop() else {
                    return Err(format!("Unexpected end tag at byte offset {begin}"));
                };
                i += 2;
                let tag_start = i;
                while at(i) != 0 && !at(i).is_ascii_whitespace() && at(i) != b'>' {
                    i += 1;
                }
                let tag = slice(source, tag_start, i).to_ascii_lowercase();
                while at(i) != 0 && at(i).is_ascii_whitespace() {
                    i += 1;
                }
                if at(i) != b'>' {
                    return Err(format!("Unclosed end tag at byte offset {begin}"));
                }
                if !tag.is_empty() && tag != opened.tag {
                    return Err(format!(
                        "Unmatched end tag at byte offset {begin}, expected \"</{}>\", found \"</{tag}>\"",
                        opened.tag
                    ));
                }
                i += 1;
                if offset > opened.offset {
                    close(&mut out, &opened, offset);
                }
            }
            _ => {
                let character = source.get(i..).and_then(|rest| rest.chars().next()).unwrap_or('\u{fffd}');
                out.text.push(character);
                offset += character.len_utf16();
                i += character.len_utf8();
            }
        }
    }
    match open.last() {
        Some(left) => Err(format!("Can't find end tag corresponding to start tag \"{}\"", left.tag)),
        None => {
            out.entities.sort_by_key(|entity| {
                let number = |name: &str| entity.get(name).and_then(Value::as_u64).unwrap_or_default();
                (number("offset"), u64::MAX - number("length"))
            });
            Ok(out)
        }
    }
}

/// Attributes up to `>`; gives what the tag needs of them and the place of `>`.
fn attributes(
    source: &str,
    mut i: usize,
    tag: &str,
    begin: usize,
) -> Result<(Option<String>, usize), String> {
    let bytes = source.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let unclosed = || format!("Unclosed start tag \"{tag}\" at byte offset {begin}");
    let mut argument = None;
    while at(i) != b'>' {
        while at(i) != 0 && at(i).is_ascii_whitespace() {
            i += 1;
        }
        if at(i) == b'>' {
            break;
        }
        let name_start = i;
        while at(i) != 0 && !at(i).is_ascii_whitespace() && at(i) != b'=' && at(i) != b'>' {
            i += 1;
        }
        let name = slice(source, name_start, i).to_ascii_lowercase();
        if at(i) == 0 {
            return Err(unclosed());
        }
        if name.is_empty() {
            return Err(format!("Empty attribute name in the tag \"{tag}\" at byte offset {begin}"));
        }
        while at(i) != 0 && at(i).is_ascii_whitespace() {
            i += 1;
        }
        let mut value = String::new();
        if at(i) == b'=' {
            i += 1;
            while at(i) != 0 && at(i).is_ascii_whitespace() {
                i += 1;
            }
            let quote = at(i);
            if quote == b'"' || quote == b'\'' {
                i += 1;
                while at(i) != 0 && at(i) != quote {
                    if at(i) == b'&' {
                        let (character, next) = entity(source, i);
                        value.push(character);
                        i = next;
                    } else {
                        let character =
                            source.get(i..).and_then(|rest| rest.chars().next()).unwrap_or('\u{fffd}');
                        value.push(character);
                        i += character.len_utf8();
                    }
                }
                if at(i) == 0 {
                    return Err(unclosed());
                }
                i += 1;
            } else {
                let token_start = i;
                while at(i).is_ascii_alphanumeric() || at(i) == b'.' || at(i) == b'-' {
                    i += 1;
                }
                if !at(i).is_ascii_whitespace() && at(i) != b'>' {
                    return Err(format!("Unexpected end of name token at byte offset {token_start}"));
                }
                value = slice(source, token_start, i).to_ascii_lowercase();
            }
        }
        match (tag, name.as_str()) {
            ("a", "href") | ("tg-emoji", "emoji-id") | ("tg-time", "unix") => argument = Some(value),
            ("span", "class") if value.starts_with("tg-") => argument = Some(value),
            ("code", "class") => argument = value.strip_prefix("language-").map(str::to_owned),
            ("blockquote", "expandable") => argument = Some(String::new()),
            _ => {}
        }
    }
    if at(i) == 0 { Err(unclosed()) } else { Ok((argument, i)) }
}

fn close(out: &mut Formatted, opened: &Open, offset: usize) {
    let mut entity = json!({"offset": opened.offset, "length": offset - opened.offset});
    let kind = match opened.tag.as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "s" | "strike" | "del" => "strikethrough",
        "u" | "ins" => "underline",
        "tg-spoiler" | "span" => "spoiler",
        "code" => "code",
        "pre" => "pre",
        "blockquote" if opened.argument.is_some() => "expandable_blockquote",
        "blockquote" => "blockquote",
        "tg-emoji" => "custom_emoji",
        "a" => {
            let inner: String =
                String::from_utf16_lossy(&out.text.encode_utf16().skip(opened.offset).collect::<Vec<u16>>());
            let link = opened.argument.clone().unwrap_or(inner);
            // A link that is none leaves its text unformatted.
            match url::Url::parse(&link) {
                Ok(url) if matches!(url.scheme(), "http" | "https" | "tg" | "ton" | "mailto" | "tel") => {
                    entity["url"] = json!(link);
                    "text_link"
                }
                _ => return,
            }
        }
        _ => return,
    };
    entity["type"] = json!(kind);
    if opened.tag == "code" && opened.argument.is_some() {
        entity["language"] = json!(opened.argument);
    }
    // `<pre><code class="language-x">` is one entity with a language.
    if kind == "pre" {
        let inner = out.entities.iter().position(|inner| {
            inner["type"] == "code"
                && inner["offset"] == entity["offset"]
                && inner["length"] == entity["length"]
        });
        if let Some(inner) = inner {
            let inner = out.entities.remove(inner);
            if let Some(language) = inner.get("language") {
                entity["language"] = language.clone();
            }
        }
    }
    out.entities.push(entity);
}

/// A character reference at `i`: the character and the place after it. An unknown one is a plain `&`.
fn entity(source: &str, i: usize) -> (char, usize) {
    let rest = source.get(i + 1..).unwrap_or_default();
    for (name, character) in [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"')] {
        if let Some(after) = rest.strip_prefix(name) {
            let end = i + 1 + name.len();
            return (character, if after.starts_with(';') { end + 1 } else { end });
        }
    }
    if let Some(number) = rest.strip_prefix('#') {
        let (digits, radix, skipped) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16, 3),
            None => (number, 10, 2),
        };
        let length = digits.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
        let code = u32::from_str_radix(slice(digits, 0, length), radix).ok();
        if let Some(character) = code.and_then(char::from_u32).filter(|c| *c != '\0') {
            let end = i + skipped + length;
            let has_end = source.as_bytes().get(end) == Some(&b';');
            return (character, if has_end { end + 1 } else { end });
        }
    }
    ('&', i + 1)
}

fn slice(source: &str, from: usize, to: usize) -> &str {
    source.get(from..to).unwrap_or_default()
}
