//! The checks that a manifest declares, made as the gateway makes them before any code of the connector runs.
//!
//! A check passes when its header is there exactly once and holds, after its prefix, the right code or token
//! for one of the secret's values, and when its signed time, if any, is digits only and near the clock.
//! Everything is compared in constant time.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portico_contract::{
    Algorithm, Check, CheckKind, Encoding, Host, InboundRequest, Keyring, SignedTimestamp,
};

use crate::TestHost;

/// Makes the checks of the host's manifest.
///
/// # Errors
/// The name of a required check that failed: the gateway answers 401 and asks nobody further.
pub fn passed(host: &TestHost, request: &InboundRequest) -> Result<Vec<&'static str>, String> {
    let mut names = Vec::new();
    for check in &host.manifest().webhook.checks {
        if !applies(check, request) {
            continue;
        }
        if holds(check, host, request) {
            names.push(lasting(&check.name));
        } else if check.required {
            return Err(check.name.clone());
        }
    }
    Ok(names)
}

/// Whether a check is made for a request's method.
pub fn applies(check: &Check, request: &InboundRequest) -> bool {
    check.methods.is_empty()
        || check.methods.iter().any(|method| method.eq_ignore_ascii_case(request.method.as_str()))
}

/// Whether a request passes one check.
pub fn holds(check: &Check, host: &TestHost, request: &InboundRequest) -> bool {
    match &check.kind {
        CheckKind::HmacSha256 { header, prefix, encoding, over, timestamp } => {
            let timely = timestamp.as_ref().is_none_or(|rule| is_near(rule, host, request));
            let claimed = request.header(header).and_then(|text| text.strip_prefix(prefix.as_str()));
            let claimed = claimed.and_then(|text| decode(*encoding, text));
            let (Some(claimed), Some(signed)) = (claimed, fill(over, request)) else { return false };
            timely && host.check(&check.secret, Algorithm::HmacSha256, &[&signed], &claimed).unwrap_or(false)
        }
        CheckKind::HeaderToken { header } => {
            let mut values = request.headers.get_all(header.as_str()).iter();
            match (values.next(), values.next()) {
                (Some(token), None) => host.matches(&check.secret, token.as_bytes()).unwrap_or(false),
                _ => false,
            }
        }
    }
}

fn is_near(rule: &SignedTimestamp, host: &TestHost, request: &InboundRequest) -> bool {
    let Some(text) = request.header(&rule.header) else { return false };
    if text.is_empty() || text.len() > 12 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Ok(seconds) = text.parse::<u64>() else { return false };
    (host.now() / 1000).abs_diff(seconds) <= u64::from(rule.tolerance_s)
}

fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => STANDARD.decode(text).ok(),
    }
}

/// Writes a code as a check wants it.
pub(crate) fn encode(encoding: Encoding, code: &[u8]) -> String {
    match encoding {
        Encoding::Hex => hex::encode(code),
        Encoding::Base64 => STANDARD.encode(code),
    }
}

/// Fills `{body}` and `{header:name}`; `None` when a named header is missing or there twice.
pub(crate) fn fill(template: &str, request: &InboundRequest) -> Option<Vec<u8>> {
    let mut filled = Vec::with_capacity(template.len() + request.body.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.extend_from_slice(before.as_bytes());
        let (name, behind) = after.split_once('}')?;
        match name.strip_prefix("header:") {
            Some(header) => filled.extend_from_slice(request.header(header)?.as_bytes()),
            None if name == "body" => filled.extend_from_slice(&request.body),
            None => return None,
        }
        rest = behind;
    }
    filled.extend_from_slice(rest.as_bytes());
    Some(filled)
}

/// A name that lives as long as the test process, as the names of a built-in's manifest do.
fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}
