//! Markdown without any markup: what stays are words, addresses and lines.

use super::table::Table;
use super::tree::{Block, Mark};
use super::walk::{Rules, before_lines, words_and_url};

pub(super) struct Plain;

impl Rules for Plain {
    fn text(&self, text: &str) -> String {
        text.to_owned()
    }
    fn mark(&self, _: Mark, inner: &str) -> String {
        inner.to_owned()
    }
    fn code(&self, code: &str) -> String {
        code.to_owned()
    }
    fn link(&self, url: &str, _: &str, words: &str) -> String {
        words_and_url(words, url)
    }
    fn image(&self, url: &str, alt: &str) -> String {
        words_and_url(alt, url)
    }
    fn heading(&self, inner: &str) -> String {
        inner.to_owned()
    }
    fn code_block(&self, _: &str, text: &str) -> String {
        text.to_owned()
    }
    fn quote(&self, inner: &str, _: usize) -> String {
        before_lines(inner, "> ")
    }
    fn table(&self, table: &Table<'_>) -> Block {
        table.rows()
    }
}
