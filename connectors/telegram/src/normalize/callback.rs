//! Presses of inline buttons: a message with the button's value, and the answer that stops its spinning.

use portico_contract::{
    Content, CustomEvent, Effect, Event, Fault, FaultCode, InboundMessage, Tags, Thread, Turn,
};
use portico_kit::sequence::Sequence;
use serde_json::json;
use teloxide_core::payloads::AnswerCallbackQuery;
use teloxide_core::types::CallbackQueryId;

use super::{Scene, answered, nothing, party, thread};
use crate::buttons::{self, Press};
use crate::call::Api;
use crate::wire::{CallbackQuery, Pressed};

/// Name of the run that answers a press.
pub(crate) const JOB: &str = "press";

/// The turn of a press.
pub(super) fn callback(scene: &Scene<'_>, query: &CallbackQuery<'_>) -> Result<Turn, Fault> {
    if query.id.is_empty() {
        return Err(Fault::new(FaultCode::Unreadable, "callback_query.id: is empty"));
    }
    if query.from.is_bot {
        return Ok(nothing());
    }
    let payload = AnswerCallbackQuery::new(CallbackQueryId(query.id.to_string()));
    // The event is stored before this goes out; a button that spins a little longer harms nobody.
    let answer = Api::new(scene.config).call("answerCallbackQuery", &payload).repeatable();
    let mut turn = Sequence::new(JOB, vec![answer]).start()?;
    turn.effects = vec![Effect::Emit(event(scene, query))];
    Ok(answered(turn))
}

fn place(query: &CallbackQuery<'_>, pressed: &Pressed<'_>) -> Thread {
    let topic = pressed.message_thread_id.filter(|_| pressed.is_topic_message);
    let business = pressed.business_connection_id.as_ref().map(|id| id.as_str());
    thread(&pressed.chat, topic, business, Some(&query.from))
}

fn event(scene: &Scene<'_>, query: &CallbackQuery<'_>) -> Event {
    let author = party(&query.from);
    let custom = |name: &'static str, pressed: Option<&Pressed<'_>>, data| {
        Event::Custom(CustomEvent {
            name: name.into(),
            external_id: Some(query.id.to_string()),
            thread: pressed.map(|pressed| place(query, pressed)),
            author: Some(author.clone()),
            message: pressed.map(|pressed| pressed.message_id.to_string()),
            data,
        })
    };
    let pressed = query.message.as_ref();
    if let Some(game) = &query.game_short_name {
        return custom(
            "gameButtonPressed",
            pressed,
            json!({ "callbackQueryId": query.id, "game": game.as_str() }),
        );
    }
    let data = query.data.as_ref().map_or("", |data| data.as_str());
    let Some(pressed) = pressed else {
        let message = query.inline_message_id.as_ref().map(|id| id.as_str());
        return custom(
            "inlineButtonPressed",
            None,
            json!({ "callbackQueryId": query.id, "inlineMessageId": message, "data": data }),
        );
    };
    let Press { label, value } = buttons::read(scene.host, data, shown(pressed, data));
    let tags = Tags::new()
        .with("id", query.id.as_ref())
        .with("callbackQueryId", query.id.as_ref())
        .with("chatId", pressed.chat.id.to_string())
        .with("pressedMessageId", pressed.message_id.to_string());
    Event::Message(InboundMessage {
        external_id: query.id.to_string(),
        dedupe: None,
        thread: place(query, pressed),
        author,
        // A press has no time of its own.
        sent_at: scene.host.now(),
        content: Content::Text { text: label, value: Some(value) },
        reply_to: Some(pressed.message_id.to_string()),
        tags,
    })
}

/// What stands on the button, where Telegram still shows the message.
fn shown<'a>(pressed: &'a Pressed<'_>, data: &str) -> Option<&'a str> {
    let rows = &pressed.reply_markup.as_ref()?.inline_keyboard;
    rows.iter()
        .flatten()
        .find(|button| button.callback_data.as_ref().is_some_and(|own| own.as_str() == data))
        .map(|button| button.text.as_ref())
        .filter(|text| !text.is_empty())
}
