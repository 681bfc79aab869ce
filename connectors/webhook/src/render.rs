//! First step out: each part of a message as one signed `POST` to `outbound_url`.

use portico_contract::{Content, Fault, FaultCode, Field, Host, OutboundMessage, OutboundRequest, Payload};

use crate::config::WebhookConfig;
use crate::verify;
use crate::wire::{Outgoing, OutgoingConversation, OutgoingUser};

/// Header by which the app knows a repeat.
pub(crate) const KEY: &str = "idempotency-key";

/// The calls of a message, in the order of its parts.
///
/// # Errors
/// `bad-config` when there is no address to send to.
pub(crate) fn render(
    host: &dyn Host,
    config: &WebhookConfig,
    message: &OutboundMessage,
) -> Result<Vec<OutboundRequest>, Fault> {
    let Some(address) = config.outbound_url.as_deref() else {
        return Err(Fault::new(
            FaultCode::BadConfig,
            "set outbound_url: there is no address to send messages to",
        )
        .at("/outbound_url"));
    };
    let base = message.id.to_string();
    let parts = message.parts.iter().enumerate();
    parts.map(|(index, part)| call(host, address, message, &part_id(&base, index), part)).collect()
}

fn part_id(base: &str, index: usize) -> String {
    if index == 0 { base.to_owned() } else { format!("{base}.{}", index + 1) }
}

fn call(
    host: &dyn Host,
    address: &str,
    message: &OutboundMessage,
    id: &str,
    part: &Content,
) -> Result<OutboundRequest, Fault> {
    let body = Outgoing {
        kind: "message",
        id,
        conversation: OutgoingConversation {
            id: message.thread.tags.get("id").unwrap_or(&message.thread.key),
        },
        user: message.recipient.as_ref().map(|party| OutgoingUser { id: &party.id }),
        message: part,
        reply_to: message.reply_to.as_deref(),
    };
    // The key says which repeat is one, so a second POST makes no second message.
    let mut request = OutboundRequest::json("message", address, &body).repeatable();
    request.headers.push(Field::new(KEY, id));
    sign(host, &mut request)?;
    Ok(request)
}

/// Puts the signature of the body into the headers, in place of an older one.
pub(crate) fn sign(host: &dyn Host, request: &mut OutboundRequest) -> Result<(), Fault> {
    let Payload::Text(body) = &request.body else { return Ok(()) };
    if let Some(value) = verify::sign(host, body.as_bytes())? {
        request.headers.retain(|field| field.name != verify::SIGNATURE);
        request.headers.push(Field::new(verify::SIGNATURE, value));
    }
    Ok(())
}
