//! Second step of the inbound path: a signed request as events.
//!
//! One address takes everything: the Events API (JSON), interactions (a form with `payload`) and commands (a
//! form with `command`). They are told apart by content type and body. Before: `verify`. After: the gateway's
//! dedupe and journal.

mod command;
mod content;
mod custom;
mod event;
mod interaction;
mod message;
mod press;
mod reaction;

use portico_contract::{Fault, FaultCode, Host, Reply, Turn, Verified};
use url::form_urlencoded;

use crate::config::SlackConfig;
use crate::wire::Envelope;

pub(crate) use content::BY_ID;
pub(crate) use press::{SAY, URL};

/// What a signed request says.
///
/// # Errors
/// `unreadable` when it can't be understood; the message names the field.
pub(crate) fn normalize(
    host: &dyn Host,
    config: &SlackConfig,
    verified: Verified<'_>,
) -> Result<Turn, Fault> {
    let request = verified.request();
    if is_form(request.header("content-type"), &request.body) {
        let mut payload = None;
        let mut is_command = false;
        for (name, value) in form_urlencoded::parse(&request.body) {
            match &*name {
                "payload" => payload = Some(value),
                "command" => is_command = true,
                "ssl_check" if value == "1" => return Ok(Turn::emit([])),
                _ => {}
            }
        }
        return match payload {
            Some(payload) => interaction::normalize(host, payload.as_bytes()),
            None if is_command => command::normalize(host, request),
            None => Err(unreadable("the form has neither 'payload' nor 'command'")),
        };
    }
    let envelope: Envelope<'_> = match portico_kit::json::from_slice(&request.body) {
        Ok(envelope) => envelope,
        // An event that nobody knew of may use a known field name for something else.
        Err(error) => return custom::foreign(&request.body).ok_or_else(|| unreadable(error.to_string())),
    };
    match &*envelope.kind {
        "url_verification" => match envelope.challenge.some() {
            Some(challenge) => Ok(Turn::emit([]).with_reply(Reply::text(200, "text/plain", challenge))),
            None => Err(unreadable("challenge: is missing, must be a text")),
        },
        "event_callback" => event::normalize(host, config, &envelope, &request.body),
        "app_rate_limited" => Ok(custom::rate_limited(host, &envelope)),
        "" => Err(unreadable("type: is missing, must be a text")),
        _ => custom::any(&request.body).ok_or_else(|| unreadable("type: is of no known kind")),
    }
}

/// Without a content type the first letter tells.
fn is_form(content_type: Option<&str>, body: &[u8]) -> bool {
    match content_type {
        Some(kind) if kind.starts_with("application/x-www-form-urlencoded") => true,
        Some(kind) if kind.starts_with("application/json") => false,
        _ => !body.trim_ascii_start().starts_with(b"{"),
    }
}

fn unreadable(reason: impl Into<String>) -> Fault {
    Fault::new(FaultCode::Unreadable, reason)
}

fn missing(field: &str) -> Fault {
    unreadable(format!("{field}: is missing, must be a text"))
}

/// Whether a text is the id of a message; presses and commands have ids of another form.
pub(crate) fn is_ts(id: &str) -> bool {
    id.contains('.') && portico_kit::time::slack_ts(id).is_some()
}
