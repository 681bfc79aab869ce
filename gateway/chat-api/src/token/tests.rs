//! Which keys are good, and which are not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const KEY: [u8; 32] = [7; 32];
const NOW: u64 = 1_767_322_985;

/// Somebody with a secret.
fn outside(secret: &'static str) -> Signer<'static> {
    Signer::Outside(Arc::new(move |text, code| {
        keyed(secret.as_bytes(), &[text]).unwrap().verify_slice(code).is_ok()
    }))
}

fn signed(header: &Value, claims: &Value) -> String {
    let body = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let code = keyed(&KEY, &[body.as_bytes()]).unwrap().finalize().into_bytes();
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(code))
}

fn read_here(token: &str) -> Result<String, BadToken> {
    read(token, &Signer::Gateway(&KEY), NOW).map(|good| good.id)
}

#[test]
fn a_key_that_was_made_here_is_good_here() {
    let claims = Claims { id: "Ümlaut-1".into(), iat: Some(NOW), exp: None };
    let token = make(&KEY, &claims);
    assert_eq!(read_here(&token), Ok("Ümlaut-1".into()));
    assert_eq!(read(&token, &Signer::Gateway(&[8; 32]), NOW), Err(BadToken::Signature));
    let brief = make(&KEY, &Claims { id: "u".into(), iat: None, exp: Some(NOW + 5) });
    let good = Good { id: "u".into(), exp: Some(NOW + 5) };
    assert_eq!(read(&brief, &Signer::Gateway(&KEY), NOW), Ok(good));
}

#[test]
fn a_key_signed_by_a_common_library_is_good() {
    // Made with node:crypto over the text of the secret, with and without `typ`.
    for token in [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6ImN1c3RvbWVyLTg4IiwiaWF0IjoxNzY3MzIyOTg1fQ.3Q6GWA0wDD3c9Zf-aBRTr1d_jQdfHTBoLoBf43oyFCQ",
        "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6ImN1c3RvbWVyLTg4In0.Xbu4-7_w8euIzWJw_UxnYjl3ivRP0ii6MDGubBlrA84",
    ] {
        let read_by = |secret| read(token, &outside(secret), NOW).map(|good| good.id);
        assert_eq!(read_by("a key of the shop"), Ok("customer-88".into()));
        assert_eq!(read_by("another key"), Err(BadToken::Signature));
    }
}

#[test]
fn no_other_algorithm_counts_even_with_a_right_code() {
    let claims = json!({ "id": "u" });
    for alg in ["none", "None", "RS256", "HS384", "HS512", "hs256", "ES256", ""] {
        assert_eq!(read_here(&signed(&json!({ "alg": alg }), &claims)), Err(BadToken::Algorithm), "{alg}");
    }
    let unsigned = signed(&json!({ "alg": "none" }), &claims);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    assert_eq!(read_here(&unsigned), Err(BadToken::Algorithm));
    let critical = json!({ "alg": "HS256", "crit": ["b64"], "b64": false });
    assert_eq!(read_here(&signed(&critical, &claims)), Err(BadToken::Algorithm));
}

#[test]
fn times_count_where_they_are_given() {
    let at = |claims: Value| read_here(&signed(&json!({ "alg": "HS256" }), &claims));
    assert_eq!(at(json!({ "id": "u", "exp": NOW + 1 })), Ok("u".into()));
    assert_eq!(at(json!({ "id": "u", "exp": NOW - 59 })), Ok("u".into()));
    assert_eq!(at(json!({ "id": "u", "exp": NOW - 60 })), Err(BadToken::Expired));
    assert_eq!(at(json!({ "id": "u", "exp": 12.5 })), Err(BadToken::Expired));
    assert_eq!(at(json!({ "id": "u", "nbf": NOW + 61 })), Err(BadToken::Early));
    assert_eq!(at(json!({ "id": "u", "exp": "soon" })), Err(BadToken::Claims));
}

#[test]
fn what_is_no_token_is_refused_without_a_panic() {
    let good = signed(&json!({ "alg": "HS256" }), &json!({ "id": "u" }));
    for index in 0..good.len() {
        assert!(read_here(&good[..index]).is_err());
        let mut bent = good.clone().into_bytes();
        bent[index] ^= 1;
        assert!(read_here(&String::from_utf8_lossy(&bent)).is_err(), "{index}");
    }
    for text in ["", ".", "..", "...", "a.b.c", "é.é.é"] {
        assert!(read_here(text).is_err());
    }
    assert_eq!(read_here(&"a.".repeat(5000)), Err(BadToken::Malformed));
    assert_eq!(read_here(&signed(&json!({ "alg": "HS256" }), &json!({ "id": "" }))), Err(BadToken::Claims));
    assert_eq!(read_here(&signed(&json!({ "alg": "HS256" }), &json!({ "id": 5 }))), Err(BadToken::Claims));
}
