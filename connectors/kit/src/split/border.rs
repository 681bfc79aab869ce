//! Where a text may be cut, and where it had best be.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::Measure;

/// The length of the longest run of whole graphemes at the start that is within the limit.
pub(super) fn fitting(text: &str, limit: usize, measure: Measure) -> usize {
    let mut length = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        length += measure.of(grapheme);
        if length > limit {
            return at;
        }
    }
    text.len()
}

pub(super) fn first_grapheme(text: &str) -> usize {
    text.graphemes(true).next().map_or(0, str::len)
}

pub(super) fn is_border(text: &str, at: usize) -> bool {
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(false)
}

/// The best cut in the first `room` bytes of a text that goes on after them.
///
/// Paragraph, line and sentence borders count only when at least a quarter of the room is used, so
/// that a short first line does not become a piece of its own. `lines` are further line borders,
/// in ascending order. `room` is a grapheme border and not 0; so is the answer.
pub(super) fn best(text: &str, room: usize, lines: &[usize]) -> usize {
    let near = room / 4;
    let fits = |at: &usize| *at > near && *at <= room && is_border(text, *at);
    paragraph(text, room)
        .filter(fits)
        .or_else(|| line(text, room).max(last_of(lines, room)).filter(fits))
        .or_else(|| sentence(text, room).filter(fits))
        .or_else(|| word(text, room))
        .or_else(|| {
            let head = text.get(..room)?;
            let mut bounds = head.split_word_bound_indices().map(|(at, _)| at);
            bounds.rfind(|at| *at > room / 2 && is_border(text, *at))
        })
        .unwrap_or(room)
}

fn last_of(borders: &[usize], room: usize) -> Option<usize> {
    borders.iter().rev().copied().find(|at| *at > 0 && *at <= room)
}

/// The first `room` bytes and a few characters after them.
fn around(text: &str, room: usize, more: usize) -> &str {
    let (_, after) = text.split_at_checked(room).unwrap_or((text, ""));
    let more: usize = after.chars().take(more).map(char::len_utf8).sum();
    text.get(..room + more).unwrap_or(text)
}

/// Before the last empty line that begins within the room.
fn paragraph(text: &str, room: usize) -> Option<usize> {
    let window = around(text, room, 4);
    let mut end = window.len();
    while let Some(newline) = window.get(..end).and_then(|w| w.rfind('\n')) {
        let after = window.get(newline + 1..).unwrap_or_default();
        let empty = after.trim_start_matches([' ', '\t', '\r']).starts_with('\n');
        if empty && newline <= room {
            let head = text.get(..newline).unwrap_or_default();
            return Some(head.trim_end_matches(['\n', '\r']).len()).filter(|at| *at > 0);
        }
        end = newline;
    }
    None
}

fn line(text: &str, room: usize) -> Option<usize> {
    let window = around(text, room, 2);
    let mut end = window.len();
    while let Some(newline) = window.get(..end).and_then(|w| w.rfind('\n')) {
        let at = if window.get(..newline).is_some_and(|w| w.ends_with('\r')) { newline - 1 } else { newline };
        if at <= room {
            return Some(at).filter(|at| *at > 0);
        }
        end = newline;
    }
    None
}

fn sentence(text: &str, room: usize) -> Option<usize> {
    let (head, after) = text.split_at_checked(room)?;
    if after.starts_with(char::is_whitespace) && head.ends_with(['.', '!', '?', '…', '。', '！', '？']) {
        return Some(room);
    }
    head.split_sentence_bound_indices().map(|(at, _)| at).last().filter(|at| *at > 0)
}

fn word(text: &str, room: usize) -> Option<usize> {
    let (head, after) = text.split_at_checked(room)?;
    if after.starts_with(char::is_whitespace) {
        return Some(room);
    }
    let spaces = head.char_indices().rev().filter(|(_, c)| c.is_whitespace());
    spaces.map(|(at, c)| at + c.len_utf8()).find(|at| is_border(text, *at))
}

/// Without the white space at the end, whole graphemes of it.
pub(super) fn trim_end(text: &str) -> &str {
    let mut end = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        if !grapheme.trim().is_empty() {
            break;
        }
        end = at;
    }
    text.get(..end).unwrap_or_default()
}

/// Without the white space at the start; the indent of the first line that has text stays.
pub(super) fn trim_start(text: &str) -> &str {
    let mut start = 0;
    let mut line = None;
    for (at, grapheme) in text.grapheme_indices(true) {
        if !grapheme.trim().is_empty() {
            break;
        }
        start = at + grapheme.len();
        if grapheme.ends_with('\n') {
            line = Some(start);
        }
    }
    text.get(line.unwrap_or(start)..).unwrap_or_default()
}
