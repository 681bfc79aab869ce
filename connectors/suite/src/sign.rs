//! Makes requests that pass a manifest's declared checks.

use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use portico_contract::{Algorithm, CheckKind, Host, InboundRequest};

use crate::TestHost;
use crate::checks::{applies, encode, fill};
use crate::host::mac;

/// An unsigned `POST` of JSON to the installation's address.
pub fn post(body: impl Into<Bytes>) -> InboundRequest {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    InboundRequest {
        method: Method::POST,
        path: "/".into(),
        query: String::new(),
        headers,
        body: body.into(),
        received_at: 1_750_000_000_000,
        source_ip: None,
        passed_checks: std::sync::Arc::default(),
    }
}

/// Adds what every declared check asks for: times, codes, tokens. Checks of secrets that the host does not
/// have, and of other methods, are left out; headers that are there already are replaced.
#[must_use]
pub fn sign(host: &TestHost, mut request: InboundRequest) -> InboundRequest {
    let checks = host.manifest().webhook.checks.clone();
    let seconds = (host.now() / 1000).to_string();
    for check in checks.iter().filter(|check| host.secret_value(&check.secret).is_some()) {
        if let CheckKind::HmacSha256 { timestamp: Some(rule), .. } = &check.kind {
            set_header(&mut request, &rule.header, &seconds);
        }
    }
    for check in &checks {
        let Some(secret) = host.secret_value(&check.secret) else { continue };
        if !applies(check, &request) {
            continue;
        }
        match &check.kind {
            CheckKind::HmacSha256 { header, prefix, encoding, over, .. } => {
                let signed = fill(over, &request).unwrap_or_else(|| {
                    panic!("check '{}' signs a header that the request lacks: {over}", check.name)
                });
                let code = mac(secret.as_bytes(), Algorithm::HmacSha256, &[&signed]);
                set_header(&mut request, header, &format!("{prefix}{}", encode(*encoding, &code)));
            }
            CheckKind::HeaderToken { header } => set_header(&mut request, header, secret),
        }
    }
    request
}

/// HMAC-SHA256 in lower-case hex, for signatures that no declared check covers.
pub fn mac_hex(secret: &str, parts: &[&[u8]]) -> String {
    hex::encode(mac(secret.as_bytes(), Algorithm::HmacSha256, parts))
}

pub(crate) fn set_header(request: &mut InboundRequest, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).expect("a header name");
    let value = HeaderValue::from_str(value).expect("a header value");
    request.headers.insert(name, value);
}
