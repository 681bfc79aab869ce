//! Cutting a tree in two at a place in its text, so that each half is a whole document.
//!
//! A place is a number of units: the bytes of all text before it, and one for each thing that is
//! not text (a break, an image, a rule, the marker of an item). [`outline`] writes the same units
//! as a string of the same length, in which borders are looked for.

use super::tree::{Block, Inline, Item, List};

/// Stands in an outline for what is not text. A control character, so no grapheme includes it.
const THING: char = '\u{1A}';

/// The text of a tree and where its blocks end.
#[derive(Default)]
pub(crate) struct Outline {
    pub(crate) text: String,
    /// Ends of top-level blocks.
    pub(crate) blocks: Vec<usize>,
    /// Ends of items and of blocks inside blocks.
    pub(crate) inner: Vec<usize>,
    /// False when the outline stopped at its limit.
    pub(crate) whole: bool,
}

/// The outline of the first `most` units, or a little more.
pub(crate) fn outline(blocks: &[Block], most: usize) -> Outline {
    let mut outline = Outline { whole: true, ..Outline::default() };
    for block in blocks {
        if !outline.block(block, most) {
            outline.whole = false;
            return outline;
        }
        outline.blocks.push(outline.text.len());
    }
    outline
}

impl Outline {
    fn block(&mut self, block: &Block, most: usize) -> bool {
        match block {
            Block::Paragraph(inlines) | Block::Heading(inlines) => self.inlines(inlines, most),
            Block::Code { text, .. } => self.push(text, most),
            Block::Quote(blocks) => self.blocks(blocks, most),
            Block::List(list) => list.items.iter().all(|item| {
                if !item.continued {
                    self.text.push(THING);
                }
                let whole = self.blocks(&item.blocks, most);
                self.inner.push(self.text.len());
                whole
            }),
            Block::Rule => self.push_char(THING, most),
        }
    }

    fn blocks(&mut self, blocks: &[Block], most: usize) -> bool {
        blocks.iter().all(|block| {
            let whole = self.block(block, most);
            self.inner.push(self.text.len());
            whole
        })
    }

    fn inlines(&mut self, inlines: &[Inline], most: usize) -> bool {
        inlines.iter().all(|inline| match inline {
            Inline::Text(text) | Inline::Code(text) => self.push(text, most),
            Inline::Marked(_, inner) | Inline::Link { label: inner, .. } => self.inlines(inner, most),
            Inline::Image { .. } => self.push_char(THING, most),
            Inline::Break => self.push_char('\n', most),
        })
    }

    fn push(&mut self, text: &str, most: usize) -> bool {
        let room = most.saturating_sub(self.text.len());
        if text.len() <= room {
            self.text.push_str(text);
            return true;
        }
        self.text.push_str(text.get(..floor(text, room)).unwrap_or_default());
        false
    }

    fn push_char(&mut self, c: char, most: usize) -> bool {
        let room = self.text.len() < most;
        if room {
            self.text.push(c);
        }
        room
    }
}

/// The first `units` of a tree.
pub(crate) fn head(blocks: &[Block], units: usize) -> Vec<Block> {
    head_blocks(blocks, &mut { units })
}

/// All but the first `units` of a tree. An item cut in two goes on without a marker, and a list
/// goes on counting.
pub(crate) fn tail(blocks: Vec<Block>, units: usize) -> Vec<Block> {
    tail_blocks(blocks, &mut { units })
}

fn head_blocks(blocks: &[Block], left: &mut usize) -> Vec<Block> {
    let mut out = Vec::new();
    for block in blocks {
        if *left == 0 {
            break;
        }
        out.push(match block {
            Block::Paragraph(inlines) => Block::Paragraph(head_inlines(inlines, left)),
            Block::Heading(inlines) => Block::Heading(head_inlines(inlines, left)),
            Block::Code { language, text } => {
                Block::Code { language: language.clone(), text: head_text(text, left) }
            }
            Block::Quote(blocks) => Block::Quote(head_blocks(blocks, left)),
            Block::List(list) => Block::List(head_list(list, left)),
            Block::Rule => {
                *left -= 1;
                Block::Rule
            }
        });
    }
    out
}

fn head_list(list: &List, left: &mut usize) -> List {
    let mut items = Vec::new();
    for item in &list.items {
        if *left == 0 {
            break;
        }
        if !item.continued {
            *left -= 1;
        }
        items.push(Item {
            checked: item.checked,
            continued: item.continued,
            blocks: head_blocks(&item.blocks, left),
        });
    }
    List { start: list.start, items }
}

fn head_inlines(inlines: &[Inline], left: &mut usize) -> Vec<Inline> {
    let mut out = Vec::new();
    for inline in inlines {
        if *left == 0 {
            break;
        }
        out.push(match inline {
            Inline::Text(text) => Inline::Text(head_text(text, left)),
            Inline::Code(text) => Inline::Code(head_text(text, left)),
            Inline::Marked(mark, inner) => Inline::Marked(*mark, head_inlines(inner, left)),
            Inline::Link { url, label } => {
                Inline::Link { url: url.clone(), label: head_inlines(label, left) }
            }
            Inline::Image { .. } | Inline::Break => {
                *left -= 1;
                inline.clone()
            }
        });
    }
    out
}

fn head_text(text: &str, left: &mut usize) -> String {
    let take = floor(text, *left);
    *left = left.saturating_sub(text.len());
    text.get(..take).unwrap_or_default().to_owned()
}

fn tail_blocks(blocks: Vec<Block>, left: &mut usize) -> Vec<Block> {
    let mut out = Vec::with_capacity(blocks.len());
    for block in blocks {
        if *left == 0 {
            out.push(block);
            continue;
        }
        out.extend(match block {
            Block::Paragraph(inlines) => filled(tail_inlines(inlines, left)).map(Block::Paragraph),
            Block::Heading(inlines) => filled(tail_inlines(inlines, left)).map(Block::Heading),
            Block::Code { language, text } => {
                tail_text(text, left).map(|text| Block::Code { language, text })
            }
            Block::Quote(blocks) => filled(tail_blocks(blocks, left)).map(Block::Quote),
            Block::List(list) => tail_list(list, left).map(Block::List),
            Block::Rule => {
                *left -= 1;
                None
            }
        });
    }
    out
}

fn tail_list(list: List, left: &mut usize) -> Option<List> {
    let mut start = list.start;
    let mut items = Vec::with_capacity(list.items.len());
    for mut item in list.items {
        if *left == 0 {
            items.push(item);
            continue;
        }
        if !item.continued {
            *left -= 1;
        }
        item.continued = true;
        item.blocks = tail_blocks(item.blocks, left);
        if item.blocks.is_empty() {
            start = start.map(|number| number.saturating_add(1));
        } else {
            items.push(item);
        }
    }
    (!items.is_empty()).then_some(List { start, items })
}

fn tail_inlines(inlines: Vec<Inline>, left: &mut usize) -> Vec<Inline> {
    let mut out = Vec::with_capacity(inlines.len());
    for inline in inlines {
        if *left == 0 {
            out.push(inline);
            continue;
        }
        out.extend(match inline {
            Inline::Text(text) => tail_text(text, left).map(Inline::Text),
            Inline::Code(text) => tail_text(text, left).map(Inline::Code),
            Inline::Marked(mark, inner) => {
                filled(tail_inlines(inner, left)).map(|inner| Inline::Marked(mark, inner))
            }
            Inline::Link { url, label } => {
                filled(tail_inlines(label, left)).map(|label| Inline::Link { url, label })
            }
            Inline::Image { .. } | Inline::Break => {
                *left -= 1;
                None
            }
        });
    }
    out
}

fn tail_text(mut text: String, left: &mut usize) -> Option<String> {
    let cut = floor(&text, *left);
    *left = left.saturating_sub(text.len());
    if cut >= text.len() {
        return None;
    }
    text.drain(..cut);
    Some(text)
}

fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The last border between characters that is not after `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
