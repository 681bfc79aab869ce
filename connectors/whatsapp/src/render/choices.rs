//! Questions with options: reply buttons up to three, lists above.

use portico_contract::Options;
use portico_kit::split::{Measure, ellipsize};
use serde_json::{Value, json};

use super::{NOTHING, Renderer};

/// Most buttons of a message, and their longest title and id.
pub(super) const BUTTONS: usize = 3;
pub(super) const BUTTON_TITLE: usize = 20;
pub(super) const BUTTON_ID: usize = 256;
/// Most rows of a list, and their longest title and id.
const ROWS: usize = 10;
const ROW_TITLE: usize = 24;
const ROW_ID: usize = 200;

impl Renderer<'_> {
    /// None: text. Up to three: buttons. More: lists.
    pub(super) fn choice(&mut self, options: &Options) {
        if options.options.is_empty() || options.options.len() > BUTTONS {
            return self.dropdown(options);
        }
        let words = self.words(&options.text);
        let body = self.body(&words);
        let buttons = self.buttons(options.options.iter().map(|option| (&*option.label, &*option.value)));
        self.push(json!({
            "type": "interactive",
            "interactive": { "type": "button", "body": { "text": body }, "action": { "buttons": buttons } }
        }));
    }

    /// Lists of ten; each repeats the question.
    pub(super) fn dropdown(&mut self, options: &Options) {
        if options.options.is_empty() {
            return self.text(&options.text);
        }
        let words = self.words(&options.text);
        let body = self.body(&words);
        let section = label(&body, ROW_TITLE);
        let button = label(&self.config.list_button, BUTTON_TITLE);
        for chunk in options.options.chunks(ROWS) {
            self.ids.next_message();
            let rows: Vec<Value> = chunk
                .iter()
                .map(|option| {
                    // The provider wants a description to be absent or not empty; a space shows as nothing.
                    json!({
                        "id": self.ids.id(&option.value, ROW_ID),
                        "title": label(&option.label, ROW_TITLE),
                        "description": " ",
                    })
                })
                .collect();
            self.push(json!({
                "type": "interactive",
                "interactive": {
                    "type": "list",
                    "body": { "text": body },
                    "action": { "button": button, "sections": [{ "title": section, "rows": rows }] }
                }
            }));
        }
    }

    /// At most three reply buttons of one message.
    pub(super) fn buttons<'b>(&mut self, options: impl Iterator<Item = (&'b str, &'b str)>) -> Vec<Value> {
        self.ids.next_message();
        let mut titles: Vec<String> = Vec::new();
        options
            .map(|(text, value)| {
                let title = distinct(label(text, BUTTON_TITLE), &titles);
                titles.push(title.clone());
                json!({ "type": "reply", "reply": { "id": self.ids.id(value, BUTTON_ID), "title": title } })
            })
            .collect()
    }
}

/// A label within its limit; a blank one, which would be refused, is invisible instead.
pub(super) fn label(text: &str, limit: usize) -> String {
    // Line breaks are refused in labels.
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { NOTHING.to_owned() } else { ellipsize(&line, limit, Measure::Utf16) }
}

/// Buttons of one message must differ in their titles: a repeated one gets a number.
fn distinct(title: String, taken: &[String]) -> String {
    if !taken.contains(&title) {
        return title;
    }
    let numbered =
        |number: usize| format!("{} {number}", ellipsize(&title, BUTTON_TITLE - 2, Measure::Utf16));
    (2..=9).map(numbered).find(|title| !taken.contains(title)).unwrap_or(title)
}
