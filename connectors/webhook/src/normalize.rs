//! Second step in: a proven request as one event.

mod message;
mod request;

use http::Method;
use portico_contract::{Event, Fault, FaultCode, Host, Verified};

use crate::config::WebhookConfig;

/// Longest `Idempotency-Key`, message id and user id, in bytes.
pub(crate) const MAX_ID: usize = 255;

/// The event of a request: a message where the configuration allows them and the body is one, else the
/// request itself.
///
/// # Errors
/// `bad-input` for an unusable `Idempotency-Key`, or a message that lacks what messages have: the caller gets
/// 400 and can mend it.
pub(crate) fn normalize(
    host: &dyn Host,
    config: &WebhookConfig,
    verified: Verified<'_>,
) -> Result<Event, Fault> {
    let request = verified.request();
    let key = idempotency_key(verified)?;
    if config.messages
        && request.method == Method::POST
        && let Some(message) = message::read(host, request, key)?
    {
        return Ok(Event::Message(message));
    }
    Ok(Event::Custom(request::event(request, key)))
}

fn idempotency_key(verified: Verified<'_>) -> Result<Option<&str>, Fault> {
    let request = verified.request();
    if !request.headers.contains_key("idempotency-key") {
        return Ok(None);
    }
    let key = request.header("idempotency-key").map(str::trim);
    match key.filter(|key| (1..=MAX_ID).contains(&key.len())) {
        Some(key) => Ok(Some(key)),
        None => Err(Fault::new(
            FaultCode::BadInput,
            "the header Idempotency-Key must be there once and have 1 to 255 visible ASCII characters",
        )),
    }
}
