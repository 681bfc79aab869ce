//! Answers for browsers: whether a page may call, and with what.

use portico_contract::{Field, InboundRequest, Reply};

use crate::config::WebhookConfig;

/// Methods that are answered.
pub(crate) const METHODS: &str = "GET, POST, OPTIONS";
const HEADERS: &str = "content-type, x-bp-secret, x-portico-signature, idempotency-key";
/// Seconds for which a browser may remember the answer.
const MAX_AGE: &str = "600";

/// The answer to a browser's question before the call.
pub(crate) fn preflight(request: &InboundRequest, config: &WebhookConfig) -> Reply {
    let mut headers = vec![
        Field::new("access-control-allow-origin", allowed(request, config)),
        Field::new("access-control-allow-methods", METHODS),
        Field::new("access-control-allow-headers", HEADERS),
        Field::new("access-control-max-age", MAX_AGE),
        Field::new("vary", "Origin"),
    ];
    headers.push(Field::new("allow", METHODS));
    Reply { headers, ..Reply::status(200) }
}

/// The answer to a browser's call; `None` for callers that are no browser, who get the plain 200.
pub(crate) fn answer(request: &InboundRequest, config: &WebhookConfig) -> Option<Reply> {
    request.headers.get("origin")?;
    let headers = vec![
        Field::new("access-control-allow-origin", allowed(request, config)),
        Field::new("vary", "Origin"),
    ];
    Some(Reply { headers, ..Reply::status(200) })
}

/// The caller's origin where it may call; else empty, which no origin equals.
fn allowed<'a>(request: &'a InboundRequest, config: &WebhookConfig) -> &'a str {
    let Some(origin) = request.header("origin") else { return "" };
    let listed = config.allowed_origins.iter().any(|allowed| allowed == "*" || allowed == origin);
    if listed { origin } else { "" }
}
