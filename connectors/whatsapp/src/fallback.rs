//! Media that the provider took first and could not fetch later (statuses 131052 and 131053): its address is
//! sent as text. Only when that fails too does the bot hear that its message failed.

use bytes::Bytes;
use portico_contract::{
    CustomEvent, Effect, Event, Fault, FaultCode, Host, HttpAnswer, Receipt, Scope, StateWrite, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::WhatsAppConfig;
use crate::normalize::Found;
use crate::send::{LINK_LIFETIME_S, Target, link_key, text_body};

/// The job's name in a sequence.
pub(crate) const JOB: &str = "media_fallback";

/// Most texts that one webhook sends; further failures are told as such.
const MOST: usize = 8;

/// What `send` kept of a sent medium.
#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    text: String,
}

/// The turn of a webhook in which media was refused.
pub(crate) fn begin(host: &dyn Host, config: &WhatsAppConfig, found: Found) -> Result<Turn, Fault> {
    let mut effects: Vec<Effect> = found.events.into_iter().map(Effect::Emit).collect();
    let mut calls = Vec::new();
    let mut receipts = Vec::new();
    for receipt in found.refused_media {
        let key = link_key(&receipt.external_id);
        let entry = host.state_get(&Scope::Installation, &key);
        let kept = entry.as_ref().and_then(|entry| serde_json::from_slice::<Kept>(&entry.data).ok());
        match (entry, kept) {
            // A repeat of a status whose text is on its way already.
            (Some(_), Some(Kept { target: None, .. })) => {}
            (Some(entry), Some(Kept { target: Some(target), text })) if calls.len() < MOST => {
                effects.push(Effect::Write(StateWrite {
                    scope: Scope::Installation,
                    key,
                    data: Some(Bytes::from_static(b"{}")),
                    expect: Some(entry.revision),
                    lifetime_s: Some(LINK_LIFETIME_S),
                }));
                calls.push(target.call(config, &format!("link:{}", receipts.len()), &text_body(&text), None));
                receipts.push(receipt);
            }
            _ => effects.push(Effect::Emit(Event::Receipt(receipt))),
        }
    }
    if calls.is_empty() {
        let mut turn = Turn::emit([]);
        turn.effects = effects;
        return Ok(turn);
    }
    let mut turn = Sequence::new(JOB, calls).with_note(json!(receipts)).start()?;
    turn.effects = effects;
    Ok(turn)
}

/// Takes the answer of one text.
pub(crate) fn resume(sequence: Sequence, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let receipts = Vec::<Receipt>::deserialize(&sequence.note)
        .map_err(|error| Fault::new(FaultCode::Bug, format!("note: {error}")))?;
    let answer = answers.first();
    let index = answer
        .and_then(|answer| answer.label.strip_prefix("link:"))
        .and_then(|index| index.parse::<usize>().ok());
    let receipt = index.and_then(|index| receipts.into_iter().nth(index));
    let sent = answer
        .and_then(|answer| answer.outcome.as_ref().ok())
        .filter(|response| response.is_success())
        .map(|response| serde_json::from_slice::<Value>(response.bytes()).unwrap_or_default());
    let mut turn = sequence.resume(answers, |_, _| Ok(Step::ok()))?;
    let event = match (receipt, sent) {
        (None, _) => return Ok(turn),
        (Some(receipt), None) => Event::Receipt(receipt),
        (Some(receipt), Some(answer)) => Event::Custom(CustomEvent {
            name: "media_sent_as_link".into(),
            external_id: Some(receipt.external_id.clone()),
            thread: receipt.thread,
            author: None,
            data: json!({
                "reason": receipt.reason,
                "linkMessageId": answer.pointer("/messages/0/id").and_then(Value::as_str),
            }),
            message: Some(receipt.external_id),
        }),
    };
    turn.effects.push(Effect::Emit(event));
    Ok(turn)
}
