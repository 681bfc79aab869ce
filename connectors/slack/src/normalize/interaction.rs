//! Interactions: presses in messages become texts with a value; what happens in views and shortcuts becomes
//! events under Slack's names.

use portico_contract::{CustomEvent, Event as Emitted, Fault, Host, Party, Reply, Turn};
use serde_json::{Map, Value, json};

use super::{press, unreadable};
use crate::place::Place;
use crate::respond;
use crate::wire_form::Interaction;

/// What an interaction says.
pub(super) fn normalize(host: &dyn Host, payload: &[u8]) -> Result<Turn, Fault> {
    let read = |error: portico_kit::json::JsonError| unreadable(format!("payload: {error}"));
    let interaction: Interaction<'_> = portico_kit::json::from_slice(payload).map_err(read)?;
    match &*interaction.kind {
        "block_actions" | "interactive_message" if channel_of(&interaction).is_some() => {
            press::normalize(host, &interaction)
        }
        "block_actions" => event("blockAction", &interaction, payload),
        "shortcut" => event("shortcut", &interaction, payload),
        "message_action" => event("messageAction", &interaction, payload),
        // An empty 200 closes the view.
        "view_submission" => event("viewSubmission", &interaction, payload),
        "view_closed" => event("viewClosed", &interaction, payload),
        // Slack wants the options in this very answer, while somebody types.
        "block_suggestion" | "dialog_suggestion" => {
            Ok(Turn::emit([]).with_reply(Reply::text(200, "application/json", r#"{"options":[]}"#)))
        }
        "" => Err(unreadable("payload.type: is missing, must be a text")),
        _ => event("interaction", &interaction, payload),
    }
}

/// Where the element stands; `None` in views.
pub(super) fn channel_of<'a>(interaction: &'a Interaction<'_>) -> Option<&'a str> {
    let container = interaction.container.as_ref().and_then(|container| container.channel_id.some());
    container.or_else(|| interaction.channel.as_ref().and_then(|channel| channel.id.some()))
}

/// Who used it.
pub(super) fn author(interaction: &Interaction<'_>) -> Party {
    let user = &interaction.user;
    Party {
        id: user.id.to_string(),
        name: user.name.owned().or_else(|| user.username.owned()),
        ..Party::default()
    }
}

/// An interaction as an event with the payload in it; what is secret or of no use stays out.
fn event(name: &'static str, interaction: &Interaction<'_>, payload: &[u8]) -> Result<Turn, Fault> {
    let mut data: Map<String, Value> =
        serde_json::from_slice(payload).map_err(|_| unreadable("payload: must be a JSON object"))?;
    for field in ["token", "response_url", "response_urls"] {
        data.remove(field);
    }
    let id = repeat_id(interaction);
    let message =
        interaction.message.as_ref().and_then(|message| message.ts.some()).or(interaction.message_ts.some());
    let thread = channel_of(interaction).map(|channel| {
        let thread_ts = interaction.message.as_ref().map_or("", |message| &message.thread_ts);
        Place { channel, channel_type: "", thread_ts, ts: message.unwrap_or_default() }.plain()
    });
    data.insert("triggerId".into(), json!(&*interaction.trigger_id));
    let several = interaction.response_urls.as_ref().and_then(|all| all.first());
    let address = interaction.response_url.some().or(several.and_then(|one| one.response_url.some()));
    if address.is_some() {
        data.insert("responseId".into(), json!(id));
    }
    let author = Some(author(interaction)).filter(|author| !author.id.is_empty());
    let custom = CustomEvent {
        name: name.into(),
        external_id: Some(id.clone()).filter(|id| !id.is_empty()),
        thread,
        author,
        message: message.map(str::to_owned),
        data: Value::Object(data),
    };
    Ok(respond::remember(Turn::emit([Emitted::Custom(custom)]), &id, address))
}

/// Interactions are never repeated by Slack; this tells them apart all the same.
fn repeat_id(interaction: &Interaction<'_>) -> String {
    let (view, hash) = interaction.view.as_ref().map_or(("", ""), |view| (&view.id, &view.hash));
    let unique = interaction.trigger_id.some().or(interaction.action_ts.some());
    let action = interaction
        .actions
        .as_ref()
        .and_then(|actions| actions.first())
        .and_then(|action| action.action_ts.some());
    let parts = [unique, Some(view), Some(hash), action];
    let id: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    id.join("-")
}
