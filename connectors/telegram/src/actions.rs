//! What a bot may ask for besides messages.

mod edit;
mod file;

use portico_contract::{
    ActionCall, Context, Fault, FaultCode, Host, HttpAnswer, MessageRef, OutboundRequest, Outcome, Tags,
    Thread, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde::Serialize;
use serde_json::{Value, json};
use teloxide_core::payloads::{DeleteMessage, SendChatAction, SetMessageReaction};
use teloxide_core::types::{ChatAction, MessageId, ReactionType};

use crate::call::{Api, Target, addressed};
use crate::send::{self, Class};

/// Begins the name of every action's run.
pub(crate) const PREFIX: &str = "act:";

/// The emoji that a bot may react with.
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
    "❤‍🔥",
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
    "👨‍💻",
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
    "🤷‍♂",
    "🤷",
    "🤷‍♀",
    "😡",
];

/// Methods that would take the connection out of Portico's hands, or answer with a token.
const CLOSED_METHODS: [&str; 7] = [
    "setwebhook",
    "deletewebhook",
    "getupdates",
    "logout",
    "close",
    "getmanagedbottoken",
    "replacemanagedbottoken",
];

/// `readBusinessMessage` and `deleteBusinessMessages`; teloxide's own name the connection only.
#[derive(Serialize)]
struct BusinessMessages<'a> {
    business_connection_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    message_ids: Vec<i32>,
}

/// Begins an action.
///
/// # Errors
/// `bad-input` with the field at fault, `unsupported` for what Telegram has not.
pub(crate) fn act(host: &dyn Host, ctx: &Context, call: &ActionCall) -> Result<Turn, Fault> {
    let api = Api::of(ctx)?;
    let calls = match call.name.as_str() {
        "startTypingIndicator" => {
            let target = Target::of(&thread(call)?)?;
            let payload = SendChatAction::new(target.chat.clone(), ChatAction::Typing);
            vec![api.call("sendChatAction", &addressed!(payload, target)).repeatable()]
        }
        "stopTypingIndicator" => return Ok(Turn::done(Outcome::Output(json!({})))),
        "markAsRead" => vec![mark_as_read(&api, call)?],
        "addReaction" => {
            let emoji = emoji(&call.input)?;
            vec![react(&api, call, vec![ReactionType::Emoji { emoji }])?]
        }
        "removeReaction" => vec![react(&api, call, Vec::new())?],
        "editMessage" => return edit::edit(host, &api, call),
        "deleteMessage" => delete(&api, call)?,
        "media" => vec![file::by_handle(&api, text(&call.input, "handle")?)],
        "getUserPicture" => vec![file::by_user(&api, &call.input)?],
        "callMethod" => vec![any_method(&api, &call.input)?],
        other => return Err(Fault::new(FaultCode::Unsupported, format!("Telegram has no action '{other}'"))),
    };
    Sequence::new(&format!("{PREFIX}{}", call.name), calls).start()
}

/// Goes on with an action.
pub(crate) fn resume(
    host: &dyn Host,
    ctx: &Context,
    sequence: Sequence,
    answers: &[HttpAnswer],
) -> Result<Turn, Fault> {
    let done = |_: Sequence| Outcome::Output(json!({}));
    match sequence.job.strip_prefix(PREFIX).unwrap_or_default() {
        "media" | "getUserPicture" => file::resume(ctx, sequence, answers),
        "callMethod" => sequence.resume_to(
            answers,
            |_, answer| {
                let result = send::read(answer).map_err(|refusal| called(answer, refusal.fault))?;
                Ok(Step { tags: Tags::new().with("result", result.to_string()), ..Step::default() })
            },
            |sequence| {
                let result = sequence
                    .sent()
                    .tags
                    .get("result")
                    .and_then(|text| serde_json::from_str::<Value>(text).ok());
                Outcome::Output(json!({ "result": result }))
            },
        ),
        "deleteMessage" => sequence.resume_to(
            answers,
            |_, answer| match send::read(answer) {
                Ok(_) => Ok(Step::ok()),
                Err(refusal) if refusal.class == Class::Gone => Ok(Step::ok()),
                Err(refusal) => Err(refusal.fault),
            },
            done,
        ),
        _ => send::resume_to(host, ctx, sequence, answers, done),
    }
}

/// A method's name that does not exist is answered like a token that does not exist.
fn called(answer: &HttpAnswer, mut fault: Fault) -> Fault {
    let missing = matches!(&answer.outcome, Ok(response) if response.status == 404);
    if missing && fault.code == FaultCode::Unauthenticated {
        fault.code = FaultCode::NotFound;
    }
    fault
}

/// The conversation that an action is about: its own, or that of the message it names.
fn thread(call: &ActionCall) -> Result<Thread, Fault> {
    if let Some(thread) = &call.thread {
        return Ok(thread.clone());
    }
    let chat = call.message.as_ref().and_then(|message| message.tags.get("chatId"));
    match chat {
        Some(chat) => Ok(Thread::new("channel", &["chatId", "threadId"], Tags::new().with("chatId", chat))),
        None => Err(Fault::new(FaultCode::BadInput, "conversationId is missing, must name a conversation")
            .at("/conversationId")),
    }
}

fn message(call: &ActionCall) -> Result<&MessageRef, Fault> {
    call.message.as_ref().ok_or_else(|| {
        Fault::new(FaultCode::BadInput, "messageId is missing, must name a message").at("/messageId")
    })
}

/// Telegram's ids of the message that an action is about. A press of a button is no message at Telegram: the
/// one with the button stands for it.
fn message_ids(call: &ActionCall) -> Result<Vec<MessageId>, Fault> {
    let message = message(call)?;
    let named: Vec<&str> = match message.tags.get("pressedMessageId") {
        Some(id) => vec![id],
        None if message.external_ids.is_empty() => message.tags.get("id").into_iter().collect(),
        None => message.external_ids.iter().map(String::as_str).collect(),
    };
    let bad = || Fault::new(FaultCode::BadInput, "the message has no id at Telegram").at("/messageId");
    let ids: Vec<MessageId> =
        named.iter().map(|id| id.parse().map(MessageId).map_err(|_| bad())).collect::<Result<_, _>>()?;
    if ids.is_empty() { Err(bad()) } else { Ok(ids) }
}

fn text<'a>(input: &'a Value, name: &str) -> Result<&'a str, Fault> {
    input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(|| {
        Fault::new(FaultCode::BadInput, format!("{name} is missing, must be a text")).at(format!("/{name}"))
    })
}

/// An emoji in the form that Telegram lists: without the mark that asks for colour.
fn emoji(input: &Value) -> Result<String, Fault> {
    let plain = text(input, "reaction")?.replace('\u{fe0f}', "");
    REACTIONS
        .iter()
        .find(|known| known.replace('\u{fe0f}', "") == plain)
        .map(|known| (*known).to_owned())
        .ok_or_else(|| {
            Fault::new(
                FaultCode::BadInput,
                "reaction must be one of the emoji that Telegram lets bots react with, such as 👍",
            )
            .at("/reaction")
        })
}

fn react(api: &Api, call: &ActionCall, reaction: Vec<ReactionType>) -> Result<OutboundRequest, Fault> {
    let target = Target::of(&thread(call)?)?;
    if target.business.is_some() {
        return Err(Fault::new(
            FaultCode::Unsupported,
            "Telegram has no reactions of bots in chats of business accounts",
        ));
    }
    // Of a message in several pieces the first is the one that people see as its beginning.
    let ids = message_ids(call)?;
    let Some(id) = ids.first() else { return Err(Fault::new(FaultCode::Bug, "no message id")) };
    let mut payload = SetMessageReaction::new(target.chat, *id);
    payload.reaction = Some(reaction);
    Ok(api.call("setMessageReaction", &payload).repeatable())
}

fn mark_as_read(api: &Api, call: &ActionCall) -> Result<OutboundRequest, Fault> {
    let thread = thread(call)?;
    let target = Target::of(&thread)?;
    let (Some(connection), Some(chat)) =
        (&target.business, thread.tags.get("chatId").and_then(|id| id.parse().ok()))
    else {
        return Err(Fault::new(
            FaultCode::Unsupported,
            "Telegram marks messages as read for business accounts only",
        ));
    };
    let id = message_ids(call)?.last().map(|id| id.0);
    let payload = BusinessMessages {
        business_connection_id: &connection.0,
        chat_id: Some(chat),
        message_id: id,
        message_ids: Vec::new(),
    };
    Ok(api.call("readBusinessMessage", &payload).repeatable())
}

fn delete(api: &Api, call: &ActionCall) -> Result<Vec<OutboundRequest>, Fault> {
    let target = Target::of(&thread(call)?)?;
    let ids = message_ids(call)?;
    if let Some(connection) = &target.business {
        let payload = BusinessMessages {
            business_connection_id: &connection.0,
            chat_id: None,
            message_id: None,
            message_ids: ids.iter().map(|id| id.0).collect(),
        };
        return Ok(vec![api.call("deleteBusinessMessages", &payload).repeatable()]);
    }
    Ok(ids
        .into_iter()
        .map(|id| api.call("deleteMessage", &DeleteMessage::new(target.chat.clone(), id)).repeatable())
        .collect())
}

fn any_method(api: &Api, input: &Value) -> Result<OutboundRequest, Fault> {
    let method = text(input, "method")?;
    let bad = |reason: &str| Fault::new(FaultCode::BadInput, format!("method {reason}")).at("/method");
    if method.len() > 64 || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(bad("must be a method of the Bot API, such as 'sendInvoice'"));
    }
    if CLOSED_METHODS.contains(&method.to_ascii_lowercase().as_str()) {
        return Err(bad("is one that only the gateway may call").at("/method"));
    }
    let parameters = match input.get("parameters") {
        None | Some(Value::Null) => json!({}),
        Some(Value::Object(fields)) => Value::Object(fields.clone()),
        Some(_) => {
            return Err(Fault::new(FaultCode::BadInput, "parameters must be an object").at("/parameters"));
        }
    };
    Ok(api.call(method, &parameters))
}
