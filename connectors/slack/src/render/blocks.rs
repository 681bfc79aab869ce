//! Cards and options as Block Kit, packed into as few messages as Slack's limits allow.

use portico_contract::{ActionKind, Card, Effect, Fault, Host, Options};
use portico_kit::markup::slack_mrkdwn::escape;
use portico_kit::split::{Measure, ellipsize};
use serde_json::{Value, json};
use url::Url;

use super::{ADDRESS, ALT, Post, TEXT, bad, escaped};
use crate::normalize::{SAY, URL};
use crate::values;

/// Longest text of a section.
pub(super) const SECTION: usize = 3000;
/// Most blocks of a message.
pub(super) const MOST: usize = 50;
/// Most elements of an actions block.
const ELEMENTS: usize = 25;
/// Most options of a select.
const OPTIONS: usize = 100;
/// Longest label of a button or option.
const LABEL: usize = 75;
/// Longest value of a button.
const BUTTON_VALUE: usize = 2000;
/// Longest value of an option.
const OPTION_VALUE: usize = 150;
/// Slack refuses blocks of somewhat more than 13,000 characters of JSON, and does not say where exactly.
const JSON: usize = 12_000;
/// Room for one block, so that it can share a message.
const BLOCK_JSON: usize = 8_000;

/// Blocks on their way into messages.
pub(crate) struct Blocks<'e> {
    posts: Vec<Post>,
    /// JSON length of the last post's blocks.
    size: usize,
    effects: &'e mut Vec<Effect>,
}

impl<'e> Blocks<'e> {
    pub(crate) fn new(effects: &'e mut Vec<Effect>) -> Self {
        Self { posts: Vec::new(), size: 0, effects }
    }

    /// The messages.
    pub(crate) fn into_posts(self) -> Vec<Post> {
        self.posts
    }

    /// Adds blocks that belong together: in one message if one can hold them.
    fn add(&mut self, shown: &str, group: Vec<Value>) {
        let sizes: Vec<usize> = group.iter().map(|block| block.to_string().len() + 1).collect();
        let whole: usize = sizes.iter().sum();
        let fits_alone = group.len() <= MOST && whole <= JSON;
        let used = self.posts.last().map_or(0, |post| post.blocks.len());
        if fits_alone && (used + group.len() > MOST || self.size + whole > JSON) {
            self.open();
        }
        for (block, size) in group.into_iter().zip(sizes) {
            let full = self.posts.last().is_none_or(|post| post.blocks.len() >= MOST);
            if full || (self.size > 0 && self.size + size > JSON) {
                self.open();
            }
            if let Some(post) = self.posts.last_mut() {
                post.blocks.push(block);
                let line = escape(&ellipsize(shown, 300, Measure::Utf16));
                let room = Measure::Utf16.of(&post.text) + Measure::Utf16.of(&line) < TEXT;
                if room && !post.text.lines().any(|known| known == line) {
                    if !post.text.is_empty() {
                        post.text.push('\n');
                    }
                    post.text.push_str(&line);
                }
            }
            self.size += size;
        }
    }

    fn open(&mut self) {
        self.posts.push(Post::default());
        self.size = 0;
    }

    /// A card: title and subtitle beside the picture, buttons below.
    ///
    /// # Errors
    /// `bad-input` that names the field, below `place`.
    pub(crate) fn card(&mut self, host: &dyn Host, card: &Card, place: &str) -> Result<(), Fault> {
        let title = one_line(&card.title);
        let mut texts: Vec<String> =
            escaped(&title, SECTION - 2).iter().map(|text| format!("*{text}*")).collect();
        for text in card.subtitle.as_deref().map(|text| escaped(text, SECTION)).unwrap_or_default() {
            match texts.last_mut().filter(|last| Measure::Utf16.of(last) + Measure::Utf16.of(&text) < SECTION)
            {
                Some(last) => {
                    last.push('\n');
                    last.push_str(&text);
                }
                None => texts.push(text),
            }
        }
        let mut group: Vec<Value> = texts.into_iter().map(section).collect();
        if let Some(address) = card.image_url.as_deref() {
            if !is_web(address) || Measure::Utf16.of(address) > ADDRESS {
                return Err(bad(
                    format!("{place}/imageUrl"),
                    "imageUrl must be an http or https address of at most 3,000 characters",
                ));
            }
            let alt = ellipsize(if title.is_empty() { "image" } else { &title }, ALT, Measure::Utf16);
            match group.first_mut() {
                Some(first) => {
                    first["accessory"] = json!({ "type": "image", "image_url": address, "alt_text": alt })
                }
                None => group.push(json!({ "type": "image", "image_url": address, "alt_text": alt })),
            }
        }
        let mut buttons = Vec::new();
        for (index, action) in
            card.actions.iter().enumerate().filter(|(_, action)| !action.label.trim().is_empty())
        {
            let button = match action.action {
                ActionKind::Url => {
                    let known =
                        Url::parse(&action.value).is_ok_and(|url| url.has_host() || url.cannot_be_a_base());
                    if !known || Measure::Utf16.of(&action.value) > ADDRESS {
                        let reason = "a 'url' button's value must be an address of at most 3,000 characters";
                        return Err(bad(format!("{place}/actions/{index}/value"), reason));
                    }
                    json!({ "type": "button", "text": label(&action.label), "action_id": format!("{URL}{index}"), "url": action.value })
                }
                ActionKind::Postback | ActionKind::Say => {
                    let prefix = if action.action == ActionKind::Say { SAY } else { "postback_" };
                    self.button(host, &format!("{prefix}{index}"), &action.label, &action.value)
                }
            };
            buttons.push(button);
        }
        group.extend(actions(buttons));
        if group.is_empty() {
            return Err(bad(format!("{place}/title"), "the card shows nothing"));
        }
        self.add(&title, group);
        Ok(())
    }

    /// A question with buttons.
    ///
    /// # Errors
    /// `bad-input` when nothing would be shown.
    pub(crate) fn choice(&mut self, host: &dyn Host, options: &Options) -> Result<(), Fault> {
        let mut buttons = Vec::new();
        for (index, option) in
            options.options.iter().enumerate().filter(|(_, option)| !option.label.trim().is_empty())
        {
            buttons.push(self.button(host, &format!("choice_{index}"), &option.label, &option.value));
        }
        self.question(options, actions(buttons))
    }

    /// A question with a list to pick from.
    ///
    /// # Errors
    /// `bad-input` when nothing would be shown.
    pub(crate) fn dropdown(&mut self, host: &dyn Host, options: &Options) -> Result<(), Fault> {
        let shown = options.options.iter().filter(|option| !option.label.trim().is_empty());
        let items: Vec<Value> = shown
            .map(|option| {
                let value = values::shorten(host, &option.value, OPTION_VALUE, self.effects);
                json!({ "text": label(&option.label), "value": value })
            })
            .collect();
        let lists = chunks(items, OPTIONS);
        let several = lists.len() > 1;
        let mut from = 1;
        let mut selects = Vec::new();
        for (index, list) in lists.into_iter().enumerate() {
            let mut select = json!({ "type": "static_select", "action_id": format!("dropdown_{index}") });
            if several {
                let range = format!("{from} – {}", from + list.len() - 1);
                select["placeholder"] = json!({ "type": "plain_text", "text": range });
            }
            from += list.len();
            select["options"] = Value::Array(list);
            selects.push(select);
        }
        self.question(options, actions(selects))
    }

    fn question(&mut self, options: &Options, below: Vec<Value>) -> Result<(), Fault> {
        let mut group: Vec<Value> = escaped(&options.text, SECTION).into_iter().map(section).collect();
        group.extend(below);
        if group.is_empty() {
            return Err(bad("/payload/text", "the question shows nothing"));
        }
        self.add(&options.text, group);
        Ok(())
    }

    fn button(&mut self, host: &dyn Host, id: &str, text: &str, value: &str) -> Value {
        let value = values::shorten(host, value, BUTTON_VALUE, self.effects);
        json!({ "type": "button", "text": label(text), "action_id": id, "value": value })
    }
}

fn section(text: String) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// A label; the person sees it shortened, the bot gets the value whole.
fn label(text: &str) -> Value {
    json!({ "type": "plain_text", "text": ellipsize(&one_line(text), LABEL, Measure::Utf16), "emoji": true })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn actions(elements: Vec<Value>) -> Vec<Value> {
    chunks(elements, ELEMENTS)
        .into_iter()
        .map(|elements| json!({ "type": "actions", "elements": elements }))
        .collect()
}

/// Lists of at most so many items, none of them too long for a block.
fn chunks(items: Vec<Value>, most: usize) -> Vec<Vec<Value>> {
    let mut lists: Vec<Vec<Value>> = Vec::new();
    let mut size = 0;
    for item in items {
        let length = item.to_string().len() + 1;
        let fits = lists.last().is_some_and(|list| list.len() < most && size + length <= BLOCK_JSON);
        if !fits {
            lists.push(Vec::new());
            size = 0;
        }
        size += length;
        if let Some(list) = lists.last_mut() {
            list.push(item);
        }
    }
    lists
}

fn is_web(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
