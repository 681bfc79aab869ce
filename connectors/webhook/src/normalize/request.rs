//! Any request as the event `event`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use portico_contract::{CustomEvent, InboundRequest};
use portico_kit::query;
use serde_json::{Map, Value};

/// Headers that prove the sender and are nobody else's business.
const WITHHELD: [&str; 6] =
    ["x-bp-secret", "authorization", "proxy-authorization", "cookie", "x-portico-signature", "set-cookie"];

/// The event of a request.
pub(super) fn event(request: &InboundRequest, key: Option<&str>) -> CustomEvent {
    let mut data = Map::new();
    match json(request) {
        Some(body) => {
            data.insert("body".into(), body);
        }
        None => {
            data.insert("body".into(), Value::Object(Map::new()));
            keep_raw(request, &mut data);
        }
    }
    data.insert("query".into(), query::parse(&request.query));
    data.insert("method".into(), request.method.as_str().into());
    data.insert("path".into(), if request.path.is_empty() { "/" } else { request.path.as_str() }.into());
    data.insert("headers".into(), headers(&request.headers));
    CustomEvent {
        name: "event".into(),
        external_id: key.map(str::to_owned),
        thread: None,
        author: None,
        message: None,
        data: Value::Object(data),
    }
}

fn json(request: &InboundRequest) -> Option<Value> {
    serde_json::from_slice(&request.body).ok()
}

fn keep_raw(request: &InboundRequest, data: &mut Map<String, Value>) {
    if request.body.is_empty() {
        return;
    }
    match std::str::from_utf8(&request.body) {
        Ok(text) => {
            if is_form(&request.headers) {
                data.insert("form".into(), query::parse(text));
            }
            data.insert("rawBody".into(), text.into());
        }
        Err(_) => {
            data.insert("rawBody".into(), STANDARD.encode(&request.body).into());
            data.insert("rawBodyEncoding".into(), "base64".into());
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn headers(headers: &HeaderMap) -> Value {
    let mut found = Map::new();
    for name in headers.keys().filter(|name| !WITHHELD.contains(&name.as_str())) {
        let mut values: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let value = if values.len() == 1 { values.pop().unwrap_or_default() } else { Value::Array(values) };
        found.insert(name.as_str().to_owned(), value);
    }
    Value::Object(found)
}
