//! Slack's mrkdwn, out and in.
//!
//! Three characters are escaped, and that is what keeps text of a stranger from calling a whole
//! channel: everything in angle brackets is a command to Slack.

use super::table::Table;
use super::tree::{Block, Mark, one_line};
use super::walk::{Rules, around_lines, before_lines, has_scheme, words_and_url};

/// What may stand in angle brackets; anything else there could be a mention or a command.
const SCHEMES: [&str; 8] = ["http", "https", "mailto", "tel", "sms", "slack", "ftp", "sftp"];

pub(super) struct SlackMrkdwn;

/// Text that Slack shows as it is: `&`, `<` and `>` as entities, and nothing else.
pub fn escape(text: &str) -> String {
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

/// Text as Slack delivers it, as a person reads it.
///
/// Mentions become `@name` or `@U1`, channels `#name` or `#C1`, `<!here>` becomes `@here`, a date
/// its fallback, a link `label (url)` or, when the label says no more, the label. Entities are
/// decoded once, after the tokens are split off: an escaped `<` never makes a token.
pub fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        out.push_str(&entities(before));
        let inside = from.get(1..).unwrap_or_default();
        match inside.find(['<', '>']) {
            Some(end) if end > 0 && inside[end..].starts_with('>') => {
                out.push_str(&entities(&token(&inside[..end])));
                rest = &inside[end + 1..];
            }
            _ => {
                out.push('<');
                rest = inside;
            }
        }
    }
    out.push_str(&entities(rest));
    out
}

/// What stood between angle brackets, entities not yet decoded.
fn token(inside: &str) -> String {
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) if !label.is_empty() => (target, Some(label)),
        Some((target, _)) => (target, None),
        None => (inside, None),
    };
    let named = |sign: char, id: &str| {
        let name = label.unwrap_or(id);
        if name.starts_with(sign) { name.to_owned() } else { format!("{sign}{name}") }
    };
    if let Some(user) = target.strip_prefix('@') {
        named('@', user)
    } else if let Some(channel) = target.strip_prefix('#') {
        named('#', channel)
    } else if let Some(command) = target.strip_prefix('!') {
        match command.split_once('^') {
            Some(("subteam", id)) => named('@', id),
            Some(("date", _)) => label.unwrap_or_default().to_owned(),
            _ => label.map_or_else(|| format!("@{command}"), str::to_owned),
        }
    } else {
        let label = label.unwrap_or_default();
        let shown = ["http://", "https://"].iter().find_map(|scheme| target.strip_prefix(scheme));
        match shown {
            // Slack's own links: somebody typed `example.com`.
            Some(bare) if !label.is_empty() && bare.trim_end_matches('/') == label.trim_end_matches('/') => {
                label.to_owned()
            }
            _ => words_and_url(label, target),
        }
    }
}

fn entities(text: &str) -> String {
    // `&amp;` last, so that `&amp;lt;` stays the four letters somebody typed.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// An address without the four characters that end or divide a token.
fn address(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '|' => out.push_str("%7C"),
            '&' => out.push_str("&amp;"),
            c if c.is_whitespace() || c.is_control() => out.push_str("%20"),
            _ => out.push(c),
        }
    }
    out
}

impl Rules for SlackMrkdwn {
    fn text(&self, text: &str) -> String {
        escape(text)
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
        // One backtick is all that Slack knows; inside, a letter that looks like it.
        format!("`{}`", escape(code).replace('`', "ˋ"))
    }
    fn link(&self, url: &str, _: &str, words: &str) -> String {
        if !has_scheme(url, &SCHEMES) {
            return escape(&words_and_url(words, url));
        }
        let words = one_line(words).replace('|', "¦").replace('<', "‹").replace('>', "›");
        if words.is_empty() || words == url {
            format!("<{}>", address(url))
        } else {
            format!("<{}|{}>", address(url), escape(&words))
        }
    }
    fn image(&self, url: &str, alt: &str) -> String {
        self.link(url, alt, alt)
    }
    fn heading(&self, inner: &str) -> String {
        around_lines(inner, "*")
    }
    fn code_block(&self, _: &str, text: &str) -> String {
        // A fence inside would end this one.
        format!("```\n{}\n```", escape(text).replace("```", "`\u{200B}`\u{200B}`"))
    }
    fn quote(&self, inner: &str, depth: usize) -> String {
        before_lines(inner, if depth == 0 { "> " } else { "» " })
    }
    fn indent(&self) -> &'static str {
        "\u{2002}\u{2002}"
    }
    fn table(&self, table: &Table<'_>) -> Block {
        table.aligned()
    }
    fn marks_need_room(&self) -> bool {
        true
    }
}
