//! The connector as the gateway meets it: whole jobs, with the provider's answers scripted.

mod actions;
mod agreement;
mod errors;
mod inbound;
mod outbound;
mod shared;

use portico_contract::{Context, InboundResponse, OutboundRequest, Payload};
use portico_suite::{Answer, Fixtures, TestContext, TestHost, json_answer};
use serde_json::{Value, json};

use crate::connector;

/// What `getMe` leaves behind.
const ME: &str = r#"{"id":7000000001,"username":"harbour_help_bot"}"#;

fn fixtures() -> Fixtures {
    Fixtures::of(env!("CARGO_MANIFEST_DIR"))
}

fn host() -> TestHost {
    TestHost::with_all_secrets(connector().manifest()).state(portico_contract::Scope::Installation, "me", ME)
}

/// A context in which channel posts are accepted.
fn ctx() -> Context {
    TestContext::with(json!({ "accept_channel_posts": true }))
}

/// The Bot API's answer to a call that went well.
fn success(request: &OutboundRequest) -> InboundResponse {
    let method = request.url.rsplit('/').next().unwrap_or_default();
    let result = match method {
        "getMe" => {
            json!({ "id": 7_000_000_001_i64, "is_bot": true, "first_name": "H", "username": "harbour_help_bot" })
        }
        "getFile" => json!({ "file_id": "F", "file_unique_id": "U", "file_path": "photos/file_7.jpg" }),
        "getUserProfilePhotos" => json!({ "total_count": 1, "photos": [[
            { "file_id": "SMALL", "width": 10, "height": 10 }, { "file_id": "BIG", "width": 90, "height": 90 } ]] }),
        send if send.starts_with("send") && send != "sendChatAction" || send.starts_with("editMessage") => {
            json!({ "message_id": 501, "date": 1, "chat": { "id": 5_300_100_200_i64, "type": "private" } })
        }
        _ => json!(true),
    };
    json_answer(200, json!({ "ok": true, "result": result }))
}

fn refusal(description: &str) -> Answer {
    Ok(json_answer(400, json!({ "ok": false, "error_code": 400, "description": description })))
}

/// A call as a person would note it: method, and parameters.
fn noted(request: &OutboundRequest) -> Value {
    let address = request.url.replace("https://api.telegram.org", "");
    let body = match &request.body {
        Payload::Text(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        Payload::Form(parts) => parts
            .iter()
            .map(|part| {
                let value = match &part.body {
                    Payload::Text(text) => json!(text),
                    Payload::Stored(blob) => {
                        json!({ "stored": blob, "filename": part.filename, "type": part.media_type })
                    }
                    other => json!(format!("{other:?}")),
                };
                (part.name.clone(), value)
            })
            .collect(),
        Payload::Empty => Value::Null,
        other => json!(format!("{other:?}")),
    };
    json!({ "call": address, "body": body })
}

portico_suite::conformance!(
    connector(),
    Options::new(env!("CARGO_MANIFEST_DIR"))
        .config(json!({ "accept_channel_posts": true }))
        .state(portico_contract::Scope::Installation, "me", ME)
        .answer(super::success)
);
