//! The forms in which Graph refuses a call.
//!
//! Source: "Error codes" of the WhatsApp Business Platform (15 May 2026), with the HTTP status of each code.

use serde_json::{Value, json};

use crate::sim::provider::random_hex;
use crate::sim::server::Answer;

/// A refusal in Graph's words.
#[derive(Debug)]
pub(super) struct GraphError {
    status: u16,
    kind: &'static str,
    code: u32,
    subcode: Option<u32>,
    message: String,
    details: Option<String>,
}

impl GraphError {
    /// An error of the message API: its code, with details for people.
    pub(super) fn of(code: u32, details: impl Into<String>) -> Self {
        let (status, title) = match code {
            100 => (400, "Invalid parameter"),
            130_429 => (400, "Rate limit hit"),
            130_472 => (400, "User's number is part of an experiment"),
            131_000 => (500, "Something went wrong"),
            131_008 => (400, "Required parameter is missing"),
            131_009 => (400, "Parameter value is not valid"),
            131_016 => (500, "Service unavailable"),
            131_021 => (400, "Recipient cannot be sender"),
            131_026 => (400, "Message undeliverable"),
            131_030 => (400, "Recipient phone number not in allowed list"),
            131_047 => (400, "Re-engagement message"),
            131_049 => (400, "This message was not delivered to maintain healthy ecosystem engagement."),
            131_050 => {
                (400, "Unable to deliver the message. This recipient has chosen to stop receiving messages")
            }
            131_051 => (400, "Unsupported message type"),
            131_052 => (400, "Media download error"),
            131_053 => (400, "Media upload error"),
            131_056 => (400, "(Business Account, Consumer Account) pair rate limit hit"),
            132_000 => (400, "Number of parameters does not match the expected number of params"),
            132_001 => (404, "Template name does not exist in the translation"),
            132_012 => (400, "Parameter format does not match format in the created template"),
            132_015 => (400, "Template is paused"),
            _ => (400, "Error"),
        };
        Self {
            status,
            kind: "OAuthException",
            code,
            subcode: None,
            message: format!("(#{code}) {title}"),
            details: Some(details.into()),
        }
    }

    /// 131009 for a value.
    pub(super) fn value(details: impl Into<String>) -> Self {
        Self::of(131_009, details)
    }

    /// 131008 for a field that must be there.
    pub(super) fn missing(field: &str) -> Self {
        Self::of(131_008, format!("Parameter '{field}' is required."))
    }

    /// 100 for a text that is too long.
    pub(super) fn too_long(field: &str, max: usize) -> Self {
        let message = format!("(#100) Param {field} must be at most {max} characters long.");
        Self { message, ..Self::of(100, format!("{field} is longer than {max} characters")) }
    }

    /// 190 with 401: the token is not valid.
    pub(super) fn bad_token() -> Self {
        Self {
            status: 401,
            kind: "OAuthException",
            code: 190,
            subcode: Some(463),
            message: "Error validating access token: Session has expired.".into(),
            details: None,
        }
    }

    /// 190 with 401: no token was sent.
    pub(super) fn no_token() -> Self {
        Self {
            subcode: None,
            message: "An active access token must be used to query information about the current user."
                .into(),
            ..Self::bad_token()
        }
    }

    /// 100, subcode 33: no such object, or no right to it.
    pub(super) fn no_object(method: &str, id: &str) -> Self {
        let verb = method.to_ascii_lowercase();
        Self {
            status: 400,
            kind: "GraphMethodException",
            code: 100,
            subcode: Some(33),
            message: format!(
                "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
                 permissions, or does not support this operation."
            ),
            details: None,
        }
    }

    /// 2200: the callback did not pass the handshake.
    pub(super) fn callback(why: &str) -> Self {
        Self {
            status: 400,
            kind: "OAuthException",
            code: 2200,
            subcode: None,
            message: format!("(#2200) Callback verification failed with the following errors: {why}"),
            details: None,
        }
    }

    pub(super) fn into_answer(self) -> Answer {
        let mut error = json!({
            "message": self.message, "type": self.kind, "code": self.code, "fbtrace_id": random_hex(8),
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if let Some(details) = self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        Answer::json(self.status, &json!({"error": error}))
    }
}

/// A text field of an object: there, not blank, at most `max` characters.
pub(super) fn text<'v>(object: &'v Value, field: &str, max: usize) -> Result<&'v str, GraphError> {
    let text = optional_text(object, field, max)?.ok_or_else(|| GraphError::missing(field))?;
    if text.trim().is_empty() {
        return Err(GraphError::value(format!("{field} must not be blank")));
    }
    Ok(text)
}

/// A text field that may be absent.
pub(super) fn optional_text<'v>(
    object: &'v Value,
    field: &str,
    max: usize,
) -> Result<Option<&'v str>, GraphError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() > max => Err(GraphError::too_long(field, max)),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(GraphError::of(100, format!("{field} must be a string"))),
    }
}
