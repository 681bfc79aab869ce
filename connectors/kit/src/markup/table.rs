//! Tables, which no chat shows as such: three ways to write one as text.

use unicode_width::UnicodeWidthStr;

use super::tree::{Block, Inline};

/// Wider cells are not padded to: one long cell must not blow up every row.
const MAX_PADDING: usize = 40;

/// A table as read; the first row is its head.
pub(crate) struct Table<'a> {
    /// The Markdown it was read from, when that stands alone on its lines.
    pub(crate) source: Option<&'a str>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// Columns lined up in a fixed-width font, a line of dashes under the head.
    pub(crate) fn aligned(&self) -> Block {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.width()).max().unwrap_or_default().clamp(1, MAX_PADDING)
            })
            .collect();
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                let padding = width.saturating_sub(cell.width());
                format!("{cell}{}", " ".repeat(padding))
            });
            lines.push(cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned());
            if index == 0 {
                lines.push(widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("-+-"));
            }
        }
        Block::Code { language: String::new(), text: lines.join("\n") }
    }

    /// The Markdown itself, or the same in Markdown's own form.
    pub(crate) fn as_is(&self) -> Block {
        let Some(source) = self.source else {
            let mut lines: Vec<String> =
                self.rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
            if let Some(head) = self.rows.first() {
                lines.insert(1, format!("|{}", " --- |".repeat(head.len())));
            }
            return paragraph(lines.iter().map(String::as_str));
        };
        paragraph(source.trim_end().lines())
    }

    /// A line for each row, its cells between bars.
    pub(crate) fn rows(&self) -> Block {
        let lines: Vec<String> = self.rows.iter().map(|row| row.join(" | ")).collect();
        paragraph(lines.iter().map(String::as_str))
    }
}

fn paragraph<'l>(lines: impl Iterator<Item = &'l str>) -> Block {
    let mut inlines = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if !inlines.is_empty() {
            inlines.push(Inline::Break);
        }
        inlines.push(Inline::Text(line.to_owned()));
    }
    Block::Paragraph(inlines)
}
