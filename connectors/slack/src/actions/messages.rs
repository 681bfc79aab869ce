//! Actions on messages: typing, reactions, edits, deletions, response addresses.

use portico_contract::{
    ActionCall, Content, Context, Fault, FaultCode, Host, HttpAnswer, OutboundRequest, Outcome, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde_json::{Value, json};

use super::{ask, input, output, write};
use crate::config::SlackConfig;
use crate::render::{Piece, Post, render};
use crate::{place, respond, send};

/// The reaction that stands for typing.
const TYPING: &str = "eyes";

/// Emoji that bots send as such; Slack wants names.
const NAMES: [(&str, &str); 20] = [
    ("👍", "+1"),
    ("👎", "-1"),
    ("❤", "heart"),
    ("😂", "joy"),
    ("😄", "smile"),
    ("😀", "grinning"),
    ("🎉", "tada"),
    ("👀", "eyes"),
    ("✅", "white_check_mark"),
    ("❌", "x"),
    ("🙏", "pray"),
    ("🔥", "fire"),
    ("😮", "open_mouth"),
    ("😢", "cry"),
    ("🚀", "rocket"),
    ("👏", "clap"),
    ("🤔", "thinking_face"),
    ("💯", "100"),
    ("👌", "ok_hand"),
    ("👋", "wave"),
];

/// Typing: a status in assistant threads, else a reaction where the operator wants one.
pub(super) fn typing(
    ctx: &Context,
    config: &SlackConfig,
    call: &ActionCall,
    on: bool,
) -> Result<Turn, Fault> {
    let job = if on { "startTypingIndicator" } else { "stopTypingIndicator" };
    let reaction = reaction_call(config, call, on);
    let Some(thread) = &call.thread else {
        return match reaction {
            Some(reaction) => ask(job, reaction, Value::Null),
            None => Err(input::bad(
                "conversationId",
                "conversationId is missing, must be the id of a conversation",
            )),
        };
    };
    let (channel, thread_ts) = place::target(thread)?;
    match (thread_ts.filter(|_| channel.starts_with('D')), reaction) {
        (Some(thread_ts), reaction) => {
            let status = if on { typing_text(&ctx.locale) } else { "" };
            let body = json!({ "channel_id": channel, "thread_ts": thread_ts, "status": status });
            let note = serde_json::to_value(&reaction).unwrap_or_default();
            ask(job, write(config, "assistant.threads.setStatus", &body).repeatable(), note)
        }
        (None, Some(reaction)) => ask(job, reaction, Value::Null),
        // Slack shows nothing for bots elsewhere; typing is a courtesy, not an error.
        (None, None) => Ok(output(json!({}))),
    }
}

fn reaction_call(config: &SlackConfig, call: &ActionCall, on: bool) -> Option<OutboundRequest> {
    let (channel, stamps) = input::message(call).ok().filter(|_| config.typing_reaction)?;
    let method = if on { "reactions.add" } else { "reactions.remove" };
    let body = json!({ "channel": channel, "timestamp": stamps.first()?, "name": TYPING });
    Some(write(config, method, &body).repeatable())
}

/// Slack writes the app's name before it.
fn typing_text(locale: &str) -> &'static str {
    match locale.split(['-', '_']).next().unwrap_or_default() {
        "de" => "schreibt …",
        "es" => "está escribiendo…",
        "fr" => "est en train d’écrire…",
        "it" => "sta scrivendo…",
        "pt" => "está digitando…",
        _ => "is typing…",
    }
}

/// Typing was shown, or not: only what the next call would meet, too, is an error.
pub(super) fn typed(sequence: Sequence, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let answer = answers.first().ok_or_else(|| Fault::new(FaultCode::Bug, "resumed without an answer"))?;
    match send::read::<Value>(answer) {
        Ok(_) => Ok(output(json!({}))),
        Err(fault)
            if matches!(
                fault.code,
                FaultCode::RateLimited | FaultCode::Unavailable | FaultCode::Unauthenticated
            ) =>
        {
            Err(fault)
        }
        // A thread of a direct message that is no assistant thread.
        Err(_) => match serde_json::from_value::<Option<OutboundRequest>>(sequence.note) {
            Ok(Some(reaction)) => Sequence::new(&sequence.job, vec![reaction.bearer("bot_token")]).start(),
            _ => Ok(output(json!({}))),
        },
    }
}

/// `reactions.add` or `reactions.remove`.
pub(super) fn react(config: &SlackConfig, call: &ActionCall, method: &str) -> Result<Turn, Fault> {
    let name = emoji_name(input::text(call, "reaction")?)?;
    let (channel, stamps) = input::message(call)?;
    let Some(ts) = stamps.first() else {
        return Err(input::bad("messageId", "messageId stands for no message"));
    };
    let body = json!({ "channel": channel, "timestamp": ts, "name": name });
    ask(&call.name, write(config, method, &body).repeatable(), Value::Null)
}

fn emoji_name(reaction: &str) -> Result<String, Fault> {
    let bare = reaction.trim_matches(':').trim_end_matches('\u{FE0F}');
    if let Some((_, name)) = NAMES.iter().find(|(emoji, _)| *emoji == bare) {
        return Ok((*name).to_owned());
    }
    let named = !bare.is_empty()
        && bare.len() <= 100
        && bare
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '+' | '\'' | ':' | '.'));
    if named {
        Ok(bare.to_owned())
    } else {
        Err(input::bad("reaction", "reaction must be Slack's name of an emoji, such as thumbsup"))
    }
}

/// `chat.update` for every message that the old one became.
pub(super) fn edit(host: &dyn Host, config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let content = content(call)?;
    let (channel, stamps) = input::message(call)?;
    let mut effects = Vec::new();
    let posts = posts(host, &content, &mut effects)?;
    if posts.len() > stamps.len() {
        let reason = format!(
            "the new content needs {} messages at Slack, the old one has {}; send a new message",
            posts.len(),
            stamps.len()
        );
        return Err(input::bad("payload", reason));
    }
    let mut calls = Vec::new();
    let mut posts = posts.into_iter();
    for ts in &stamps {
        // What the old message had more of is taken back.
        let call = match posts.next() {
            Some(post) => {
                let body = json!({ "channel": channel, "ts": ts, "text": post.text, "blocks": post.blocks });
                write(config, "chat.update", &body)
            }
            None => write(config, "chat.delete", &json!({ "channel": channel, "ts": ts })),
        };
        calls.push(call.bearer("bot_token").repeatable());
    }
    let mut turn = Sequence::new(&call.name, calls).start()?;
    turn.effects.append(&mut effects);
    Ok(turn)
}

/// `chat.delete` for every message that the old one became.
pub(super) fn delete(config: &SlackConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let (channel, stamps) = input::message(call)?;
    let one = |ts: &String| {
        write(config, "chat.delete", &json!({ "channel": channel, "ts": ts }))
            .bearer("bot_token")
            .repeatable()
    };
    Sequence::new(&call.name, stamps.iter().map(one).collect()).start()
}

/// A reaction, edit or deletion was made; what was so already is success.
pub(super) fn changed(sequence: Sequence, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let read = |asked: &OutboundRequest, answer: &HttpAnswer| {
        let fine: &[&str] = match asked.label.as_str() {
            "reactions.add" => &["already_reacted"],
            "reactions.remove" => &["no_reaction"],
            "chat.delete" => &["message_not_found"],
            _ => &[],
        };
        send::read_or(answer, fine).map(|()| Step::ok())
    };
    sequence.resume_to(answers, read, |_| Outcome::Output(json!({})))
}

/// Posts to the response address of a command, press or shortcut.
pub(super) fn respond(host: &dyn Host, call: &ActionCall) -> Result<Turn, Fault> {
    let id = match (input::optional(call, "responseId")?, &call.message) {
        (Some(id), _) => id,
        (None, Some(message)) => message.external_ids.first().map(String::as_str).unwrap_or_default(),
        (None, None) => {
            return Err(input::bad("messageId", "messageId or responseId must name what is answered"));
        }
    };
    let Some(address) = respond::address(host, id) else {
        let reason = "there is no response address (any more): Slack gives one with commands, presses and message shortcuts, for 30 minutes";
        return Err(Fault::new(FaultCode::Unreachable, reason).at("/messageId"));
    };
    let visibility = input::optional(call, "visibility")?.unwrap_or("ephemeral");
    if !matches!(visibility, "ephemeral" | "in_channel") {
        return Err(input::bad("visibility", "visibility must be 'ephemeral' or 'in_channel'"));
    }
    let replace = input::flag(call, "replaceOriginal")?;
    if input::flag(call, "deleteOriginal")? {
        return Sequence::new(
            "respond",
            vec![OutboundRequest::json("response_url", address, &json!({ "delete_original": true }))],
        )
        .start();
    }
    let content = content(call)?;
    let mut effects = Vec::new();
    let posts = posts(host, &content, &mut effects)?;
    if posts.len() > 5 {
        return Err(input::bad(
            "payload",
            "the content needs more than the 5 messages that a response address takes",
        ));
    }
    let body = |(index, post): (usize, Post)| {
        let replace = replace && index == 0;
        let body = json!({ "response_type": visibility, "replace_original": replace, "text": post.text, "blocks": post.blocks });
        OutboundRequest::json("response_url", address.as_str(), &body)
    };
    let mut turn = Sequence::new("respond", posts.into_iter().enumerate().map(body).collect()).start()?;
    turn.effects.append(&mut effects);
    Ok(turn)
}

/// The response address answers `ok` as text, or an error.
pub(super) fn responded(sequence: Sequence, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let read = |_: &OutboundRequest, answer: &HttpAnswer| {
        let gone = || {
            Fault::new(
                FaultCode::Unreachable,
                "the response address is used up (5 answers) or too old (30 minutes)",
            )
        };
        match &answer.outcome {
            Ok(response) if response.is_success() => {
                match serde_json::from_slice::<Value>(response.bytes()) {
                    Ok(Value::Object(_)) => send::read::<Value>(answer).map(|_| Step::ok()),
                    _ => Ok(Step::ok()),
                }
            }
            Ok(response) if matches!(response.status, 404 | 410) => Err(gone()),
            _ => match send::read::<Value>(answer) {
                Err(fault) if matches!(send::error_of(&fault), "used_url" | "expired_url") => Err(gone()),
                Err(fault) => Err(fault),
                Ok(_) => Ok(Step::ok()),
            },
        }
    };
    sequence.resume_to(answers, read, |_| Outcome::Output(json!({})))
}

/// `type` and `payload` of the input.
fn content(call: &ActionCall) -> Result<Content, Fault> {
    let payload = call.input.get("payload").cloned().unwrap_or_default();
    Content::from_parts(input::text(call, "type")?, payload).map_err(|error| {
        let field = error.field.replace(['.', '['], "/").replace(']', "");
        input::bad(&field, error.to_string())
    })
}

/// The messages that a content becomes, where none of them is a file.
fn posts(
    host: &dyn Host,
    content: &Content,
    effects: &mut Vec<portico_contract::Effect>,
) -> Result<Vec<Post>, Fault> {
    let one = |piece| match piece {
        Piece::Post(post) | Piece::Picture(post, _) => Ok(post),
        Piece::Upload(_) => Err(input::bad("type", "Slack can't put a file here; send it as a message")),
    };
    render(host, content, effects)?.into_iter().map(one).collect()
}
