//! What a bot may ask for beyond messages.

mod input;
mod lookup;
mod messages;
mod rooms;

use portico_contract::{
    ActionCall, Context, Fault, FaultCode, Host, HttpAnswer, OutboundRequest, Outcome, Payload, Turn,
};
use portico_kit::sequence::Sequence;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::config::SlackConfig;
use crate::setup;

/// The first turn of an action.
///
/// # Errors
/// `bad-input` that names the field; `unsupported` for what Slack does not have.
pub(crate) fn act(
    host: &dyn Host,
    ctx: &Context,
    config: &SlackConfig,
    call: &ActionCall,
) -> Result<Turn, Fault> {
    match call.name.as_str() {
        // The response address carries no token.
        "respond" => return messages::respond(host, call),
        "markAsRead" => return Err(unsupported("Slack has no read marks that a bot could set")),
        _ => setup::check_alive(host)?,
    }
    match call.name.as_str() {
        "startTypingIndicator" => messages::typing(ctx, config, call, true),
        "stopTypingIndicator" => messages::typing(ctx, config, call, false),
        "addReaction" => messages::react(config, call, "reactions.add"),
        "removeReaction" => messages::react(config, call, "reactions.remove"),
        "editMessage" => messages::edit(host, config, call),
        "deleteMessage" => messages::delete(config, call),
        "media" => rooms::media(config, call),
        "startDmConversation" => rooms::start_dm(config, call),
        "startChannelConversation" => rooms::start_channel(config, call),
        "updateChannelTopic" => rooms::set_topic(config, call),
        "openView" => rooms::open_view(config, call),
        "getUserProfile" => lookup::profile(config, call),
        "findTarget" => lookup::find(config, call),
        "retrieveMessage" => lookup::message(config, call),
        name => {
            let name: String = name.chars().take(60).collect();
            Err(unsupported(&format!("the slack connector has no action '{name}'")))
        }
    }
}

/// Takes the answer of the call under way.
///
/// # Errors
/// After Slack's error.
pub(crate) fn resume(
    host: &dyn Host,
    config: &SlackConfig,
    sequence: Sequence,
    answers: &[HttpAnswer],
) -> Result<Turn, Fault> {
    let job = sequence.job.clone();
    let answer = answers.first().ok_or_else(|| Fault::new(FaultCode::Bug, "resumed without an answer"))?;
    match job.as_str() {
        "startTypingIndicator" | "stopTypingIndicator" => messages::typed(sequence, answers),
        "addReaction" | "removeReaction" | "editMessage" | "deleteMessage" => {
            messages::changed(sequence, answers)
        }
        "respond" => messages::responded(sequence, answers),
        "media" => rooms::fetched(config, answer),
        "startDmConversation" => rooms::dm_started(answer),
        "startChannelConversation" => rooms::channel_started(config, &sequence.note, answer),
        "updateChannelTopic" => rooms::topic_set(answer),
        "openView" => rooms::view_opened(answer),
        "getUserProfile" => lookup::profiled(answer),
        "findTarget" => lookup::found(host, config, sequence.note, answer),
        "retrieveMessage" => lookup::retrieved(config, sequence.note, answer),
        _ => Err(Fault::new(FaultCode::Bug, "memo: of no known job")),
    }
}

fn unsupported(reason: &str) -> Fault {
    Fault::new(FaultCode::Unsupported, reason)
}

fn output(value: Value) -> Turn {
    Turn::done(Outcome::Output(value))
}

/// One call with the bot token, and something to remember until its answer.
fn ask(job: &str, call: OutboundRequest, note: Value) -> Result<Turn, Fault> {
    Sequence::new(job, vec![call.bearer("bot_token")]).with_note(note).start()
}

/// A method that changes something.
fn write(config: &SlackConfig, method: &str, body: &Value) -> OutboundRequest {
    OutboundRequest::json(method, config.method(method), body)
}

/// A method that reads; Slack takes its arguments in the query only.
fn query(config: &SlackConfig, method: &str, arguments: &[(&str, &str)]) -> OutboundRequest {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(arguments).finish();
    OutboundRequest::get(method, format!("{}?{query}", config.method(method)))
}

/// The output of `media`, when the gateway kept the bytes.
fn blob_of(body: &Payload) -> Option<Value> {
    match body {
        Payload::Stored(blob) => Some(json!({ "blob": blob })),
        Payload::Empty | Payload::Text(_) | Payload::Bytes(_) | Payload::Form(_) => None,
    }
}
