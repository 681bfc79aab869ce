//! What counts as a signed token, whoever asks.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

fn token(header: &Value, claims: &Value, code: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(code))
}

fn hs256() -> Value {
    json!({ "alg": "HS256" })
}

fn read(token: &str, rules: &Validation) -> Result<Value, Fault> {
    by_check(token, |_, code| code == b"right", rules)
}

#[test]
fn a_check_gets_what_was_signed_and_the_code() {
    let good = token(&hs256(), &json!({ "id": 1 }), b"right");
    let signed = good.rsplit_once('.').unwrap().0.to_owned();
    let claims: Value = by_check(
        &good,
        move |text, code| text == signed.as_bytes() && code == b"right",
        &rules(Algorithm::HS256),
    )
    .unwrap();
    assert_eq!(claims, json!({ "id": 1 }));
}

#[test]
fn only_its_own_check_speaks_for_a_token() {
    let rules = rules(Algorithm::HS256);
    let claims = json!({});
    // Refused before its signature, with a check that would say yes to anything.
    for early in ["a.b.c".to_owned(), token(&json!({ "alg": "HS512" }), &claims, b"")] {
        let refused: Result<Value, _> = by_check(&early, |_, _| true, &rules);
        assert!(refused.is_err(), "{early}");
    }
    assert_eq!(read(&token(&hs256(), &claims, b"wrong"), &rules), Err(Fault::Signature));
    // Without any check: the code of an empty key is no more than any other.
    let empty = sign(&claims, b"").unwrap();
    let direct = jsonwebtoken::decode::<Value>(&empty, &DecodingKey::from_secret(b""), &rules);
    assert_eq!(*direct.unwrap_err().kind(), ErrorKind::InvalidKeyFormat);
    assert_eq!(read(&empty, &rules), Err(Fault::Signature));
    // A check that needs a token itself.
    let outer = token(&hs256(), &claims, b"outer");
    let inner = token(&hs256(), &json!({ "in": true }), b"right");
    let within = rules.clone();
    let nested: Value =
        by_check(&outer, move |_, code| code == b"outer" && read(&inner, &within).is_ok(), &rules).unwrap();
    assert_eq!(nested, claims);
}

#[test]
fn a_key_checks_its_own_algorithm_only() {
    let ed = DecodingKey::from_ed_der(&[1; 32]);
    let rsa = DecodingKey::from_rsa_raw_components(&[1; 256], &[1, 0, 1]);
    let hmac = DecodingKey::from_secret(&[1; 32]);
    for (key, alg, name) in [
        (&ed, Algorithm::RS256, "RS256"),
        (&rsa, Algorithm::EdDSA, "EdDSA"),
        (&hmac, Algorithm::EdDSA, "EdDSA"),
        (&ed, Algorithm::HS256, "HS256"),
        (&ed, Algorithm::EdDSA, "EdDSA"),
        (&rsa, Algorithm::RS256, "RS256"),
        (&rsa, Algorithm::PS256, "PS256"),
        (&rsa, Algorithm::RS384, "RS384"),
    ] {
        let token = token(&json!({ "alg": name }), &json!({}), &[0; 64]);
        assert_eq!(by_key::<Value>(&token, key, &rules(alg)), Err(Fault::Signature), "{name}");
        assert_eq!(by_key::<Value>(&token, key, &rules(Algorithm::HS384)), Err(Fault::Algorithm), "{name}");
    }
}

#[test]
fn the_header_says_what_is_wrong_with_it() {
    let of = |header: Value| super::header(&token(&header, &json!({}), b""));
    assert_eq!(of(json!({ "alg": "EdDSA", "kid": "k" })).unwrap().kid.as_deref(), Some("k"));
    for unknown in [json!({ "alg": "none" }), json!({ "alg": "hs256" }), json!({})] {
        assert_eq!(of(unknown.clone()), Err(Fault::Algorithm), "{unknown}");
    }
    for extended in [json!({ "crit": ["exp"] }), json!({ "crit": [] }), json!({ "b64": true })] {
        let mut header = hs256();
        header.as_object_mut().unwrap().extend(extended.as_object().unwrap().clone());
        assert_eq!(of(header.clone()), Err(Fault::Extension), "{header}");
        let whole = token(&header, &json!({}), b"right");
        assert_eq!(read(&whole, &rules(Algorithm::HS256)), Err(Fault::Extension), "{header}");
    }
    let number = token(&json!({ "alg": 5 }), &json!({}), b"");
    for odd in [&number, "", ".", "..", "...", "a.b", "bm8.e30.", "é.é.é", "eyJhbGciOiJIUzI1NiJ9.e30.x.y"]
    {
        assert!(matches!(super::header(odd), Err(Fault::Malformed(_))), "{odd}");
    }
}

#[test]
fn the_rules_are_obeyed_after_the_signature() {
    let mut rules = rules(Algorithm::HS256);
    rules.set_required_spec_claims(&["iss"]);
    rules.set_issuer(&["shop"]);
    rules.validate_aud = true;
    rules.set_audience(&["site"]);
    for (claims, wanted) in [
        (json!({ "iss": "shop", "aud": "site" }), None),
        (json!({ "iss": "shop", "aud": ["x", "site"] }), None),
        (json!({ "iss": "shop" }), None),
        (json!({ "aud": "site" }), Some(Fault::Missing("iss".into()))),
        (json!({ "iss": 5 }), Some(Fault::Missing("iss".into()))),
        (json!({ "iss": "thief" }), Some(Fault::Issuer)),
        (json!({ "iss": "shop", "aud": "other" }), Some(Fault::Audience)),
        (json!({ "iss": "shop", "aud": [] }), Some(Fault::Audience)),
    ] {
        let good = token(&hs256(), &claims, b"right");
        assert_eq!(read(&good, &rules).err(), wanted, "{claims}");
        let forged = token(&hs256(), &claims, b"wrong");
        assert_eq!(read(&forged, &rules).err(), Some(Fault::Signature), "{claims}");
    }
    let text = token(&hs256(), &json!("text"), b"right");
    assert_eq!(read(&text, &rules), Err(Fault::Claims));
}

#[test]
fn a_token_that_was_made_here_has_the_code_of_its_secret() {
    let made = sign(&json!({ "id": "u" }), b"secret").unwrap();
    let check = |secret: &'static [u8]| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let check = move |text: &[u8], code: &[u8]| ring::hmac::verify(&key, text, code).is_ok();
        by_check::<Value>(&made, check, &rules(Algorithm::HS256))
    };
    assert_eq!(check(b"secret"), Ok(json!({ "id": "u" })));
    assert_eq!(check(b"other"), Err(Fault::Signature));
}

#[test]
fn times_count_with_a_minute_between_two_clocks() {
    let now = 1_000.0;
    assert_eq!(in_time(None, None, now), Ok(()));
    assert_eq!(in_time(Some(940.5), Some(1_060.0), now), Ok(()));
    assert_eq!(in_time(Some(940.0), None, now), Err(Fault::Expired));
    assert_eq!(in_time(None, Some(1_060.5), now), Err(Fault::Early));
}
