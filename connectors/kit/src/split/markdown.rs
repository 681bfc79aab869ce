//! Cutting rendered Markdown: the tree is cut, and each half written on its own.

use unicode_segmentation::UnicodeSegmentation;

use super::{Measure, border};
use crate::markup::Dialect;
use crate::markup::cut::{Outline, head, outline, tail};
use crate::markup::tree::{Block, Inline};

pub(super) fn pieces(mut rest: Vec<Block>, limit: usize, measure: Measure, dialect: Dialect) -> Vec<String> {
    let mut pieces = Vec::new();
    // Written text is hardly ever shorter than its source, so more than this never fits.
    let most = limit.saturating_mul(4).saturating_add(64);
    while !rest.is_empty() {
        let outline = outline(&rest, most);
        if outline.whole {
            let text = dialect.write(&rest);
            if measure.of(&text) <= limit {
                pieces.push(text);
                break;
            }
        }
        let fits = |units: usize| measure.of(&dialect.write(&head(&rest, units))) <= limit;
        match cut(&rest, &outline, &fits) {
            Some(units) => {
                let shown = outline.text.get(..units).map_or(units, |text| border::trim_end(text).len());
                pieces.push(dialect.write(&head(&rest, shown)));
                rest = tail(rest, units + blank(&outline.text, units));
            }
            None => rest = plainer(rest),
        }
    }
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

/// The white space after a cut, which is lost there.
fn blank(text: &str, at: usize) -> usize {
    let after = text.get(at..).unwrap_or_default();
    after.len() - border::trim_start(after).len()
}

/// Where to cut so that the head fits; `None` when not even its first grapheme does.
fn cut(rest: &[Block], outline: &Outline, fits: &dyn Fn(usize) -> bool) -> Option<usize> {
    let text = &outline.text;
    let mut places: Vec<usize> = text.grapheme_indices(true).map(|(at, g)| at + g.len()).collect();
    places.extend(outline.blocks.iter().chain(&outline.inner));
    places.retain(|at| *at > 0);
    places.sort_unstable();
    places.dedup();
    let mut end = places.partition_point(|at| fits(*at));
    while let Some(room) = end.checked_sub(1).and_then(|last| places.get(last)).copied() {
        let at = best(outline, room);
        if fits(at) {
            return Some(at);
        }
        end = places.partition_point(|place| *place < at);
    }
    // Text without markup whose first grapheme is too long: between its characters.
    let Some(Block::Paragraph(inlines)) = rest.first() else { return None };
    if !inlines.iter().all(|inline| matches!(inline, Inline::Text(_) | Inline::Break)) {
        return None;
    }
    let ends: Vec<usize> = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    let fitting = ends.partition_point(|at| fits(*at));
    ends.get(fitting.saturating_sub(1)).copied()
}

fn best(outline: &Outline, room: usize) -> usize {
    let block = outline.blocks.iter().rev().copied().find(|at| *at > 0 && *at <= room);
    block.unwrap_or_else(|| {
        if room >= outline.text.len() { room } else { border::best(&outline.text, room, &outline.inner) }
    })
}

/// The first block as bare text: for markup that leaves no room for what it marks.
fn plainer(rest: Vec<Block>) -> Vec<Block> {
    let mut blocks = rest.into_iter();
    let Some(first) = blocks.next() else { return Vec::new() };
    let mut inlines = Vec::new();
    for line in Dialect::Plain.write(&[first]).lines() {
        if !inlines.is_empty() {
            inlines.push(Inline::Break);
        }
        if !line.is_empty() {
            inlines.push(Inline::Text(line.to_owned()));
        }
    }
    let first = (!inlines.is_empty()).then_some(Block::Paragraph(inlines));
    first.into_iter().chain(blocks).collect()
}
