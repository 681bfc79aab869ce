//! Slack's answers as successes or faults.
//!
//! Slack answers 200 to nearly everything: what counts is `ok`. The class of an error decides what the outbox
//! does next.

use portico_contract::{Fault, FaultCode, HttpAnswer, InboundResponse, TransportFailure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Wait where Slack names none.
const DEFAULT_WAIT_MS: u32 = 10_000;

/// What every answer of the Web API has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    ok: bool,
    error: Option<String>,
    needed: Option<String>,
    response_metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    messages: Vec<String>,
}

/// What a successful call brought.
///
/// # Errors
/// After Slack's error, or after what happened on the way.
pub(crate) fn read<T: DeserializeOwned>(answer: &HttpAnswer) -> Result<T, Fault> {
    let response = answer.outcome.as_ref().map_err(|failure| transport(&answer.label, *failure))?;
    let method = answer.label.split(':').next().unwrap_or_default();
    if response.status == 429 {
        return Err(slow_down(method, response));
    }
    let status: Option<Status> = serde_json::from_slice(response.bytes()).ok();
    let Some(status) = status.filter(|status| status.ok || status.error.is_some()) else {
        return Err(unexpected(method, response.status));
    };
    if !status.ok {
        return Err(refused(method, response, &status));
    }
    if !response.is_success() {
        return Err(unexpected(method, response.status));
    }
    serde_json::from_slice(response.bytes()).map_err(|error| {
        Fault::new(
            FaultCode::Unavailable,
            format!("{method}: Slack's answer lacks what it promises: {error}"),
        )
    })
}

/// Slack's error in a fault that [`read`] made.
pub(crate) fn error_of(fault: &Fault) -> &str {
    fault.detail.as_ref().and_then(|detail| detail.get("error")).and_then(Value::as_str).unwrap_or_default()
}

/// Turns some errors into success, such as `already_reacted`.
///
/// # Errors
/// As [`read`], for all other errors.
pub(crate) fn read_or(answer: &HttpAnswer, fine: &[&str]) -> Result<(), Fault> {
    match read::<Value>(answer) {
        Ok(_) => Ok(()),
        Err(fault) if fine.contains(&error_of(&fault)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// No answer arrived.
pub(crate) fn transport(label: &str, failure: TransportFailure) -> Fault {
    let method = label.split(':').next().unwrap_or_default();
    Fault::new(FaultCode::Unavailable, format!("{method}: {failure}"))
}

fn slow_down(method: &str, response: &InboundResponse) -> Fault {
    let seconds = response.header("retry-after").and_then(|seconds| seconds.trim().parse::<u32>().ok());
    let wait = seconds.map_or(DEFAULT_WAIT_MS, |seconds| seconds.saturating_mul(1000).max(1000));
    Fault::new(FaultCode::RateLimited, format!("{method}: Slack wants a pause of {} s", wait / 1000))
        .retry_after_ms(wait)
        .detail(json!({ "method": method, "error": "ratelimited" }))
}

fn unexpected(method: &str, status: u16) -> Fault {
    let code = match status {
        401 => FaultCode::Unauthenticated,
        403 => FaultCode::Forbidden,
        300..=499 => FaultCode::Rejected,
        _ => FaultCode::Unavailable,
    };
    let hint = if status == 404 || (300..400).contains(&status) { "; check api_url" } else { "" };
    Fault::new(code, format!("{method}: answered {status}, not with Slack's JSON{hint}"))
        .detail(json!({ "method": method, "status": status }))
}

fn refused(method: &str, response: &InboundResponse, status: &Status) -> Fault {
    let error: String = status.error.as_deref().unwrap_or_default().chars().take(200).collect();
    let code = class(&error);
    if code == FaultCode::RateLimited {
        return slow_down(method, response);
    }
    let mut message = format!("{method}: Slack answered {error}");
    if let Some(needed) = status.needed.as_deref().filter(|_| error == "missing_scope") {
        let needed: String = needed.chars().take(200).collect();
        message.push_str(&format!("; add the scope {needed} and install the app again"));
    } else if let Some(hint) = hint(&error) {
        message.push_str("; ");
        message.push_str(hint);
    }
    let messages: Vec<String> = status
        .response_metadata
        .messages
        .iter()
        .take(8)
        .map(|text| text.chars().take(200).collect())
        .collect();
    Fault::new(code, message).detail(json!({ "method": method, "error": error, "messages": messages }))
}

/// What kind of failure a Slack error is.
fn class(error: &str) -> FaultCode {
    match error {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => FaultCode::RateLimited,
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "accesslimited" => FaultCode::Unavailable,
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "org_login_required"
        | "team_access_not_granted" => FaultCode::Unauthenticated,
        "missing_scope"
        | "no_permission"
        | "ekm_access_denied"
        | "not_allowed_token_type"
        | "access_denied"
        | "cant_update_message"
        | "cant_delete_message"
        | "method_not_supported_for_channel_type" => FaultCode::Forbidden,
        restricted if restricted.starts_with("restricted_action") => FaultCode::Forbidden,
        "channel_not_found" | "user_not_found" | "users_not_found" | "thread_not_found"
        | "message_not_found" | "file_not_found" | "file_deleted" | "no_item_specified" => {
            FaultCode::NotFound
        }
        "not_in_channel"
        | "is_archived"
        | "cannot_dm_bot"
        | "messages_tab_disabled"
        | "user_disabled"
        | "user_not_in_channel" => FaultCode::Unreachable,
        "msg_too_long"
        | "msg_blocks_too_long"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "no_text"
        | "too_many_attachments"
        | "invalid_arguments"
        | "invalid_attachments"
        | "invalid_name"
        | "bad_timestamp"
        | "invalid_ts_latest"
        | "too_long"
        | "invalid_users"
        | "users_list_not_supplied" => FaultCode::BadInput,
        _ => FaultCode::Rejected,
    }
}

/// What to do about an error, where that is not plain from its name.
fn hint(error: &str) -> Option<&'static str> {
    Some(match error {
        "not_in_channel" => "invite the bot to the channel",
        "channel_not_found" => "the bot is not in that channel, or it does not exist",
        "messages_tab_disabled" => "switch on the Messages Tab under App Home",
        "account_inactive" | "invalid_auth" | "token_revoked" => "configure a valid bot_token",
        "token_expired" => "switch token rotation off, or configure a fresh bot_token",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use portico_contract::Payload;

    use super::*;

    fn fault(status: u16, body: Value) -> Fault {
        let body = Payload::Bytes(body.to_string().into_bytes().into());
        let response = InboundResponse { status, headers: Vec::new(), body };
        let answer = HttpAnswer { label: "chat.postMessage:0".into(), outcome: Ok(response) };
        read::<Value>(&answer).unwrap_err()
    }

    #[test]
    fn errors_have_the_class_that_slack_means() {
        use FaultCode::*;
        for (error, code) in [
            ("ratelimited", RateLimited),
            ("message_limit_exceeded", RateLimited),
            ("internal_error", Unavailable),
            ("service_unavailable", Unavailable),
            ("invalid_auth", Unauthenticated),
            ("token_revoked", Unauthenticated),
            ("account_inactive", Unauthenticated),
            ("missing_scope", Forbidden),
            ("restricted_action", Forbidden),
            ("restricted_action_read_only_channel", Forbidden),
            ("channel_not_found", NotFound),
            ("thread_not_found", NotFound),
            ("not_in_channel", Unreachable),
            ("is_archived", Unreachable),
            ("cannot_dm_bot", Unreachable),
            ("msg_too_long", BadInput),
            ("invalid_blocks", BadInput),
            ("no_text", BadInput),
            ("something_new", Rejected),
        ] {
            assert_eq!(fault(200, json!({ "ok": false, "error": error })).code, code, "{error}");
        }
    }

    #[test]
    fn faults_say_what_to_do() {
        let scope = fault(200, json!({ "ok": false, "error": "missing_scope", "needed": "chat:write" }));
        assert_eq!(
            scope.message,
            "chat.postMessage: Slack answered missing_scope; add the scope chat:write and install the app again"
        );
        let blocks = json!({ "ok": false, "error": "invalid_blocks", "response_metadata": { "messages": ["[ERROR] no"] } });
        assert_eq!(
            fault(200, blocks).detail,
            Some(
                json!({ "method": "chat.postMessage", "error": "invalid_blocks", "messages": ["[ERROR] no"] })
            )
        );
    }

    #[test]
    fn answers_that_are_not_slacks_are_no_success() {
        assert_eq!(fault(200, json!([])).code, FaultCode::Unavailable);
        assert_eq!(fault(503, json!({})).code, FaultCode::Unavailable);
        assert_eq!(fault(404, json!({})).code, FaultCode::Rejected);
        assert_eq!(fault(401, json!({})).code, FaultCode::Unauthenticated);
        assert_eq!(fault(500, json!({ "ok": true })).code, FaultCode::Unavailable);
    }
}
