//! Outbound: long text in pieces that a channel takes.
//!
//! A cut never falls inside a grapheme cluster (what a reader sees as one character), and falls
//! between paragraphs, lines, sentences or words where one of those is near. After: `markup`,
//! whose pieces are cut in the tree so that each is well-formed; before: the provider call.

mod border;
mod markdown;

#[cfg(test)]
pub(crate) mod tests;

use unicode_segmentation::UnicodeSegmentation;

use crate::markup::Dialect;

/// How a channel counts the length of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Unicode scalar values.
    Chars,
    /// UTF-16 code units, as in JavaScript and at Telegram.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl Measure {
    /// The length of a text.
    pub fn of(self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Utf16 => text.chars().map(char::len_utf16).sum(),
            Self::Bytes => text.len(),
        }
    }
}

/// Cuts a text into pieces of at most `limit`, none of them blank.
///
/// A text that fits is returned as it is; of one that is cut, white space at the cuts is lost and
/// nothing else. A grapheme cluster longer than the limit is cut between characters, and a single
/// character longer than the limit stands alone. Blank text has no pieces.
pub fn split(text: &str, limit: usize, measure: Measure) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.trim().is_empty() {
        let room = border::fitting(rest, limit, measure);
        if room == rest.len() {
            pieces.push(rest.to_owned());
            break;
        }
        if room == 0 {
            let (first, after) = rest.split_at(border::first_grapheme(rest));
            pieces.extend(chars(first, limit, measure));
            rest = border::trim_start(after);
            continue;
        }
        let (piece, after) = rest.split_at(border::best(rest, room, &[]));
        let piece = border::trim_end(piece);
        if !piece.trim().is_empty() {
            pieces.push(piece.to_owned());
        }
        rest = border::trim_start(after);
    }
    pieces
}

/// A grapheme cluster that is too long, between its characters.
fn chars(grapheme: &str, limit: usize, measure: Measure) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut piece = String::new();
    let mut length = 0;
    for c in grapheme.chars() {
        let next = measure.of(c.encode_utf8(&mut [0; 4]));
        if !piece.is_empty() && length + next > limit {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        piece.push(c);
        length += next;
    }
    pieces.push(piece);
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

/// Renders Markdown in a dialect, in pieces of at most `limit` each.
///
/// Every piece is well-formed on its own: fences, tags and marks that a cut falls into are closed
/// before it and opened again after it, numbered lists go on counting. Cuts fall between blocks
/// where they can, otherwise inside one. Markup that leaves no room for its text (a link address
/// longer than the limit) is written as plain text. A limit below 16 counts as 16.
pub fn split_markdown(markdown: &str, limit: usize, measure: Measure, dialect: Dialect) -> Vec<String> {
    markdown::pieces(dialect.read(markdown), limit.max(16), measure, dialect)
}

/// The text, or as much of it as leaves room for `…` at its end, cut between grapheme clusters.
///
/// A limit too small for the `…` yields an empty text.
pub fn ellipsize(text: &str, limit: usize, measure: Measure) -> String {
    if measure.of(text) <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(measure.of("…")) else { return String::new() };
    let mut length = 0;
    let mut end = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        length += measure.of(grapheme);
        if length > room {
            break;
        }
        end = at + grapheme.len();
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}
