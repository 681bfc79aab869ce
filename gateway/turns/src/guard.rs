//! The rules for requests that connectors ask for: where they may go, and where secrets may go with them.

use portico_contract::{
    Fault, FaultCode, FormPart, HostRule, OutboundRequest, Payload, SlotPlace, TransportFailure,
};
use serde_json::Value;
use url::Url;

use crate::Installation;

/// Largest text or byte body of one request.
const MAX_BODY: usize = 4 << 20;

/// A request that keeps the rules, with its secrets filled in.
pub(crate) struct Allowed {
    pub(crate) url: Url,
    pub(crate) headers: http::HeaderMap,
    pub(crate) method: http::Method,
    pub(crate) body: Payload,
}

fn denied(rule: &str) -> (TransportFailure, String) {
    (TransportFailure::Denied, rule.to_owned())
}

/// Checks a request and fills its secrets in.
///
/// # Errors
/// `Denied` with the rule that was broken, for the log; nothing is sent then.
pub(crate) fn allow(
    installation: &Installation,
    request: &OutboundRequest,
) -> Result<Allowed, (TransportFailure, String)> {
    let manifest = installation.connector.manifest();
    let config = installation.config.json();
    let template = Url::parse(&request.url).map_err(|_| denied("the address is not an absolute URL"))?;
    if !template.username().is_empty() || template.password().is_some() {
        return Err(denied("the address holds credentials"));
    }
    if !manifest.permissions.public_fetch && !host_is_allowed(&manifest.permissions.hosts, config, &template)
    {
        return Err(denied("the host is not among the manifest's permissions"));
    }
    let mut url = request.url.clone();
    let mut headers: Vec<(String, String)> =
        request.headers.iter().map(|field| (field.name.clone(), field.value.clone())).collect();
    let mut body = request.body.clone();
    for slot in &request.slots {
        let spec =
            manifest.secret(&slot.secret).ok_or_else(|| denied("a slot names an undeclared secret"))?;
        if !host_is_allowed(&spec.hosts, config, &template) {
            return Err(denied("a slot's secret is not bound to this host"));
        }
        let value = installation
            .secrets
            .slot_value(&slot.secret)
            .map_err(|error| (TransportFailure::Denied, error.to_string()))?;
        match slot.place {
            SlotPlace::Url => {
                let encoded =
                    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
                        .to_string();
                // A bot token is digits, a colon and letters; Telegram wants the colon as it is.
                let encoded = encoded.replace("%3A", ":").replace("%2D", "-").replace("%5F", "_");
                url = fill(&url, &slot.marker, &encoded)?;
            }
            SlotPlace::Header => {
                let mut filled = 0;
                for (_, text) in &mut headers {
                    if text.contains(&slot.marker) {
                        *text = fill(text, &slot.marker, value)?;
                        filled += 1;
                    }
                }
                if filled != 1 {
                    return Err(denied("a slot's marker must occur exactly once"));
                }
            }
            SlotPlace::Body => {
                let Payload::Text(text) = &body else { return Err(denied("a body slot needs a text body")) };
                let quoted = Value::from(value).to_string();
                let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                body = Payload::Text(fill(text, &slot.marker, inside)?);
            }
        }
    }
    let url = Url::parse(&url).map_err(|_| denied("the address is not a URL once its slots are filled"))?;
    if url.host() != template.host() || url.port() != template.port() || url.scheme() != template.scheme() {
        return Err(denied("a slot may not change the host"));
    }
    if body_len(&body) > MAX_BODY {
        return Err(denied("the body is above 4 MiB"));
    }
    Ok(Allowed {
        url,
        headers: header_map(headers)?,
        method: request.method.parse().map_err(|_| denied("the method is not an HTTP method"))?,
        body,
    })
}

fn fill(text: &str, marker: &str, value: &str) -> Result<String, (TransportFailure, String)> {
    if marker.is_empty() || text.matches(marker).count() != 1 {
        return Err(denied("a slot's marker must occur exactly once"));
    }
    Ok(text.replacen(marker, value, 1))
}

fn header_map(fields: Vec<(String, String)>) -> Result<http::HeaderMap, (TransportFailure, String)> {
    let mut headers = http::HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let name: http::HeaderName = name.parse().map_err(|_| denied("a header's name is malformed"))?;
        if matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "upgrade")
        {
            return Err(denied("a header belongs to the gateway"));
        }
        let mut value =
            http::HeaderValue::try_from(value).map_err(|_| denied("a header's value is malformed"))?;
        value.set_sensitive(name == http::header::AUTHORIZATION);
        headers.append(name, value);
    }
    Ok(headers)
}

fn body_len(body: &Payload) -> usize {
    match body {
        Payload::Empty | Payload::Stored(_) => 0,
        Payload::Text(text) => text.len(),
        Payload::Bytes(bytes) => bytes.len(),
        Payload::Form(parts) => parts.iter().map(|part: &FormPart| body_len(&part.body)).sum(),
    }
}

fn host_is_allowed(rules: &[HostRule], config: &Value, url: &Url) -> bool {
    rules.iter().any(|rule| match rule {
        HostRule::Name(name) => {
            url.scheme() == "https"
                && url.port().is_none()
                && url.host_str().is_some_and(|host| name_fits(name, host))
        }
        HostRule::Config { config: pointer } => {
            let configured =
                config.pointer(pointer).and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
            configured.is_some_and(|configured| {
                configured.scheme() == url.scheme()
                    && configured.host() == url.host()
                    && configured.port_or_known_default() == url.port_or_known_default()
            })
        }
    })
}

/// Whether a host is the named one, or one label or more below `*.`.
fn name_fits(rule: &str, host: &str) -> bool {
    match rule.strip_prefix("*.") {
        Some(parent) => host.len().checked_sub(parent.len() + 1).is_some_and(|cut| {
            cut > 0 && host.as_bytes()[cut] == b'.' && host[cut + 1..].eq_ignore_ascii_case(parent)
        }),
        None => host.eq_ignore_ascii_case(rule),
    }
}

/// Checks the shape of a turn's requests.
///
/// # Errors
/// `bug`, naming the rule that was broken.
pub(crate) fn check_ask(ask: &portico_contract::Ask) -> Result<(), Fault> {
    let bad = |rule: &str| Err(Fault::new(FaultCode::Bug, format!("bad turn: {rule}")));
    if ask.requests.is_empty() || ask.requests.len() > 8 {
        return bad("an ask has 1 to 8 requests");
    }
    if ask.memo.len() > 256 * 1024 {
        return bad("a memo has at most 256 KiB");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
