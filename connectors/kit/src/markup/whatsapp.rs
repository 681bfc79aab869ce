//! WhatsApp's text formatting. It has no escape character: a stray `*`, `_` or `~` stays as it is.

use super::table::Table;
use super::tree::{Block, Mark};
use super::walk::{Rules, around_lines, before_lines, words_and_url};

pub(super) struct WhatsApp;

impl Rules for WhatsApp {
    fn text(&self, text: &str) -> String {
        text.to_owned()
    }
    fn mark(&self, mark: Mark, inner: &str) -> String {
        match mark {
            Mark::Bold => around_lines(inner, "*"),
            Mark::Italic => around_lines(inner, "_"),
            Mark::Strike => around_lines(inner, "~"),
            Mark::Underline | Mark::Spoiler => inner.to_owned(),
        }
    }
    fn code(&self, code: &str) -> String {
        format!("`{code}`")
    }
    fn link(&self, url: &str, label: &str, words: &str) -> String {
        if words.trim() == url { url.to_owned() } else { words_and_url(label, url) }
    }
    fn image(&self, url: &str, alt: &str) -> String {
        format!("Image: {}", words_and_url(alt, url))
    }
    fn heading(&self, inner: &str) -> String {
        around_lines(inner, "*")
    }
    fn code_block(&self, _: &str, text: &str) -> String {
        format!("```\n{text}\n```")
    }
    fn quote(&self, inner: &str, depth: usize) -> String {
        before_lines(inner, if depth == 0 { "> " } else { "» " })
    }
    fn bullet(&self, depth: usize) -> &'static str {
        match depth {
            0 => "-",
            1 => "◦",
            2 => "➤",
            _ => "✦",
        }
    }
    fn indent(&self) -> &'static str {
        "\u{2002}\u{2002}"
    }
    fn table(&self, table: &Table<'_>) -> Block {
        table.as_is()
    }
}
