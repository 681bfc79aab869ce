//! Outbound: a bot's Markdown as the text that a channel shows.
//!
//! The source is CommonMark with strikethrough, tables and task lists. It is read once into a tree
//! (`read`, `tree`), which each dialect writes by its own rules (`plain`, `telegram_html`, `slack_mrkdwn`,
//! `whatsapp`) under one walk (`walk`). Before: the renderer of a connector. After: `split`, when
//! the channel has a limit.

pub(crate) mod cut;
mod html;
mod parts;
mod plain;
mod read;
pub mod slack_mrkdwn;
mod table;
mod telegram_html;
pub(crate) mod tree;
pub(crate) mod walk;
mod whatsapp;

#[cfg(test)]
pub(crate) mod tests;

pub use parts::{MarkdownPart, parts};

use tree::Block;
use walk::Rules;

/// What a channel understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// No markup at all: SMS, notification texts, fallbacks.
    Plain,
    /// Telegram's `parse_mode` `HTML`.
    TelegramHtml,
    /// Slack's mrkdwn, for `text` and for blocks of type `mrkdwn`.
    SlackMrkdwn,
    /// WhatsApp's text formatting.
    WhatsApp,
}

impl Dialect {
    pub(crate) fn rules(self) -> &'static dyn Rules {
        match self {
            Self::Plain => &plain::Plain,
            Self::TelegramHtml => &telegram_html::TelegramHtml,
            Self::SlackMrkdwn => &slack_mrkdwn::SlackMrkdwn,
            Self::WhatsApp => &whatsapp::WhatsApp,
        }
    }

    /// The tree as this dialect is to write it: tables are already text here.
    pub(crate) fn read(self, markdown: &str) -> Vec<Block> {
        let rules = self.rules();
        read::parse(markdown, &|table| rules.table(table))
    }

    pub(crate) fn write(self, blocks: &[Block]) -> String {
        walk::document(blocks, self.rules())
    }
}

/// Markdown in a channel's dialect; empty when nothing visible is in it. Never fails: what is not
/// markup is text.
pub fn render(markdown: &str, dialect: Dialect) -> String {
    dialect.write(&dialect.read(markdown))
}
