//! Inline buttons both ways: what a press carries, and what it meant.
//!
//! Telegram gives a button 64 bytes of data and shows 64 characters of label. What fits goes on the button
//! itself; a keyboard with anything longer is kept under a key, and its buttons carry the key and their place.
//! A value stands there bare; `~s:<text>` is a text to be said, `~k:<key>.<index>` is kept.

use bytes::Bytes;
use portico_contract::{DigestKind, Effect, Fault, FaultCode, Host, Scope, StateWrite, base32};
use portico_kit::split::{Measure, ellipsize};
use serde::{Deserialize, Serialize};
use teloxide_core::types::{InlineKeyboardButton, InlineKeyboardButtonKind, InlineKeyboardMarkup};
use url::Url;

/// Begins the data of a button that says its text.
const SAY: &str = "~s:";
/// Begins the data of a button that is kept.
const KEPT: &str = "~k:";
/// Bytes of data on a button.
const MAX_DATA: usize = 64;
/// Bytes of a keyboard that is kept; a state entry holds 256 KiB.
const MAX_KEPT: usize = 200 * 1024;
/// Characters of a label that are shown.
const MAX_LABEL: usize = 64;
/// Buttons of one keyboard.
pub(crate) const MAX_BUTTONS: usize = 100;
/// Buttons beside each other.
const MAX_ROW: usize = 8;
/// Characters of labels beside each other that a telephone shows whole.
const ROW_WIDTH: usize = 28;
/// Presses of buttons older than this come with their label only: 90 days.
const LIFETIME_S: u32 = 90 * 24 * 60 * 60;

/// A button before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Button {
    /// What stands on it.
    pub(crate) label: String,
    /// What it does.
    pub(crate) does: Does,
}

/// What a button does.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Gives the bot a value.
    Value(String),
    /// Says a text for the person.
    Say(String),
    /// Opens an address.
    Open(Url),
}

/// A kept button: label, value, and whether the value is said.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    label: String,
    value: String,
    #[serde(default)]
    say: bool,
}

/// What a press meant.
#[derive(Debug, PartialEq)]
pub(crate) struct Press {
    /// What a person reads.
    pub(crate) label: String,
    /// What the bot gets.
    pub(crate) value: String,
}

/// How buttons stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layout {
    /// One per row.
    List,
    /// As many per row as can be read.
    Wrapped,
}

/// A keyboard of at most [`MAX_BUTTONS`] buttons, and the state that it needs.
///
/// # Errors
/// `bad-input` when its values are too large to be kept.
pub(crate) fn keyboard(
    host: &dyn Host,
    buttons: &[Button],
    layout: Layout,
) -> Result<(InlineKeyboardMarkup, Option<Effect>), Fault> {
    let short = |button: &Button| match &button.does {
        Does::Value(value) => {
            value.len() <= MAX_DATA
                && !value.starts_with(SAY)
                && !value.starts_with(KEPT)
                && fits(&button.label)
        }
        // The label of a said text is not asked for at the press.
        Does::Say(text) => SAY.len() + text.len() <= MAX_DATA,
        Does::Open(_) => true,
    };
    let key = (!buttons.iter().all(short)).then(|| {
        let kept: Vec<Kept> = buttons.iter().map(kept).collect();
        let data = serde_json::to_vec(&kept).unwrap_or_default();
        let digest = host.keyring().digest(DigestKind::Sha256, &data);
        let mut id = [0; 16];
        id.iter_mut().zip(&digest).for_each(|(slot, byte)| *slot = *byte);
        (base32(&id), Bytes::from(data))
    });
    if key.as_ref().is_some_and(|(_, data)| data.len() > MAX_KEPT) {
        return Err(Fault::new(
            FaultCode::BadInput,
            "the values of one message's buttons are larger than 200 KiB together",
        ));
    }
    let mut rows: Vec<Vec<InlineKeyboardButton>> = Vec::new();
    let mut width = 0;
    for (index, button) in buttons.iter().enumerate() {
        let label = ellipsize(&button.label, MAX_LABEL, Measure::Chars);
        let kind = match (&button.does, &key) {
            (Does::Open(url), _) => InlineKeyboardButtonKind::Url(url.clone()),
            (Does::Value(value), _) if short(button) => InlineKeyboardButtonKind::CallbackData(value.clone()),
            (Does::Say(text), _) if short(button) => {
                InlineKeyboardButtonKind::CallbackData(format!("{SAY}{text}"))
            }
            (_, Some((key, _))) => InlineKeyboardButtonKind::CallbackData(format!("{KEPT}{key}.{index}")),
            // Not reached: a button that is not short makes a key.
            (_, None) => continue,
        };
        let size = label.chars().count();
        let room = layout == Layout::Wrapped
            && rows
                .last()
                .is_some_and(|row| !row.is_empty() && row.len() < MAX_ROW && width + size <= ROW_WIDTH);
        let button = InlineKeyboardButton { text: label, kind };
        match rows.last_mut() {
            Some(row) if room => {
                row.push(button);
                width += size;
            }
            _ => {
                rows.push(vec![button]);
                width = size;
            }
        }
    }
    let write = key.map(|(key, data)| {
        Effect::Write(StateWrite {
            scope: Scope::Installation,
            key: format!("buttons.{key}"),
            data: Some(data),
            expect: None,
            lifetime_s: Some(LIFETIME_S),
        })
    });
    Ok((InlineKeyboardMarkup { inline_keyboard: rows }, write))
}

fn fits(label: &str) -> bool {
    label.chars().count() <= MAX_LABEL
}

fn kept(button: &Button) -> Kept {
    let (value, say) = match &button.does {
        Does::Value(value) => (value.clone(), false),
        Does::Say(text) => (text.clone(), true),
        Does::Open(url) => (url.to_string(), false),
    };
    Kept { label: button.label.clone(), value, say }
}

/// What a press meant, from its data and the label that Telegram still shows. A kept button that is forgotten
/// gives its label for a value.
pub(crate) fn read(host: &dyn Host, data: &str, shown: Option<&str>) -> Press {
    let press = |label: &str, value: &str| Press { label: label.to_owned(), value: value.to_owned() };
    if let Some(text) = data.strip_prefix(SAY) {
        return press(text, text);
    }
    if let Some(place) = data.strip_prefix(KEPT) {
        return match look_up(host, place) {
            Some(kept) if kept.say => press(&kept.value, &kept.value),
            Some(kept) => press(&kept.label, &kept.value),
            None => press(shown.unwrap_or(data), shown.unwrap_or(data)),
        };
    }
    press(shown.unwrap_or(data), data)
}

fn look_up(host: &dyn Host, place: &str) -> Option<Kept> {
    let (key, index) = place.split_once('.')?;
    let index: usize = index.parse().ok()?;
    let state = host.state_get(&Scope::Installation, &format!("buttons.{key}"))?;
    let kept: Vec<Kept> = serde_json::from_slice(&state.data).ok()?;
    kept.into_iter().nth(index)
}
