//! `editMessage`: new words for a message that was sent.
//!
//! A text that went out in several pieces is edited piece by piece; pieces that are left over are deleted.
//! Under a file the words are its caption.

use portico_contract::{ActionCall, Content, Fault, FaultCode, Host, OutboundRequest, Turn};
use portico_kit::markup::{self, Dialect};
use portico_kit::sequence::Sequence;
use portico_kit::split::Measure;
use serde_json::Value;
use teloxide_core::payloads::{DeleteMessage, EditMessageCaption, EditMessageText};
use teloxide_core::types::{InlineKeyboardMarkup, MessageId, ParseMode};

use super::{PREFIX, message_ids, text, thread};
use crate::buttons::{Layout, MAX_BUTTONS};
use crate::call::{Api, Target};
use crate::render::{MAX_CAPTION, Page, option_buttons, pieces};

/// Begins an edit.
pub(super) fn edit(host: &dyn Host, api: &Api, call: &ActionCall) -> Result<Turn, Fault> {
    let payload = call.input.get("payload").cloned().unwrap_or(Value::Null);
    let content = Content::from_parts(text(&call.input, "type")?, payload).map_err(|error| {
        Fault::new(FaultCode::BadInput, error.to_string()).at(format!("/{}", error.field.replace('.', "/")))
    })?;
    let thread = thread(call)?;
    let target = Target::of(&thread)?;
    let ids = message_ids(call)?;
    let mut page = Page::new(host, api, &thread)?;
    let (markdown, buttons, layout) = match &content {
        Content::Text { text, .. } => (text, Vec::new(), Layout::List),
        Content::Markdown { markdown } => (markdown, Vec::new(), Layout::List),
        Content::Choice(options) => (&options.text, option_buttons(options), Layout::Wrapped),
        Content::Dropdown(options) => (&options.text, option_buttons(options), Layout::List),
        other => {
            return Err(Fault::new(
                FaultCode::Unsupported,
                format!(
                    "'{}' can't be edited at Telegram; text, markdown, choice and dropdown can",
                    other.kind()
                ),
            )
            .at("/type"));
        }
    };
    if buttons.len() > MAX_BUTTONS {
        return Err(Fault::new(FaultCode::BadInput, "an edited message can have 100 options at most")
            .at("/payload/options"));
    }
    let keyboard = page.keyboard(&buttons, layout).map_err(|fault| fault.at("/payload/options"))?;
    let before = call.message.as_ref().and_then(|message| message.content.as_ref());
    let under_file =
        matches!(before, Some(Content::Image(_) | Content::Audio(_) | Content::Video(_) | Content::File(_)))
            || matches!(before, Some(Content::Card(card)) if card.image_url.is_some());
    let calls = if under_file {
        vec![caption(api, &target, &ids, markdown, keyboard)?]
    } else {
        texts(api, &target, &ids, markdown, keyboard)?
    };
    let mut turn = Sequence::new(&format!("{PREFIX}editMessage"), calls).start()?;
    turn.effects = page.effects;
    Ok(turn)
}

fn caption(
    api: &Api,
    target: &Target,
    ids: &[MessageId],
    markdown: &str,
    keyboard: Option<InlineKeyboardMarkup>,
) -> Result<OutboundRequest, Fault> {
    let words = markup::render(markdown, Dialect::TelegramHtml);
    if Measure::Utf16.of(&words) > MAX_CAPTION {
        return Err(
            Fault::new(FaultCode::BadInput, "a caption can have 1024 characters at most").at("/payload")
        );
    }
    let Some(id) = ids.first() else { return Err(Fault::new(FaultCode::Bug, "no message id")) };
    let mut payload = EditMessageCaption::new(target.chat.clone(), *id);
    payload.caption = Some(words);
    payload.parse_mode = Some(ParseMode::Html);
    payload.business_connection_id = target.business.clone();
    payload.reply_markup = keyboard;
    Ok(api.call("editMessageCaption", &payload).repeatable())
}

fn texts(
    api: &Api,
    target: &Target,
    ids: &[MessageId],
    markdown: &str,
    mut keyboard: Option<InlineKeyboardMarkup>,
) -> Result<Vec<OutboundRequest>, Fault> {
    let texts = pieces(markdown);
    if texts.is_empty() {
        return Err(Fault::new(FaultCode::BadInput, "the new text shows nothing").at("/payload"));
    }
    if texts.len() > ids.len() {
        return Err(Fault::new(
            FaultCode::BadInput,
            format!(
                "the new text needs {} messages of 4096 characters, the old one had {}",
                texts.len(),
                ids.len()
            ),
        )
        .at("/payload"));
    }
    let mut calls = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let Some(piece) = texts.get(index) else {
            let payload = DeleteMessage::new(target.chat.clone(), *id);
            calls.push(api.call("deleteMessage", &payload).repeatable());
            continue;
        };
        let mut payload = EditMessageText::new(target.chat.clone(), *id, piece);
        payload.parse_mode = Some(ParseMode::Html);
        payload.business_connection_id = target.business.clone();
        if index + 1 == texts.len() {
            payload.reply_markup = keyboard.take();
        }
        calls.push(api.call("editMessageText", &payload).repeatable());
    }
    Ok(calls)
}
