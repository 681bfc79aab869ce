use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use portico_contract::{InboundRequest, Manifest};
use portico_kit::signature::Hmac256;

use super::*;

fn manifest() -> Manifest {
    let text = r#"{
        "manifest": 1, "name": "toy", "version": "1.0.0", "title": "Toy", "description": "For tests.",
        "secrets": [
            { "name": "signing", "title": "S", "use": ["mac"] },
            { "name": "token", "title": "T", "use": ["match"] }
        ],
        "webhook": { "methods": ["GET", "POST"], "checks": [
            { "name": "signed", "secret": "signing", "methods": ["POST"], "required": true, "type": "hmac-sha256",
              "header": "x-signature", "prefix": "v0=", "encoding": "hex", "over": "v0:{header:x-time}:{body}",
              "timestamp": { "header": "x-time", "tolerance_s": 300 } },
            { "name": "known", "secret": "token", "type": "header-token", "header": "x-token" }
        ] }
    }"#;
    Manifest::parse(text).unwrap()
}

const NOW: u64 = 1_750_000_000_000;

fn secrets(signing: &[&str]) -> Secrets {
    let values = |all: &[&str]| all.iter().map(|one| (*one).to_owned().into()).collect();
    let map: BTreeMap<_, _> =
        [("signing".to_owned(), values(signing)), ("token".to_owned(), values(&["let me in"]))].into();
    Secrets::new(&manifest(), map)
}

/// A request signed at a time, seconds from now.
fn signed(key: &str, offset_s: i64, body: &str) -> InboundRequest {
    let time = (NOW as i64 / 1000 + offset_s).to_string();
    let code = Hmac256::new(key.as_bytes()).mac(&[b"v0:", time.as_bytes(), b":", body.as_bytes()]);
    let mut headers = HeaderMap::new();
    headers.insert("x-time", time.parse().unwrap());
    headers.insert("x-signature", format!("v0={}", hex::encode(code)).parse().unwrap());
    InboundRequest {
        method: Method::POST,
        path: "/".into(),
        query: String::new(),
        headers,
        body: Bytes::from(body.to_owned()),
        received_at: NOW,
        source_ip: None,
        passed_checks: std::sync::Arc::default(),
    }
}

fn pass(secrets: &Secrets, request: &InboundRequest) -> Result<Vec<&'static str>, CheckRefusal> {
    PreparedChecks::new(&manifest()).unwrap().pass(secrets, request).map(|names| names.to_vec())
}

#[test]
fn only_the_right_code_over_the_very_bytes_passes() {
    let secrets = secrets(&["key"]);
    let good = signed("key", 0, "{\"a\":1}");
    assert_eq!(pass(&secrets, &good), Ok(vec!["signed"]));

    let mut body = good.clone();
    body.body = Bytes::from_static(b"{\"a\":2}");
    assert_eq!(pass(&secrets, &body), Err(CheckRefusal::Wrong));

    assert_eq!(pass(&secrets, &signed("other bot's key", 0, "{}")), Err(CheckRefusal::Wrong));
    assert_eq!(pass(&secrets, &signed("", 0, "{}")), Err(CheckRefusal::Wrong));

    let text = good.headers["x-signature"].to_str().unwrap().to_owned();
    for (changed, refusal) in [
        (text.replace("v0=", "v1="), CheckRefusal::BadForm),
        (text[..text.len() - 1].to_owned(), CheckRefusal::BadForm),
        (format!("{text}0"), CheckRefusal::BadForm),
        (text.to_uppercase(), CheckRefusal::BadForm),
        (String::new(), CheckRefusal::BadForm),
    ] {
        let mut request = good.clone();
        request.headers.insert("x-signature", changed.parse().unwrap());
        assert_eq!(pass(&secrets, &request), Err(refusal), "{changed}");
    }
}

#[test]
fn a_header_that_is_absent_or_doubled_proves_nothing() {
    let secrets = secrets(&["key"]);
    for header in ["x-signature", "x-time"] {
        let mut absent = signed("key", 0, "{}");
        absent.headers.remove(header);
        assert_eq!(pass(&secrets, &absent), Err(CheckRefusal::NoSignature), "{header}");
        let mut doubled = signed("key", 0, "{}");
        let value = doubled.headers[header].clone();
        doubled.headers.append(header, value);
        assert_eq!(pass(&secrets, &doubled), Err(CheckRefusal::NoSignature), "{header}");
    }
}

#[test]
fn a_signed_time_must_be_within_five_minutes_either_way() {
    let secrets = secrets(&["key"]);
    for (offset, expected) in [
        (300, Ok(vec!["signed"])),
        (-300, Ok(vec!["signed"])),
        (301, Err(CheckRefusal::Stale)),
        (-301, Err(CheckRefusal::Stale)),
    ] {
        assert_eq!(pass(&secrets, &signed("key", offset, "{}")), expected, "{offset}");
    }
    for time in ["", "now", "-5", "1e9", "17500000001750000000"] {
        let mut request = signed("key", 0, "{}");
        request.headers.insert("x-time", time.parse().unwrap());
        assert!(
            matches!(pass(&secrets, &request), Err(CheckRefusal::BadForm | CheckRefusal::Stale)),
            "{time}"
        );
    }
}

#[test]
fn both_values_of_a_rotated_secret_pass() {
    let secrets = secrets(&["new", "old"]);
    assert!(pass(&secrets, &signed("new", 0, "{}")).is_ok());
    assert!(pass(&secrets, &signed("old", 0, "{}")).is_ok());
    assert!(pass(&secrets, &signed("older", 0, "{}")).is_err());
}

#[test]
fn a_check_for_other_methods_is_not_made_and_one_that_is_not_required_only_tells() {
    let secrets = secrets(&["key"]);
    let mut request = signed("key", 0, "");
    request.method = Method::GET;
    request.headers.clear();
    assert_eq!(pass(&secrets, &request), Ok(vec![]));
    request.headers.insert("x-token", HeaderValue::from_static("let me in"));
    assert_eq!(pass(&secrets, &request), Ok(vec!["known"]));
    for wrong in ["let me i", "let me in ", "LET ME IN", ""] {
        request.headers.insert("x-token", wrong.parse().unwrap());
        assert_eq!(pass(&secrets, &request), Ok(vec![]), "{wrong}");
    }
}

#[test]
fn a_secret_may_only_be_used_as_declared() {
    let secrets = secrets(&["key"]);
    assert!(matches!(secrets.matches("signing", b"key"), Err(portico_contract::KeyringError::NotAllowed(_))));
    assert!(matches!(secrets.slot_value("signing"), Err(portico_contract::KeyringError::NotAllowed(_))));
    assert!(matches!(
        secrets.mac("token", Algorithm::HmacSha256, &[]),
        Err(portico_contract::KeyringError::NotAllowed(_))
    ));
    assert!(matches!(secrets.matches("nothing", b""), Err(portico_contract::KeyringError::Absent(_))));
    assert_eq!(format!("{secrets:?}"), r#"{"signing", "token"}"#);
}

#[test]
fn templates_that_cover_nothing_are_refused() {
    for (over, fault) in [
        ("v0:{header:x-time}", "does not cover the body"),
        ("{body", "is not closed"),
        ("{path}{body}", "neither body nor header:name"),
        ("{header:bad name}{body}", "is not a header name"),
    ] {
        let mut manifest = manifest();
        if let CheckKind::HmacSha256 { over: template, .. } = &mut manifest.webhook.checks[0].kind {
            *template = over.into();
        }
        let error = PreparedChecks::new(&manifest).unwrap_err();
        assert!(error.contains(fault), "{over}: {error}");
    }
}
