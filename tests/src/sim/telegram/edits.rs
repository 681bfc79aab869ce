//! Methods that touch what is there: edits, deletion, reactions, answers to buttons, commands.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Refused, bad};
use super::entities::{self, units};
use super::params::Params;
use super::{Telegram, keyboard};

/// The reactions that a bot may give (Bot API, "ReactionTypeEmoji").
const REACTIONS: [&str; 73] = [
    "❤",
    "👍",
    "👎",
    "🔥",
    "🥰",
    "👏",
    "😁",
    "🤔",
    "🤯",
    "😱",
    "🤬",
    "😢",
    "🎉",
    "🤩",
    "🤮",
    "💩",
    "🙏",
    "👌",
    "🕊",
    "🤡",
    "🥱",
    "🥴",
    "😍",
    "🐳",
    "❤\u{200d}🔥",
    "🌚",
    "🌭",
    "💯",
    "🤣",
    "⚡",
    "🍌",
    "🏆",
    "💔",
    "🤨",
    "😐",
    "🍓",
    "🍾",
    "💋",
    "🖕",
    "😈",
    "😴",
    "😭",
    "🤓",
    "👻",
    "👨\u{200d}💻",
    "👀",
    "🎃",
    "🙈",
    "😇",
    "😨",
    "🤝",
    "✍",
    "🤗",
    "🫡",
    "🎅",
    "🎄",
    "☃",
    "💅",
    "🤪",
    "🗿",
    "🆒",
    "💘",
    "🙉",
    "🦄",
    "😘",
    "💊",
    "🙊",
    "😎",
    "👾",
    "🤷\u{200d}♂",
    "🤷",
    "🤷\u{200d}♀",
    "😡",
];

impl Telegram {
    pub(super) fn edit_text(&self, params: &Params) -> Result<Value, Refused> {
        let (chat, id) = self.own_message(params, "edit")?;
        let formatted = entities::read(params, "text")?;
        if formatted.text.trim().is_empty() {
            return Err(bad("message text is empty"));
        }
        if units(&formatted.text) > 4096 {
            return Err(bad("MESSAGE_TOO_LONG"));
        }
        let markup = keyboard::read(params)?;
        let message = self.change(chat, id, |message| {
            if message.get("text").is_none() {
                return Err(bad("there is no text in the message to edit"));
            }
            message["text"] = json!(formatted.text);
            message["entities"] = json!(formatted.entities);
            set_markup(message, markup);
            Ok(())
        })?;
        self.record("editMessageText", chat, id, params, Vec::new(), false);
        Ok(message)
    }

    pub(super) fn edit_markup(&self, params: &Params) -> Result<Value, Refused> {
        let (chat, id) = self.own_message(params, "edit")?;
        let markup = keyboard::read(params)?;
        let message = self.change(chat, id, |message| {
            set_markup(message, markup);
            Ok(())
        })?;
        self.record("editMessageReplyMarkup", chat, id, params, Vec::new(), false);
        Ok(message)
    }

    pub(super) fn delete_message(&self, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        let id = params.int("message_id").unwrap_or_default();
        if !self.exists(chat, id) {
            return Err(bad("message to delete not found"));
        }
        let mut state = self.state.lock();
        let date = state.messages.get(&(chat, id)).and_then(|message| message["date"].as_u64());
        let age = self.provider.clock().now().saturating_sub(Duration::from_secs(date.unwrap_or(u64::MAX)));
        if age > Duration::from_secs(48 * 3600) {
            return Err(bad("message can't be deleted for everyone"));
        }
        state.messages.remove(&(chat, id));
        state.deleted.insert((chat, id));
        drop(state);
        self.record("deleteMessage", chat, id, params, Vec::new(), false);
        Ok(Value::Bool(true))
    }

    pub(super) fn set_reaction(&self, params: &Params) -> Result<Value, Refused> {
        let chat = self.reach(params)?;
        let id = params.int("message_id").unwrap_or_default();
        let reactions = params.nested("reaction")?.unwrap_or_else(|| json!([]));
        let Some(list) = reactions.as_array() else {
            return Err(bad("can't parse reaction types JSON object"));
        };
        if list.len() > 1 {
            return Err(bad("REACTIONS_TOO_MANY"));
        }
        for reaction in list {
            match reaction.get("type").and_then(Value::as_str) {
                Some("emoji") => {
                    let emoji = reaction.get("emoji").and_then(Value::as_str).unwrap_or_default();
                    if !REACTIONS.contains(&emoji) {
                        return Err(bad("REACTION_INVALID"));
                    }
                }
                Some("custom_emoji") => {}
                _ => return Err(bad("can't parse reaction type: invalid reaction type specified")),
            }
        }
        if !self.exists(chat, id) {
            return Err(bad("message to react not found"));
        }
        self.record("setMessageReaction", chat, id, params, Vec::new(), false);
        Ok(Value::Bool(true))
    }

    pub(super) fn answer_callback(&self, params: &Params) -> Result<Value, Refused> {
        let id = params.text("callback_query_id");
        if units(&params.text("text")) > 200 {
            return Err(bad("MESSAGE_TOO_LONG"));
        }
        let mut state = self.state.lock();
        let known = state.callbacks.contains(&id) || (!self.options.strict && !id.is_empty());
        if !known || state.expired_callbacks.contains(&id) {
            return Err(bad("query is too old and response timeout expired or query ID is invalid"));
        }
        state.answered_callbacks.insert(id);
        drop(state);
        self.record("answerCallbackQuery", 0, 0, params, Vec::new(), false);
        Ok(Value::Bool(true))
    }

    pub(super) fn set_commands(&self, params: &Params) -> Result<Value, Refused> {
        let commands = params.nested("commands")?.and_then(|value| value.as_array().cloned());
        let Some(commands) = commands else {
            return Err(bad("can't parse commands: Array expected"));
        };
        if commands.len() > 100 {
            return Err(bad("BOT_COMMANDS_TOO_MUCH"));
        }
        for command in &commands {
            let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default();
            let name = text("command").trim_start_matches('/');
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !(1..=32).contains(&name.len()) || !name.chars().all(is_name) {
                return Err(bad("BOT_COMMAND_INVALID"));
            }
            if !(1..=256).contains(&text("description").chars().count()) {
                return Err(bad("BOT_COMMAND_DESCRIPTION_INVALID"));
            }
        }
        self.record("setMyCommands", 0, 0, params, Vec::new(), false);
        Ok(Value::Bool(true))
    }

    /// Chat and id of one of the bot's messages.
    fn own_message(&self, params: &Params, verb: &str) -> Result<(i64, i64), Refused> {
        let chat = self.reach(params)?;
        let id = params.int("message_id").ok_or_else(|| bad("message identifier is not specified"))?;
        let is_own = self.state.lock().messages.contains_key(&(chat, id));
        if is_own {
            return Ok((chat, id));
        }
        if self.exists(chat, id) {
            return Err(bad(format!("message can't be {verb}ed")));
        }
        Err(bad(format!("message to {verb} not found")))
    }

    /// Changes a message; an equal result is refused as the server refuses it.
    fn change(
        &self,
        chat: i64,
        id: i64,
        edit: impl FnOnce(&mut Value) -> Result<(), Refused>,
    ) -> Result<Value, Refused> {
        let mut state = self.state.lock();
        let Some(message) = state.messages.get_mut(&(chat, id)) else {
            return Err(bad("message to edit not found"));
        };
        let mut edited = message.clone();
        edit(&mut edited)?;
        let shown = |message: &Value| {
            let field =
                |name: &str| message.get(name).cloned().filter(|v| v != &json!([])).unwrap_or_default();
            [field("text"), field("entities"), field("reply_markup")]
        };
        if shown(&edited) == shown(message) {
            return Err(bad(
                "message is not modified: specified new message content and reply markup are exactly the same as a \
                 current content and reply markup of the message",
            ));
        }
        edited["edit_date"] = json!(self.provider.clock().now().as_secs());
        *message = edited.clone();
        Ok(edited)
    }
}

fn set_markup(message: &mut Value, markup: Option<Value>) {
    let has_buttons = |markup: &Value| {
        markup.get("inline_keyboard").and_then(Value::as_array).is_some_and(|rows| !rows.is_empty())
    };
    if let Some(fields) = message.as_object_mut() {
        match markup.filter(has_buttons) {
            Some(markup) => fields.insert("reply_markup".to_owned(), markup),
            None => fields.remove("reply_markup"),
        };
    }
}
