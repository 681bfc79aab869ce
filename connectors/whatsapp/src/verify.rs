//! First step of the inbound path: who speaks.
//!
//! Events carry `X-Hub-Signature-256`, an HMAC-SHA-256 of the raw body under the app secret; the gateway
//! checks it before this code runs (check `signature` of the manifest). The provider gives no time, so a
//! repeat is stopped by the dedupe ids only. The handshake is a GET with the operator's own token.

use portico_contract::{Algorithm, Fault, FaultCode, Host, InboundRequest, Outcome, Reply, Turn, Verified};
use portico_kit::signature::hex32;
use serde_json::Value;

use crate::config::WhatsAppConfig;

/// The event request as proven by its signature.
///
/// # Errors
/// `unauthenticated` when no signature matches.
pub(crate) fn event<'a>(
    host: &dyn Host,
    config: &WhatsAppConfig,
    request: &'a InboundRequest,
) -> Result<Verified<'a>, Fault> {
    match request.verified_by("signature") {
        Err(_) if config.signature_fallback => request.verified_if(rewritten(host, request)?),
        verdict => verdict,
    }
}

/// Whether the signature matches the body as Meta wrote it, before a proxy unescaped it: every UTF-16 unit
/// above 0x7e as `\uXXXX`, with slashes as they are or escaped.
fn rewritten(host: &dyn Host, request: &InboundRequest) -> Result<bool, Fault> {
    let claimed =
        request.header("x-hub-signature-256").and_then(|text| text.strip_prefix("sha256=")).and_then(hex32);
    let (Some(claimed), Ok(body)) = (claimed, std::str::from_utf8(&request.body)) else { return Ok(false) };
    let check = |body: &str| {
        host.keyring()
            .check("app_secret", Algorithm::HmacSha256, &[body.as_bytes()], &claimed)
            .map_err(|error| Fault::new(FaultCode::BadConfig, error.to_string()))
    };
    Ok(check(&escaped(body, false))? || check(&escaped(body, true))?)
}

fn escaped(body: &str, slashes: bool) -> String {
    let mut out = String::with_capacity(body.len() + 64);
    let mut before = ' ';
    for letter in body.chars() {
        if letter > '\u{7e}' {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            if slashes && letter == '/' && before != '\\' {
                out.push('\\');
            }
            out.push(letter);
        }
        before = letter;
    }
    out
}

/// Answers the handshake: the challenge, unchanged, to whoever knows the verify token.
///
/// # Errors
/// `bad-input` (400) for anything but a complete subscription request, `forbidden` (403) for a wrong token.
pub(crate) fn handshake(host: &dyn Host, request: &InboundRequest) -> Result<Turn, Fault> {
    let query = portico_kit::query::parse(&request.query);
    // The parser nests `a[b]` but not `a.b`, so the names stay whole.
    let field = |name: &str| query.get(name).and_then(Value::as_str).unwrap_or_default();
    let (mode, token, challenge) = (field("hub.mode"), field("hub.verify_token"), field("hub.challenge"));
    if mode != "subscribe" || token.is_empty() || challenge.is_empty() {
        return Err(Fault::new(
            FaultCode::BadInput,
            "a handshake has hub.mode=subscribe, hub.verify_token and hub.challenge",
        ));
    }
    let known = host
        .keyring()
        .matches("verify_token", token.as_bytes())
        .map_err(|error| Fault::new(FaultCode::Forbidden, error.to_string()))?;
    if !known {
        return Err(Fault::new(FaultCode::Forbidden, "the verify token is wrong"));
    }
    Ok(Turn::done(Outcome::Nothing).with_reply(Reply::text(200, "text/plain", challenge)))
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn escapes_are_lower_case_utf16_units() {
        assert_eq!(escaped("{\"a\":\"ä😀/\"}", false), "{\"a\":\"\\u00e4\\ud83d\\ude00/\"}");
        assert_eq!(escaped("a/b\\/c\u{7f}", true), "a\\/b\\/c\\u007f");
    }
}
