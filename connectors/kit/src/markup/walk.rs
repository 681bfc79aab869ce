//! One walk over the tree for all dialects: what they have in common is here, what differs is
//! asked of their [`Rules`].

use super::table::Table;
use super::tree::{Block, Inline, Item, List, Mark, plain_text};

/// Keeps a mark from touching a letter without being seen.
pub(crate) const ZERO_WIDTH_SPACE: char = '\u{200B}';

/// How a dialect writes each thing. Inner texts come already written.
pub(crate) trait Rules: Sync {
    fn text(&self, text: &str) -> String;
    fn mark(&self, mark: Mark, inner: &str) -> String;
    fn code(&self, code: &str) -> String;
    /// `label` is written, `words` is the same without markup.
    fn link(&self, url: &str, label: &str, words: &str) -> String;
    fn image(&self, url: &str, alt: &str) -> String;
    fn heading(&self, inner: &str) -> String;
    fn code_block(&self, language: &str, text: &str) -> String;
    /// `depth` 0 is the outermost quote.
    fn quote(&self, inner: &str, depth: usize) -> String;
    /// The marker of an item in a list without numbers.
    fn bullet(&self, depth: usize) -> &'static str {
        let _ = depth;
        "-"
    }
    /// What stands before each line of an item but its first.
    fn indent(&self) -> &'static str {
        "  "
    }
    fn table(&self, table: &Table<'_>) -> Block;
    /// Whether a mark that touches a letter is not seen as a mark.
    fn marks_need_room(&self) -> bool {
        false
    }
}

/// Where in the tree the walk is.
#[derive(Clone, Copy, Default)]
struct Place {
    lists: usize,
    quotes: usize,
    /// Marks already open, as bits: bold in bold is bold.
    marks: u8,
    in_link: bool,
}

/// The blocks of a document, an empty line between each two.
pub(crate) fn document(blocks: &[Block], rules: &dyn Rules) -> String {
    Walk { rules }.blocks(blocks, "\n\n", Place::default())
}

struct Walk<'a> {
    rules: &'a dyn Rules,
}

impl Walk<'_> {
    fn blocks(&self, blocks: &[Block], between: &str, place: Place) -> String {
        let mut out = String::new();
        for block in blocks {
            let text = self.block(block, place);
            // Indents and bullets lead a line on purpose; empty lines do not.
            let text = text.trim_end().trim_start_matches(['\n', '\r']);
            if text.trim().is_empty() {
                continue;
            }
            if !out.is_empty() {
                out.push_str(between);
            }
            out.push_str(text);
        }
        out
    }

    fn block(&self, block: &Block, place: Place) -> String {
        match block {
            Block::Paragraph(inlines) => self.inlines(inlines, place).trim().to_owned(),
            Block::Heading(inlines) => {
                let place = Place { marks: place.marks | bit(Mark::Bold), ..place };
                let inner = self.inlines(inlines, place);
                self.rules.heading(inner.trim())
            }
            Block::Code { language, text } => {
                self.rules.code_block(language, text.trim_matches(['\n', '\r']).trim_end())
            }
            Block::Quote(blocks) => {
                let inner = self.blocks(blocks, "\n\n", Place { quotes: place.quotes + 1, ..place });
                if inner.is_empty() { inner } else { self.rules.quote(&inner, place.quotes) }
            }
            Block::List(list) => self.list(list, place),
            Block::Rule => "---".to_owned(),
        }
    }

    fn list(&self, list: &List, place: Place) -> String {
        let mut lines: Vec<String> = Vec::new();
        for (index, item) in list.items.iter().enumerate() {
            let number = list.start.map(|start| start.saturating_add(index as u64));
            lines.push(self.item(item, number, place));
        }
        lines.join("\n")
    }

    fn item(&self, item: &Item, number: Option<u64>, place: Place) -> String {
        let inner = self.blocks(&item.blocks, "\n", Place { lists: place.lists + 1, ..place });
        let indent = self.rules.indent();
        let mut out = String::new();
        if item.continued {
            out.push_str(indent);
        } else {
            match (item.checked, number) {
                (Some(true), _) => out.push('☑'),
                (Some(false), _) => out.push('☐'),
                (None, Some(number)) => {
                    out.push_str(&number.to_string());
                    out.push('.');
                }
                (None, None) => out.push_str(self.rules.bullet(place.lists)),
            }
            if !inner.is_empty() {
                out.push(' ');
            }
        }
        for (index, line) in inner.split('\n').enumerate() {
            if index > 0 {
                out.push('\n');
                out.push_str(indent);
            }
            out.push_str(line);
        }
        out
    }

    fn inlines(&self, inlines: &[Inline], place: Place) -> String {
        let mut out = String::new();
        let mut after_mark = false;
        for inline in inlines {
            let text = self.inline(inline, place);
            let Some(first) = text.chars().next() else { continue };
            let is_mark = matches!(inline, Inline::Marked(..) | Inline::Code(_));
            if self.rules.marks_need_room() {
                let last = out.chars().next_back();
                let closes = after_mark && last.is_some_and(is_mark_sign) && first.is_alphanumeric();
                let opens = is_mark && is_mark_sign(first) && last.is_some_and(char::is_alphanumeric);
                if closes || opens {
                    out.push(ZERO_WIDTH_SPACE);
                }
            }
            out.push_str(&text);
            after_mark = is_mark;
        }
        out
    }

    fn inline(&self, inline: &Inline, place: Place) -> String {
        match inline {
            Inline::Text(text) => self.rules.text(text),
            Inline::Code(code) => self.rules.code(code),
            Inline::Marked(mark, inner) => {
                let open = place.marks & bit(*mark) != 0;
                let inner = self.inlines(inner, Place { marks: place.marks | bit(*mark), ..place });
                if open || inner.trim().is_empty() { inner } else { self.rules.mark(*mark, &inner) }
            }
            Inline::Link { label, .. } if place.in_link => self.inlines(label, place),
            Inline::Link { url, label } => {
                let words = plain_text(label);
                self.rules.link(url, &self.inlines(label, Place { in_link: true, ..place }), &words)
            }
            // A link must not hold another, and an image becomes one in most dialects.
            Inline::Image { url, alt } if place.in_link => {
                self.rules.text(if alt.is_empty() { url } else { alt })
            }
            Inline::Image { url, alt } => self.rules.image(url, alt),
            Inline::Break => "\n".to_owned(),
        }
    }
}

fn bit(mark: Mark) -> u8 {
    1 << mark as u8
}

fn is_mark_sign(c: char) -> bool {
    matches!(c, '*' | '_' | '~' | '`')
}

/// `sign` around each line that has something on it, white space left outside: a chat's own marks
/// neither reach over a line's end nor stand next to a space.
pub(crate) fn around_lines(inner: &str, sign: &str) -> String {
    let mut out = String::with_capacity(inner.len() + 2 * sign.len());
    for (index, line) in inner.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let core = line.trim();
        if core.is_empty() {
            out.push_str(line);
            continue;
        }
        let lead = line.len() - line.trim_start().len();
        out.push_str(line.get(..lead).unwrap_or_default());
        out.push_str(sign);
        out.push_str(core);
        out.push_str(sign);
        out.push_str(line.get(lead + core.len()..).unwrap_or_default());
    }
    out
}

/// A prefix on each line.
pub(crate) fn before_lines(inner: &str, prefix: &str) -> String {
    let lines = inner.split('\n').map(|line| format!("{prefix}{line}").trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// `words (url)`, or one of the two when the other says no more.
pub(crate) fn words_and_url(words: &str, url: &str) -> String {
    let bare = url.strip_prefix("mailto:").or_else(|| url.strip_prefix("tel:")).unwrap_or(url);
    match words.trim() {
        "" => bare.to_owned(),
        trimmed if url.is_empty() || trimmed == url || trimmed == bare => trimmed.to_owned(),
        trimmed => format!("{trimmed} ({url})"),
    }
}

/// Whether a client can open the address: a scheme it knows, and something after it.
pub(crate) fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    url.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.trim_start_matches('/').is_empty()
            && schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    })
}
