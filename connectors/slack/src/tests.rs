//! The suite of all connectors, and both paths through the whole connector with its fixtures.

mod actions;
mod deliver;
mod inbound;
mod shared;

use http::HeaderValue;
use portico_contract::{Event, InboundRequest, OutboundRequest};
use portico_suite::{Fixtures, InboundCase, Job, Run, TestContext, TestHost, json_answer, run, sign};
use serde_json::{Value, json};
use url::form_urlencoded;

const DIR: &str = env!("CARGO_MANIFEST_DIR");

portico_suite::conformance!(
    crate::connector(),
    Options::new(DIR)
        .prepare(super::wrap)
        .answer(super::slack)
        .secret("bot_token", "xoxb-secret-value-of-bot-token")
);

fn host() -> TestHost {
    TestHost::with_all_secrets(crate::connector().manifest())
}

/// Readable payloads as Slack sends them: in a form.
fn wrap(name: &str, request: &mut InboundRequest) {
    if name.starts_with("payload_") {
        let json: Value = serde_json::from_slice(&request.body).unwrap();
        wrap_json(&json, request);
    }
}

fn wrap_json(payload: &Value, request: &mut InboundRequest) {
    request.body = form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish()
        .into();
    request.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
}

/// A Slack to which everything goes well.
fn slack(request: &OutboundRequest) -> portico_contract::InboundResponse {
    let method = request.label.split(':').next().unwrap_or_default();
    let body = match method {
        "auth.test" => {
            json!({ "ok": true, "user_id": "U0SHOPBOT", "bot_id": "B0SHOP", "team_id": "T0SHOPTEAM" })
        }
        "chat.postMessage" => json!({ "ok": true, "channel": "D0ADA", "ts": "1750000500.000100" }),
        "chat.postEphemeral" => json!({ "ok": true, "message_ts": "1750000501.000100" }),
        "files.getUploadURLExternal" => {
            json!({ "ok": true, "upload_url": "https://files.slack.com/upload/v1/invented", "file_id": "F0NEW" })
        }
        "files.completeUploadExternal" => json!({ "ok": true, "files": [{ "id": "F0NEW", "title": "x" }] }),
        "files.info" => json!({ "ok": true, "file": {
            "id": "F0NEW", "url_private_download": "https://files.slack.com/files-pri/T0-F0/x.png",
            "shares": { "private": { "D0ADA": [{ "ts": "1750000502.000100" }] } } } }),
        "conversations.open" => json!({ "ok": true, "channel": { "id": "D0EVE" } }),
        "conversations.info" => json!({ "ok": true, "channel": { "id": "C0ORDERS", "name": "orders" } }),
        "views.open" => json!({ "ok": true, "view": { "id": "V0NEW" } }),
        "users.info" | "users.lookupByEmail" => {
            json!({ "ok": true, "user": { "id": "U0EVE", "name": "eve", "profile": { "real_name": "Eve Adams", "email": "eve@shop.example" } } })
        }
        _ => json!({ "ok": true }),
    };
    json_answer(200, body)
}

fn case(name: &str) -> InboundRequest {
    let InboundCase { mut request, .. } = Fixtures::of(DIR).inbound_case(name);
    wrap(name, &mut request);
    request
}

/// A webhook from its signature to its last turn.
fn take_in(host: &TestHost, config: Value, request: InboundRequest) -> Run {
    let request = sign(host, request);
    run(&*crate::connector(), host, &TestContext::with(config), Job::Webhook(request), |request| {
        Ok(slack(request))
    })
}

fn events(name: &str, config: Value) -> Vec<Event> {
    take_in(&host(), config, case(name)).events().into_iter().cloned().collect()
}
