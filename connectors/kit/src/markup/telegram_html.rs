//! Telegram's HTML mode: a handful of tags, each closed, everything else escaped.
//!
//! Quotes do not nest there, and there are neither lists nor headings nor tables: those become
//! marked lines, bold lines and preformatted text.

use super::table::Table;
use super::tree::{Block, Mark};
use super::walk::{Rules, before_lines, has_scheme, words_and_url};

/// What Telegram makes a link of; it refuses other addresses in silence.
const SCHEMES: [&str; 6] = ["http", "https", "tg", "ton", "mailto", "tel"];

pub(super) struct TelegramHtml;

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(c),
        }
    }
    out
}

fn attribute(text: &str) -> String {
    escape(text).replace('"', "&quot;")
}

impl Rules for TelegramHtml {
    fn text(&self, text: &str) -> String {
        escape(text)
    }
    fn mark(&self, mark: Mark, inner: &str) -> String {
        let tag = match mark {
            Mark::Bold => "b",
            Mark::Italic => "i",
            Mark::Strike => "s",
            Mark::Underline => "u",
            Mark::Spoiler => "tg-spoiler",
        };
        format!("<{tag}>{inner}</{tag}>")
    }
    fn code(&self, code: &str) -> String {
        format!("<code>{}</code>", escape(code))
    }
    fn link(&self, url: &str, label: &str, words: &str) -> String {
        if has_scheme(url, &SCHEMES) && !words.trim().is_empty() {
            format!("<a href=\"{}\">{label}</a>", attribute(url))
        } else {
            escape(&words_and_url(words, url))
        }
    }
    fn image(&self, url: &str, alt: &str) -> String {
        let words = if alt.is_empty() { url } else { alt };
        self.link(url, &escape(words), words)
    }
    fn heading(&self, inner: &str) -> String {
        format!("<b>{inner}</b>")
    }
    fn code_block(&self, language: &str, text: &str) -> String {
        let text = escape(text);
        if language.is_empty() {
            format!("<pre>{text}</pre>")
        } else {
            format!("<pre><code class=\"language-{}\">{text}</code></pre>", attribute(language))
        }
    }
    fn quote(&self, inner: &str, depth: usize) -> String {
        if depth == 0 { format!("<blockquote>{inner}</blockquote>") } else { before_lines(inner, "» ") }
    }
    fn bullet(&self, depth: usize) -> &'static str {
        match depth {
            0 => "•",
            1 => "◦",
            _ => "▪",
        }
    }
    fn table(&self, table: &Table<'_>) -> Block {
        table.aligned()
    }
}
