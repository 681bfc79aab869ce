//! Presses of buttons and choices in messages, as texts with a value.

use portico_contract::{Content, Event as Emitted, Fault, Host, InboundMessage, Tags, Turn};

use super::interaction::{author, channel_of};
use super::message::millis;
use super::missing;
use crate::place::Place;
use crate::respond;
use crate::values;
use crate::wire::Text;
use crate::wire_form::{Action, Choice, Interaction};

/// Prefixes of the connector's own `action_id`s, which say how a press is to be read.
pub(crate) const SAY: &str = "say_";
/// A button that opens an address: Slack reports the press, but there is nothing to say.
pub(crate) const URL: &str = "url_";

/// One message per used element.
pub(super) fn normalize(host: &dyn Host, interaction: &Interaction<'_>) -> Result<Turn, Fault> {
    let channel = channel_of(interaction).ok_or_else(|| missing("payload.channel.id"))?;
    if interaction.user.id.is_empty() {
        return Err(missing("payload.user.id"));
    }
    let container = interaction.container.as_ref();
    let message = interaction.message.as_ref();
    let ts = container.and_then(|at| at.message_ts.some()).or(interaction.message_ts.some());
    let ts = ts.or(message.and_then(|message| message.ts.some())).unwrap_or_default();
    let thread_ts =
        container.and_then(|at| at.thread_ts.some()).or(message.and_then(|message| message.thread_ts.some()));
    let mut thread =
        Place { channel, channel_type: "", thread_ts: thread_ts.unwrap_or_default(), ts }.plain();
    let name = interaction.channel.as_ref().and_then(|channel| channel.name.some());
    if let Some(name) = name.filter(|name| !matches!(*name, "directmessage" | "privategroup")) {
        thread.tags.set("title", name);
    }
    let actions = interaction.actions.as_deref().ok_or_else(|| missing("payload.actions"))?;
    let mut turn = Turn::emit([]);
    for (index, action) in actions.iter().enumerate() {
        if action.action_id.starts_with(URL) {
            continue;
        }
        let pressed_at = action
            .action_ts
            .some()
            .or(interaction.action_ts.some())
            .ok_or_else(|| missing("payload.actions[0].action_ts"))?;
        let suffix = if index == 0 { String::new() } else { format!("-{index}") };
        let external_id = format!("press-{pressed_at}{suffix}");
        let element = action.action_id.some().unwrap_or(&action.name);
        let tags = Tags::new()
            .with("userId", &*interaction.user.id)
            .with("channelId", channel)
            .with("actionId", element)
            .with("blockId", action.block_id.some().unwrap_or(&interaction.callback_id))
            .with("triggerId", &*interaction.trigger_id);
        turn.effects.push(portico_contract::Effect::Emit(Emitted::Message(InboundMessage {
            dedupe: Some(format!(
                "{}:{channel}:{ts}:{}:{element}:{pressed_at}{suffix}",
                &*interaction.team, &*interaction.user.id
            )),
            external_id: external_id.clone(),
            thread: thread.clone(),
            author: author(interaction),
            sent_at: millis(pressed_at, "payload.actions[0].action_ts")?,
            content: said(host, action),
            reply_to: Some(ts.to_owned()).filter(|ts| !ts.is_empty()),
            tags,
        })));
        turn = respond::remember(turn, &external_id, interaction.response_url.some());
    }
    Ok(turn)
}

/// The label that a person sees, and the value behind it.
fn said(host: &dyn Host, action: &Action<'_>) -> Content {
    let (label, value) = read(action);
    let value = value.map(|value| values::look_up(host, value));
    let label = match (&value, action.action_id.starts_with(SAY)) {
        (Some(value), true) => value.clone(),
        _ => label,
    };
    let element = action.action_id.some().unwrap_or(&action.name);
    let text = [label.as_str(), value.as_deref().unwrap_or_default(), element, &*action.kind]
        .into_iter()
        .find(|text| !text.trim().is_empty())
        .unwrap_or("?")
        .to_owned();
    Content::Text { text, value: value.filter(|value| !value.is_empty()) }
}

fn read(action: &Action<'_>) -> (String, Option<String>) {
    let one = |text: &Text<'_>| (text.to_string(), text.owned());
    let chosen = |choice: &Choice<'_>| (choice.text.0.to_string(), choice.value.owned());
    match &*action.kind {
        "button" | "workflow_button" => {
            // A button needs no value; then its name is what tells it from the others.
            (
                action.text.0.to_string(),
                action.value.owned().or_else(|| action.action_id.owned().or_else(|| action.name.owned())),
            )
        }
        "users_select" => one(&action.selected_user),
        "conversations_select" => one(&action.selected_conversation),
        "channels_select" => one(&action.selected_channel),
        "datepicker" => one(&action.selected_date),
        "timepicker" => one(&action.selected_time),
        "datetimepicker" => one(&action.selected_date_time),
        "multi_users_select" => list(action.selected_users.as_deref().unwrap_or_default()),
        "multi_conversations_select" => list(action.selected_conversations.as_deref().unwrap_or_default()),
        "multi_channels_select" => list(action.selected_channels.as_deref().unwrap_or_default()),
        "rich_text_input" => (String::new(), action.rich_text_value.map(|value| value.get().to_owned())),
        // Select, overflow and radio: one option. Checkboxes and multi-selects: several. Legacy: a list of one.
        _ => match (&action.selected_option, action.selected_options.as_deref()) {
            (Some(choice), _) => chosen(choice),
            (None, Some([choice])) if &*action.kind == "select" => {
                let (label, value) = chosen(choice);
                (if label.is_empty() { value.clone().unwrap_or_default() } else { label }, value)
            }
            (None, Some(choices)) => {
                let labels: Vec<&str> = choices.iter().map(|choice| &*choice.text.0).collect();
                let values: Vec<&str> = choices.iter().map(|choice| &*choice.value).collect();
                (labels.join(", "), Some(serde_json::json!(values).to_string()))
            }
            (None, None) => one(&action.value),
        },
    }
}

/// Several ids: joined to be read, a JSON list as value.
fn list(ids: &[Text<'_>]) -> (String, Option<String>) {
    let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
    (ids.join(", "), Some(serde_json::json!(ids).to_string()))
}
