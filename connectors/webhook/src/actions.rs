//! What a bot may ask for: `callWebhook`.

use http::header::{HeaderName, HeaderValue};
use portico_contract::{
    ActionCall, Fault, FaultCode, Field, HttpAnswer, InboundResponse, OutboundRequest, Outcome, Payload,
    TransportFailure, Turn,
};
use portico_kit::sequence::Sequence;
use serde_json::{Map, Value, json};
use url::Url;

use crate::config::WebhookConfig;

/// Name of the action, and of its job in the memo.
pub(crate) const CALL_WEBHOOK: &str = "callWebhook";
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
/// Headers that belong to the connection and are the gateway's to write.
const RESERVED: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-authorization",
];
const INPUTS: [&str; 5] = ["url", "method", "headers", "body", "timeoutMs"];

/// Begins an action.
///
/// # Errors
/// `unsupported` for any other name; `bad-input` with the field of the input that is wrong.
pub(crate) fn act(config: &WebhookConfig, call: &ActionCall) -> Result<Turn, Fault> {
    if call.name != CALL_WEBHOOK {
        let name: String = call.name.chars().take(60).collect();
        return Err(Fault::new(FaultCode::Unsupported, format!("a webhook has no action '{name}'")));
    }
    Sequence::new(CALL_WEBHOOK, vec![request(config, &call.input)?]).start()
}

/// Ends `callWebhook`: whatever was answered is its output, also 4xx and 5xx.
///
/// # Errors
/// `forbidden` when the gateway's rules refuse the address, `unavailable` when nothing was answered.
pub(crate) fn resume(answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let answer = answers.first().ok_or_else(|| Fault::new(FaultCode::Bug, "resumed without an answer"))?;
    match &answer.outcome {
        Ok(response) => Ok(Turn::done(Outcome::Output(output(response)))),
        Err(TransportFailure::Denied) => {
            Err(Fault::new(FaultCode::Forbidden, "the gateway's rules refuse this address").at("/url"))
        }
        Err(TransportFailure::TooLarge) => {
            Err(Fault::new(FaultCode::Rejected, "the answer is above 4 MiB").at("/url"))
        }
        Err(failure) => Err(Fault::new(FaultCode::Unavailable, failure.to_string()).at("/url")),
    }
}

fn bad(field: &str, reason: &str) -> Fault {
    Fault::new(FaultCode::BadInput, format!("{}: {reason}", field.trim_start_matches('/'))).at(field)
}

fn request(config: &WebhookConfig, input: &Value) -> Result<OutboundRequest, Fault> {
    let Some(input) = input.as_object() else {
        return Err(Fault::new(FaultCode::BadInput, "the input must be an object").at(""));
    };
    if let Some(other) = input.keys().find(|name| !INPUTS.contains(&name.as_str())) {
        let other: String = other.chars().filter(|letter| !letter.is_control()).take(40).collect();
        return Err(Fault::new(
            FaultCode::BadInput,
            format!("no field '{other}'; there are {}", INPUTS.join(", ")),
        )
        .at(""));
    }
    let method = method(input)?;
    let mut headers = headers(input)?;
    let body = body(input, &method, &mut headers)?;
    Ok(OutboundRequest {
        label: CALL_WEBHOOK.into(),
        url: address(config, input)?,
        repeatable: matches!(method.as_str(), "GET" | "HEAD"),
        method,
        headers,
        body,
        slots: Vec::new(),
        timeout_ms: timeout(input)?,
        keep: Default::default(),
    })
}

fn address(config: &WebhookConfig, input: &Map<String, Value>) -> Result<String, Fault> {
    let field = "/url";
    let text = input.get("url").and_then(Value::as_str).ok_or_else(|| bad(field, "must be a text"))?;
    let base = config.api_url.as_deref().and_then(|base| Url::parse(base).ok());
    let url = match (Url::parse(text), base) {
        (Ok(url), _) => url,
        (Err(url::ParseError::RelativeUrlWithoutBase), Some(mut base)) => {
            // `https://h/v1` and `orders` mean `https://h/v1/orders`.
            if !base.path().ends_with('/') {
                base.set_path(&format!("{}/", base.path()));
            }
            base.join(text).map_err(|_| bad(field, "can't be joined to api_url"))?
        }
        (Err(url::ParseError::RelativeUrlWithoutBase), None) => {
            return Err(bad(field, "must be a whole address, since no api_url is configured"));
        }
        (Err(_), _) => return Err(bad(field, "must be an address such as https://app.example/hook")),
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(bad(field, "must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(field, "must not hold a user name or password; use an authorization header"));
    }
    Ok(url.into())
}

fn method(input: &Map<String, Value>) -> Result<String, Fault> {
    let refusal = || bad("/method", "must be one of GET, POST, PUT, PATCH, DELETE, HEAD");
    match input.get("method") {
        None | Some(Value::Null) => Ok("POST".into()),
        Some(Value::String(method)) if METHODS.contains(&method.to_ascii_uppercase().as_str()) => {
            Ok(method.to_ascii_uppercase())
        }
        Some(_) => Err(refusal()),
    }
}

fn headers(input: &Map<String, Value>) -> Result<Vec<Field>, Fault> {
    let fields = match input.get("headers") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(bad("/headers", "must be an object of texts")),
    };
    let mut headers = Vec::new();
    for (name, value) in fields {
        let place = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad("/headers", "a name is no header name"))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(bad(&place, "is written by the gateway"));
        }
        let value = value.as_str().ok_or_else(|| bad(&place, "must be a text"))?;
        if HeaderValue::from_str(value).is_err() {
            return Err(bad(&place, "must not hold control characters"));
        }
        headers.push(Field::new(name.as_str(), value));
    }
    Ok(headers)
}

fn body(input: &Map<String, Value>, method: &str, headers: &mut Vec<Field>) -> Result<Payload, Fault> {
    let body = match input.get("body") {
        None | Some(Value::Null) => return Ok(Payload::Empty),
        Some(_) if matches!(method, "GET" | "HEAD") => {
            return Err(bad("/body", "a GET or HEAD request has none"));
        }
        Some(body) => body,
    };
    let (text, media_type) = match body {
        Value::String(text) => (text.clone(), "text/plain; charset=utf-8"),
        other => (other.to_string(), "application/json; charset=utf-8"),
    };
    if !headers.iter().any(|field| field.name == "content-type") {
        headers.push(Field::new("content-type", media_type));
    }
    Ok(Payload::Text(text))
}

fn timeout(input: &Map<String, Value>) -> Result<Option<u32>, Fault> {
    match input.get("timeoutMs") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let time = value
                .as_u64()
                .filter(|time| (1..=60_000).contains(time))
                .and_then(|time| u32::try_from(time).ok());
            time.map(Some).ok_or_else(|| bad("/timeoutMs", "must be a whole number from 1 to 60000"))
        }
    }
}

fn output(response: &InboundResponse) -> Value {
    let headers: Map<String, Value> =
        response.headers.iter().map(|field| (field.name.clone(), field.value.clone().into())).collect();
    let media_type = response.header("content-type").unwrap_or_default();
    let is_json = media_type.split(';').next().is_some_and(|kind| kind.trim_end().ends_with("json"));
    let bytes = response.bytes();
    let text = || Value::from(String::from_utf8_lossy(bytes).into_owned());
    let body = match bytes {
        [] => Value::Null,
        _ if is_json => serde_json::from_slice(bytes).unwrap_or_else(|_| text()),
        _ => text(),
    };
    json!({ "status": response.status, "headers": headers, "body": body })
}
