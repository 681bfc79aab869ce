//! Markdown as a tree: what `read` builds, every dialect writes, and `cut` cuts.
//!
//! Each leaf has content, and no tree is deeper than `read` lets it be, so a walk over one may
//! recurse.

/// A piece of a document that stands on lines of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    Paragraph(Vec<Inline>),
    Heading(Vec<Inline>),
    /// Lines as they are, in a fixed-width font.
    Code {
        language: String,
        text: String,
    },
    Quote(Vec<Block>),
    List(List),
    Rule,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    /// The number of the first item; `None` for bullets.
    pub(crate) start: Option<u64>,
    pub(crate) items: Vec<Item>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Item {
    /// A task, done or not.
    pub(crate) checked: Option<bool>,
    /// The rest of an item whose marker went out with an earlier piece.
    pub(crate) continued: bool,
    pub(crate) blocks: Vec<Block>,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Inline {
    Text(String),
    Code(String),
    Marked(Mark, Vec<Inline>),
    Link { url: String, label: Vec<Inline> },
    Image { url: String, alt: String },
    Break,
}

/// A way to set text apart. Underline and spoiler come from inline HTML only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Bold,
    Italic,
    Strike,
    Underline,
    Spoiler,
}

/// The text of inlines without any markup; an image is its alternative text.
pub(crate) fn plain_text(inlines: &[Inline]) -> String {
    let mut out = String::new();
    collect_text(inlines, &mut out);
    out
}

fn collect_text(inlines: &[Inline], out: &mut String) {
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Code(text) => out.push_str(text),
            Inline::Marked(_, inner) | Inline::Link { label: inner, .. } => collect_text(inner, out),
            Inline::Image { url, alt } => out.push_str(if alt.is_empty() { url } else { alt }),
            Inline::Break => out.push('\n'),
        }
    }
}

/// Runs of white space as one space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
