//! MarkdownV2, with the server's own messages.
//!
//! Source: Bot API, "MarkdownV2 style"; the messages after tdlib's parser.

use serde_json::{Value, json};

use super::entities::Formatted;

const RESERVED: &str = "_*[]()~`>#+-=|{}.!";

struct Open {
    kind: &'static str,
    offset: usize,
    at: usize,
}

/// Parses MarkdownV2.
pub(super) fn v2(source: &str) -> Result<Formatted, String> {
    let mut out = Formatted::default();
    let mut offset = 0;
    let mut open: Vec<Open> = Vec::new();
    let mut i = 0;
    let mut line_start = true;
    while let Some(rest) = source.get(i..).filter(|rest| !rest.is_empty()) {
        let inside = open.last().map(|open| open.kind);
        let is_code = matches!(inside, Some("code" | "pre"));
        let Some(first) = rest.chars().next() else { break };
        let escaped = rest.chars().nth(1).filter(|c| first == '\\' && c.is_ascii() && !c.is_ascii_control());
        if let Some(character) = escaped {
            push(&mut out, &mut offset, character);
            i += 1 + character.len_utf8();
            line_start = false;
            continue;
        }
        let is_marker = if is_code { first == '`' } else { RESERVED.contains(first) };
        if !is_marker {
            push(&mut out, &mut offset, first);
            i += first.len_utf8();
            line_start = first == '\n';
            continue;
        }
        if !is_code && first == '>' && line_start {
            i += 1;
            continue;
        }
        line_start = false;
        let (marker, kind): (&str, &'static str) = if rest.starts_with("```") && inside != Some("code") {
            ("```", "pre")
        } else if first == '`' && inside != Some("pre") {
            ("`", "code")
        } else if is_code {
            push(&mut out, &mut offset, first);
            i += 1;
            continue;
        } else if rest.starts_with("__") {
            ("__", "underline")
        } else if rest.starts_with("||") {
            ("||", "spoiler")
        } else {
            match first {
                '*' => ("*", "bold"),
                '_' => ("_", "italic"),
                '~' => ("~", "strikethrough"),
                '[' => ("[", "text_link"),
                ']' if inside == Some("text_link") => ("]", "text_link"),
                '!' if rest.starts_with("![") => ("![", "text_link"),
                other => {
                    return Err(format!(
                        "Character '{other}' is reserved and must be escaped with the preceding '\\'"
                    ));
                }
            }
        };
        let closes = inside == Some(kind) && marker != "[" && marker != "![";
        i += marker.len();
        if !closes {
            open.push(Open { kind, offset, at: i - marker.len() });
            if kind == "pre" {
                // The rest of the first line names the language.
                let line = source.get(i..).and_then(|rest| rest.split_once('\n')).map(|(line, _)| line);
                if let Some(line) = line.filter(|line| !line.contains([' ', '`'])) {
                    i += line.len() + usize::from(line.is_empty());
                }
            }
            continue;
        }
        let Some(opened) = open.pop() else { break };
        let mut entity = json!({"type": kind, "offset": opened.offset, "length": offset - opened.offset});
        if marker == "]" {
            let Some(after) = source.get(i..).and_then(|rest| rest.strip_prefix('(')) else { continue };
            let (link, length) =
                target(after).ok_or_else(|| format!("Can't find end of a URL at byte offset {i}"))?;
            entity["url"] = json!(link);
            i += length + 2;
        }
        if offset > opened.offset {
            out.entities.push(entity);
        }
    }
    match open.last() {
        Some(left) => {
            let kind = match left.kind {
                "bold" => "Bold",
                "italic" => "Italic",
                "underline" => "Underline",
                "strikethrough" => "Strikethrough",
                "spoiler" => "Spoiler",
                "code" => "Code",
                "pre" => "Pre",
                _ => "TextUrl",
            };
            Err(format!("Can't find end of {kind} entity at byte offset {}", left.at))
        }
        None => {
            out.entities.sort_by_key(|entity| entity.get("offset").and_then(Value::as_u64));
            Ok(out)
        }
    }
}

/// A link target up to its `)`: the target unescaped, and how many bytes it took.
fn target(after: &str) -> Option<(String, usize)> {
    let mut link = String::new();
    let mut characters = after.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            ')' => return Some((link, index)),
            '\\' => link.push(characters.next()?.1),
            other => link.push(other),
        }
    }
    None
}

fn push(out: &mut Formatted, offset: &mut usize, character: char) {
    out.text.push(character);
    *offset += character.len_utf16();
}
