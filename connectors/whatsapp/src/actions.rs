//! Things a bot may ask for beyond messages.

use portico_contract::{
    ActionCall, Effect, Fault, FaultCode, Host, HttpAnswer, Next, OutboundRequest, Outcome, Payload, Tags,
    Thread, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde_json::{Value, json};

use crate::config::WhatsAppConfig;
use crate::send::{Note, Target, media_address, media_bytes, media_url};
use crate::template::Template;
use crate::{CHANNEL, IDENTITY, errors, phone, send};

/// Prefix of an action's name in a sequence.
pub(crate) const JOB: &str = "act:";

/// The reaction that shows that the bot is at work.
const AT_WORK: &str = "👀";

/// Begins an action.
pub(crate) fn act(config: &WhatsAppConfig, call: &ActionCall) -> Result<Turn, Fault> {
    match call.name.as_str() {
        "startConversation" => start_conversation(config, call),
        "sendTemplate" => {
            let template = Template::read(&call.input, "")?;
            let target = Target::of(thread(call)?, config)?;
            let request = target.call(config, "message", &template.body(), None);
            begin(call, vec![request], Note { target, attempt: 1, ..Note::default() })
        }
        "markAsRead" => read_and_typing(config, call, false),
        "startTypingIndicator" => read_and_typing(config, call, true),
        "stopTypingIndicator" => {
            // The indicator ends by itself, with the next message or after 25 seconds.
            if !config.typing_emoji {
                return Ok(Turn::done(Outcome::Output(json!({}))));
            }
            react(config, call, "")
        }
        "addReaction" => {
            let emoji = call.input.get("reaction").and_then(Value::as_str).map(str::trim).unwrap_or_default();
            if emoji.is_empty() {
                return Err(bad_input("/reaction", "is missing, must be one emoji"));
            }
            react(config, call, emoji)
        }
        "removeReaction" => react(config, call, ""),
        "media" => {
            let handle = call.input.get("handle").and_then(Value::as_str).filter(|handle| !handle.is_empty());
            let handle = handle.ok_or_else(|| bad_input("/handle", "is missing, must be a media id"))?;
            begin(
                call,
                vec![media_address(config, "address", handle)],
                Note { attempt: 1, ..Note::default() },
            )
        }
        "listTemplates" => {
            let waba = config.waba_id.as_deref().ok_or_else(|| {
                Fault::new(
                    FaultCode::BadConfig,
                    "listing templates needs the account's id in the configuration",
                )
                .at("/waba_id")
            })?;
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", "100");
            for (name, field) in
                [("name", "name"), ("language", "language"), ("status", "status"), ("after", "after")]
            {
                if let Some(value) =
                    call.input.get(field).and_then(Value::as_str).filter(|value| !value.is_empty())
                {
                    query.append_pair(name, value);
                }
            }
            let url = config.graph(&format!("{waba}/message_templates?{}", query.finish()));
            let request = OutboundRequest::get("templates", url).bearer("access_token");
            begin(call, vec![request], Note { attempt: 1, ..Note::default() })
        }
        "editMessage" | "deleteMessage" => Err(Fault::new(
            FaultCode::Unsupported,
            "WhatsApp lets a business neither edit nor delete what it sent",
        )),
        name => Err(Fault::new(FaultCode::Unsupported, format!("WhatsApp has no action '{name}'"))),
    }
}

/// Takes an answer on the way of an action.
pub(crate) fn resume(
    host: &dyn Host,
    config: &WhatsAppConfig,
    sequence: Sequence,
    answers: &[HttpAnswer],
) -> Result<Turn, Fault> {
    let note = Note::read(&sequence.note)?;
    let mut effects = Vec::new();
    let mut output = json!({});
    let first = sequence.sent().external_ids.is_empty();
    let read = |asked: &OutboundRequest, answer: &HttpAnswer| match answer.label.as_str() {
        "message" => send::message(host, config, &note, first, asked, answer, &mut effects),
        "address" => {
            let url = media_url(errors::success(answer, 1)?)?;
            Ok(Step { then: vec![media_bytes("bytes", &url)], ..Step::default() })
        }
        "bytes" => match &errors::success(answer, 1)?.body {
            Payload::Stored(id) => {
                output = json!({ "blob": id });
                Ok(Step::ok())
            }
            _ => Err(Fault::new(FaultCode::NotFound, "the media has no bytes")),
        },
        "templates" => {
            let found: Value =
                serde_json::from_slice(errors::success(answer, 1)?.bytes()).unwrap_or_default();
            output = json!({
                "templates": found.get("data").cloned().unwrap_or_else(|| json!([])),
                "after": found.pointer("/paging/cursors/after").filter(|_| found.pointer("/paging/next").is_some()),
            });
            Ok(Step::ok())
        }
        _ => errors::success(answer, 1).map(|_| Step::ok()),
    };
    let mut sent = Vec::new();
    let mut turn = sequence.resume_to(answers, read, |sequence| {
        sent.clone_from(&sequence.sent().external_ids);
        Outcome::Nothing
    })?;
    turn.effects.extend(effects);
    if let Next::Done(outcome) = &mut turn.next {
        if let (Some(id), Some(output)) = (sent.first(), output.as_object_mut()) {
            output.insert("externalId".into(), id.as_str().into());
        }
        *outcome = Outcome::Output(output);
        turn.effects.extend(note.opens.map(Effect::Open));
    }
    Ok(turn)
}

fn bad_input(field: &str, reason: &str) -> Fault {
    Fault::new(FaultCode::BadInput, reason).at(field)
}

fn begin(call: &ActionCall, requests: Vec<OutboundRequest>, note: Note) -> Result<Turn, Fault> {
    Sequence::new(&format!("{JOB}{}", call.name), requests).with_note(note.json()?).start()
}

fn thread(call: &ActionCall) -> Result<&Thread, Fault> {
    call.thread
        .as_ref()
        .ok_or_else(|| bad_input("/conversationId", "is missing, must be a conversation's id"))
}

/// The provider's id of the message that the call is about.
fn message_id(call: &ActionCall) -> Result<&str, Fault> {
    let id = call.message.as_ref().and_then(|message| message.external_ids.last());
    id.map(String::as_str)
        .ok_or_else(|| bad_input("/messageId", "is missing, must be the id of a WhatsApp message"))
}

/// One call for both: the provider shows typing as an answer to a message, and marks that as read with it.
fn read_and_typing(config: &WhatsAppConfig, call: &ActionCall, typing: bool) -> Result<Turn, Fault> {
    let id = message_id(call)?;
    let bot = call.thread.as_ref().and_then(|thread| thread.tags.get("botPhoneNumberId"));
    let bot = bot.unwrap_or(&config.phone_number_id);
    let mut body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": id });
    if let (true, Some(fields)) = (typing, body.as_object_mut()) {
        fields.insert("typing_indicator".into(), json!({ "type": "text" }));
    }
    let url = config.graph(&format!("{bot}/messages"));
    let mut requests = vec![OutboundRequest::json("read", url, &body).bearer("access_token").repeatable()];
    if typing && config.typing_emoji {
        requests.push(reaction(config, thread(call)?, id, AT_WORK)?);
    }
    begin(call, requests, Note { attempt: 1, ..Note::default() })
}

fn react(config: &WhatsAppConfig, call: &ActionCall, emoji: &str) -> Result<Turn, Fault> {
    let id = message_id(call)?;
    begin(call, vec![reaction(config, thread(call)?, id, emoji)?], Note { attempt: 1, ..Note::default() })
}

fn reaction(
    config: &WhatsAppConfig,
    thread: &Thread,
    id: &str,
    emoji: &str,
) -> Result<OutboundRequest, Fault> {
    let body = json!({ "type": "reaction", "reaction": { "message_id": id, "emoji": emoji } });
    // The same reaction twice is one reaction.
    Ok(Target::of(thread, config)?.call(config, "reaction", &body, None).repeatable())
}

/// Opens a conversation with a number (or a user id), usually with a template, because nothing else reaches a
/// person who has not written within 24 hours.
fn start_conversation(config: &WhatsAppConfig, call: &ActionCall) -> Result<Turn, Fault> {
    let (input, place) = match call.input.get("conversation") {
        Some(inner @ Value::Object(_)) => (inner, "/conversation"),
        _ => (&call.input, ""),
    };
    let text =
        |name: &str| input.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let bot = text("botPhoneNumberId").or(text("senderPhoneNumberId")).unwrap_or(&config.phone_number_id);
    if !config.owns(bot) {
        let reason = "is not a number of this installation: see phone_number_id and more_phone_number_ids";
        return Err(bad_input(&format!("{place}/botPhoneNumberId"), reason));
    }
    let tags = Tags::new().with("botPhoneNumberId", bot);
    let tags = match (text("userPhone"), text("userId")) {
        (Some(written), _) => {
            let reason = "must be a phone number in international form, such as +14155552671";
            let number =
                phone::of_text(written).ok_or_else(|| bad_input(&format!("{place}/userPhone"), reason))?;
            tags.with("userPhone", number)
        }
        (None, Some(id)) => tags.with("userId", id),
        (None, None) => {
            let reason = "is missing, must be a phone number in international form";
            return Err(bad_input(&format!("{place}/userPhone"), reason));
        }
    };
    let thread = Thread::new(CHANNEL, &IDENTITY, tags);
    if text("templateName").is_none() {
        return Ok(Turn::done(Outcome::Output(json!({}))).with_effect(Effect::Open(thread)));
    }
    let template = Template::read(input, place)?;
    let target = Target::of(&thread, config)?;
    let request = target.call(config, "message", &template.body(), None);
    begin(call, vec![request], Note { target, attempt: 1, opens: Some(thread), ..Note::default() })
}
