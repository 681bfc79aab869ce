//! Answers of the Bot API: what came of a call, and what to do when Telegram refused it.

mod refusal;

use portico_contract::{
    Context, Effect, Fault, FaultCode, FormPart, Host, HttpAnswer, InboundResponse, OutboundRequest, Outcome,
    Payload, TransportFailure, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde_json::{Map, Value, json};

use crate::call::Api;
use crate::html;
use crate::normalize::moved_event;
use crate::render::Note;
use crate::render::media::{self, Stage};
#[cfg(test)]
pub(crate) use refusal::sort;
pub(crate) use refusal::{Class, read};

/// Goes on with a delivery.
pub(crate) fn resume(
    host: &dyn Host,
    ctx: &Context,
    sequence: Sequence,
    answers: &[HttpAnswer],
) -> Result<Turn, Fault> {
    resume_to(host, ctx, sequence, answers, |sequence| Outcome::Delivered(sequence.sent().clone()))
}

/// Goes on with a run of sending calls that ends as the caller says.
pub(crate) fn resume_to(
    host: &dyn Host,
    ctx: &Context,
    sequence: Sequence,
    answers: &[HttpAnswer],
    end: impl FnOnce(Sequence) -> Outcome,
) -> Result<Turn, Fault> {
    let note: Note = if sequence.note.is_null() {
        Note::default()
    } else {
        serde_json::from_value(sequence.note.clone())
            .map_err(|error| Fault::new(FaultCode::Bug, format!("memo: {error}")))?
    };
    let job = Job { host, api: Api::of(ctx)?, note, first: sequence.sent().external_ids.is_empty() };
    let mut effects = Vec::new();
    let mut turn =
        sequence.resume_to(answers, |request, answer| job.step(request, answer, &mut effects), end)?;
    turn.effects.append(&mut effects);
    Ok(turn)
}

struct Job<'a> {
    host: &'a dyn Host,
    api: Api,
    note: Note,
    /// Whether nothing was sent yet.
    first: bool,
}

impl Job<'_> {
    fn step(
        &self,
        request: &OutboundRequest,
        answer: &HttpAnswer,
        effects: &mut Vec<Effect>,
    ) -> Result<Step, Fault> {
        let file = media::Step::parse(&request.label);
        let plan = file.and_then(|step| self.note.media.get(step.index).map(|plan| (step, plan)));
        if let Some((step, plan)) = plan
            && step.stage == Stage::Fetch
        {
            return Ok(then(self.fetched(plan, step, answer)));
        }
        let refusal = match read(answer) {
            Ok(result) => return Ok(self.sent(&result)),
            Err(refusal) => refusal,
        };
        match (&refusal.class, plan) {
            (Class::Media { process }, Some((step, plan))) => {
                Ok(then(media::refused(&self.api, plan, step, *process)))
            }
            (Class::NotModified, _) => Ok(Step::ok()),
            (Class::Gone, _) if request.label == "deleteMessage" => Ok(Step::ok()),
            (Class::Moved(to), _) => self.moved(request, *to, effects).map(then).ok_or(refusal.fault),
            (Class::Markup, _) => without_markup(request).map(then).ok_or(refusal.fault),
            (Class::ButtonUrl, _) => self
                .without_links(request)
                .map(|calls| Step { then: calls, ..Step::default() })
                .ok_or(refusal.fault),
            _ => Err(refusal.fault),
        }
    }

    fn sent(&self, result: &Value) -> Step {
        // Edits of what can't be shown again answer `true`.
        let Some(id) = result.get("message_id").and_then(Value::as_i64) else { return Step::ok() };
        let mut step = Step::sent(id.to_string());
        if self.first {
            step.tags.set("id", id.to_string());
        }
        if let Some(chat) = result.pointer("/chat/id").and_then(Value::as_i64) {
            step.tags.set("chatId", chat.to_string());
        }
        step
    }

    fn fetched(&self, plan: &media::Plan, step: media::Step, answer: &HttpAnswer) -> OutboundRequest {
        match &answer.outcome {
            Ok(InboundResponse { status: 200..=299, body: Payload::Stored(blob), .. }) => {
                let known = self.host.blobs().describe(blob);
                let size = known.as_ref().map(|blob| blob.size);
                let mime = known.as_ref().map(|blob| blob.media_type.as_str());
                media::fetched(&self.api, plan, step, blob, size, mime)
            }
            // What the gateway can't fetch either goes out as it came in: as an address.
            _ => media::link(&self.api, plan),
        }
    }

    /// The same call for a group's new id, and the event that moves the conversation there.
    fn moved(
        &self,
        request: &OutboundRequest,
        to: i64,
        effects: &mut Vec<Effect>,
    ) -> Option<OutboundRequest> {
        let from = field(request, "chat_id")?.as_i64().filter(|from| *from != to)?;
        effects.push(Effect::Emit(moved_event(from, to, self.host.now())));
        let mut request = request.clone();
        set(&mut request, "chat_id", Some(to.into()));
        Some(request)
    }

    /// The same message without buttons that open addresses, and these as a text after it.
    fn without_links(&self, request: &OutboundRequest) -> Option<Vec<OutboundRequest>> {
        let mut markup = field(request, "reply_markup")?;
        let rows = markup.get_mut("inline_keyboard")?.as_array_mut()?;
        let mut links = Vec::new();
        for row in rows.iter_mut() {
            let Some(buttons) = row.as_array_mut() else { continue };
            buttons.retain(|button| {
                let Some(url) = button.get("url").and_then(Value::as_str) else { return true };
                let label = button.get("text").and_then(Value::as_str).unwrap_or_default();
                links.push(format!("{label}: {url}"));
                false
            });
        }
        rows.retain(|row| row.as_array().is_some_and(|buttons| !buttons.is_empty()));
        if links.is_empty() {
            return None;
        }
        let left = !rows.is_empty();
        let mut first = request.clone();
        set(&mut first, "reply_markup", left.then_some(markup));
        let mut text = Map::new();
        for name in ["chat_id", "message_thread_id", "business_connection_id"] {
            if let Some(value) = field(request, name) {
                text.insert(name.into(), value);
            }
        }
        let words = portico_kit::split::split(
            &links.join("\n"),
            crate::render::MAX_TEXT,
            portico_kit::split::Measure::Utf16,
        );
        let mut calls = vec![first];
        for piece in words {
            text.insert("text".into(), piece.into());
            calls.push(self.api.call("sendMessage", &text));
        }
        Some(calls)
    }
}

fn then(request: OutboundRequest) -> Step {
    Step { then: vec![request], ..Step::default() }
}

/// The same message as plain text, for markup that Telegram can't read.
fn without_markup(request: &OutboundRequest) -> Option<OutboundRequest> {
    field(request, "parse_mode")?;
    let mut request = request.clone();
    set(&mut request, "parse_mode", None);
    for name in ["text", "caption"] {
        if let Some(Value::String(text)) = field(&request, name) {
            set(&mut request, name, Some(html::plain(&text).into()));
        }
    }
    Some(request)
}

/// A parameter of a call, from its JSON or its form.
fn field(request: &OutboundRequest, name: &str) -> Option<Value> {
    match &request.body {
        Payload::Text(text) => serde_json::from_str::<Map<String, Value>>(text).ok()?.remove(name),
        Payload::Form(parts) => {
            parts.iter().find(|part| part.name == name).and_then(|part| match &part.body {
                // A caption such as `5` must stay a text.
                Payload::Text(text) if matches!(name, "text" | "caption") => Some(text.clone().into()),
                Payload::Text(text) => {
                    Some(serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()))
                }
                _ => None,
            })
        }
        _ => None,
    }
}

/// Changes or removes a parameter of a call.
fn set(request: &mut OutboundRequest, name: &str, value: Option<Value>) {
    match &mut request.body {
        Payload::Text(text) => {
            let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(text) else { return };
            match value {
                Some(value) => fields.insert(name.into(), value),
                None => fields.remove(name),
            };
            *text = Value::Object(fields).to_string();
        }
        Payload::Form(parts) => {
            parts.retain(|part| part.name != name);
            if let Some(value) = value {
                let body = Payload::Text(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                parts.push(FormPart { name: name.into(), filename: None, media_type: None, body });
            }
        }
        Payload::Empty | Payload::Bytes(_) | Payload::Stored(_) => {}
    }
}

/// What a lost answer means: to the gateway, that the provider is in trouble.
pub(crate) fn lost(label: &str, failure: TransportFailure) -> Fault {
    Fault::new(FaultCode::Unavailable, format!("{label}: {failure}")).detail(json!({ "transport": failure }))
}
