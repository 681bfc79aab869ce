//! A token proves who somebody is only if everything about it is right.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm as Signing;
use parking_lot::Mutex;
use portico_contract::{Algorithm, Keyring};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::World;
use crate::{Claims, Identity, IdentityError, IdentityOptions};

/// Seconds at which all this happens.
const NOW: u64 = 1_800_000_000;

fn claims() -> Value {
    json!({ "sub": "ana", "aud": "site", "iat": NOW, "exp": NOW + 600, "name": "Ana", "data": { "plan": "pro" } })
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[field] = value;
    claims
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn hs256(world: &World, claims: &Value) -> String {
    signed(&json!({ "alg": "HS256", "typ": "JWT" }), claims, |text| mac(world, text))
}

fn mac(world: &World, text: &[u8]) -> Vec<u8> {
    world.at.secrets.mac("identity_secret", Algorithm::HmacSha256, &[text]).unwrap()
}

fn by_secret() -> IdentityOptions {
    IdentityOptions { secret: Some("identity_secret".into()), ..IdentityOptions::default() }
}

async fn verify(world: &World, options: &IdentityOptions, token: &str) -> Result<Claims, IdentityError> {
    Identity::new(world.client.clone()).verify(&world.at, options, token, NOW * 1_000).await
}

#[tokio::test]
async fn a_right_token_says_who_it_is() {
    let world = World::new().await;
    let found = verify(&world, &by_secret(), &hs256(&world, &claims())).await.unwrap();
    assert_eq!((found.subject.as_str(), found.name.as_deref()), ("ana", Some("Ana")));
    assert_eq!((found.expires_at, &found.data["plan"]), ((NOW + 600) * 1_000, &json!("pro")));
    let several = with("aud", json!(["other", "site"]));
    assert!(verify(&world, &by_secret(), &hs256(&world, &several)).await.is_ok());
    let issuer = IdentityOptions { issuer: Some("https://shop.example".into()), ..by_secret() };
    let right = with("iss", json!("https://shop.example"));
    assert!(verify(&world, &issuer, &hs256(&world, &right)).await.is_ok());
    let missing = verify(&world, &issuer, &hs256(&world, &claims())).await;
    assert_eq!(missing, Err(IdentityError::Claim("iss is not the configured one")));
}

#[tokio::test]
async fn every_wrong_claim_is_named() {
    let world = World::new().await;
    let cases: [(Value, IdentityError); 13] = [
        (with("sub", Value::Null), IdentityError::Claim("sub is missing")),
        (with("sub", json!("")), IdentityError::Claim("sub is missing")),
        (
            with("sub", json!("x".repeat(201))),
            IdentityError::Claim("sub must have at most 200 bytes without control characters"),
        ),
        (with("aud", Value::Null), IdentityError::Claim("aud is missing")),
        (with("aud", json!("backend")), IdentityError::Claim("aud does not name this channel")),
        (with("aud", json!([])), IdentityError::Claim("aud does not name this channel")),
        (with("iat", Value::Null), IdentityError::Claim("iat is missing")),
        (with("iat", json!(NOW + 61)), IdentityError::Claim("iat is in the future")),
        (with("exp", Value::Null), IdentityError::Claim("exp is missing")),
        (with("exp", json!(NOW - 60)), IdentityError::Expired),
        (with("exp", json!(NOW + 3_601)), IdentityError::Claim("exp is more than an hour after iat")),
        (with("nbf", json!(NOW + 61)), IdentityError::Claim("nbf is in the future")),
        (
            with("name", json!("x".repeat(501))),
            IdentityError::Claim("jti, name, email and picture may have at most 500 bytes"),
        ),
    ];
    for (claims, wanted) in cases {
        assert_eq!(verify(&world, &by_secret(), &hs256(&world, &claims)).await, Err(wanted), "{claims}");
    }
    for skewed in [with("exp", json!(NOW - 59)), with("iat", json!(NOW + 60))] {
        assert!(verify(&world, &by_secret(), &hs256(&world, &skewed)).await.is_ok(), "{skewed}");
    }
}

#[tokio::test]
async fn forged_and_odd_tokens_are_refused() {
    let world = World::new().await;
    let good = hs256(&world, &claims());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let other = part(&with("sub", json!("ben")));
    let header = text.split('.').next().unwrap();
    for forged in [
        format!("{header}.{other}.{signature}"),
        format!("{text}."),
        format!("{text}.{}", URL_SAFE_NO_PAD.encode([0; 32])),
        signed(&json!({ "alg": "HS256" }), &claims(), |text| mac(&world, text)[..31].to_vec()),
    ] {
        assert_eq!(verify(&world, &by_secret(), &forged).await, Err(IdentityError::Signature), "{forged}");
    }
    for algorithm in ["none", "None", "hs256", "RS256", "EdDSA", "HS512", ""] {
        let token = signed(&json!({ "alg": algorithm }), &claims(), |text| mac(&world, text));
        assert_eq!(verify(&world, &by_secret(), &token).await, Err(IdentityError::Algorithm), "{algorithm}");
    }
    let critical = json!({ "alg": "HS256", "crit": ["b64"], "b64": false });
    let critical = signed(&critical, &claims(), |text| mac(&world, text));
    let long = "x".repeat(9_000);
    for odd in ["", ".", "..", "a.b", "a.b.c", &format!("{good}="), &format!(" {good}"), &critical, &long] {
        let refused = verify(&world, &by_secret(), odd).await;
        assert!(matches!(refused, Err(IdentityError::Malformed(_))), "{odd}: {refused:?}");
    }
    let nothing = verify(&world, &IdentityOptions::default(), &good).await;
    assert_eq!(nothing, Err(IdentityError::NotConfigured));
    let absent = IdentityOptions { secret: Some("other".into()), ..IdentityOptions::default() };
    assert_eq!(verify(&world, &absent, &good).await, Err(IdentityError::NotConfigured));
}

/// A site that serves its key set.
struct Site {
    url: String,
    keys: Arc<Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
}

impl Site {
    async fn start(keys: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
        let (keys, asked) = (Arc::new(Mutex::new(Some(keys))), Arc::new(AtomicUsize::new(0)));
        let (served, counted) = (keys.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _read = socket.read(&mut request).await;
                counted.fetch_add(1, Ordering::SeqCst);
                let (status, body) = match served.lock().as_ref() {
                    Some(keys) => ("200 OK", keys.to_string()),
                    None => ("500 Internal Server Error", String::new()),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _written = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, keys, asked }
    }

    fn options(&self) -> IdentityOptions {
        let jwks_url = Some(self.url.clone());
        IdentityOptions { jwks_url, secret: Some("identity_secret".into()), issuer: None }
    }
}

fn key_pair(seed: u8) -> (Ed25519KeyPair, String) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    (pair, x)
}

fn jwk(kid: &str, x: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": x })
}

fn eddsa(kid: Option<&str>, pair: &Ed25519KeyPair) -> String {
    let mut header = json!({ "alg": "EdDSA" });
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    signed(&header, &claims(), |text| pair.sign(text).as_ref().to_vec())
}

#[tokio::test]
async fn a_key_set_is_fetched_once_and_takes_no_secret() {
    let world = World::new().await;
    let ((one, x), (other, _)) = (key_pair(1), key_pair(2));
    let site = Site::start(json!({ "keys": [jwk("k1", &x), { "kty": "EC", "crv": "P-256" }, 7] })).await;
    let (identity, options) = (Identity::new(world.client.clone()), site.options());
    let verify = async |token: String| identity.verify(&world.at, &options, &token, NOW * 1_000).await;
    for token in [eddsa(Some("k1"), &one), eddsa(None, &one)] {
        assert_eq!(verify(token).await.unwrap().subject, "ana");
    }
    assert_eq!(verify(eddsa(Some("k1"), &other)).await, Err(IdentityError::Signature));
    assert_eq!(verify(eddsa(Some("k2"), &other)).await, Err(IdentityError::Signature));
    assert_eq!(verify(hs256(&world, &claims())).await, Err(IdentityError::Algorithm));
    // The public key as a secret: the classic confusion of algorithms.
    let confused = signed(&json!({ "alg": "HS256", "kid": "k1" }), &claims(), |text| mac(&world, text));
    assert_eq!(verify(confused).await, Err(IdentityError::Algorithm));
    assert_eq!(site.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_new_key_is_found_after_a_pause_and_a_lost_site_does_not_lock_anybody_out() {
    let world = World::new().await;
    let ((old, old_x), (new, new_x)) = (key_pair(1), key_pair(2));
    let site = Site::start(json!({ "keys": [jwk("k1", &old_x)] })).await;
    let (identity, options) = (Identity::new(world.client.clone()), site.options());
    let verify = async |token: String| identity.verify(&world.at, &options, &token, NOW * 1_000).await;
    assert!(verify(eddsa(Some("k1"), &old)).await.is_ok());
    *site.keys.lock() = Some(json!({ "keys": [jwk("k1", &old_x), jwk("k2", &new_x)] }));
    assert_eq!(verify(eddsa(Some("k2"), &new)).await, Err(IdentityError::Signature));
    identity.turn_on(std::time::Duration::from_secs(31));
    assert!(verify(eddsa(Some("k2"), &new)).await.is_ok());
    // Two keys of one kind: a token must say which.
    assert_eq!(verify(eddsa(None, &old)).await, Err(IdentityError::Signature));
    *site.keys.lock() = None;
    identity.turn_on(std::time::Duration::from_secs(3_600));
    assert!(verify(eddsa(Some("k2"), &new)).await.is_ok());
    identity.turn_on(std::time::Duration::from_secs(25 * 3_600));
    assert_eq!(verify(eddsa(Some("k2"), &new)).await, Err(IdentityError::KeysUnavailable));
}

#[tokio::test]
async fn a_private_address_is_not_asked_for_keys() {
    let world = World::new().await;
    let (pair, x) = key_pair(1);
    let site = Site::start(json!({ "keys": [jwk("k1", &x)] })).await;
    let guarded = portico_net::Client::new(portico_net::ClientOptions::default()).unwrap();
    let identity = Identity::new(guarded);
    let token = eddsa(Some("k1"), &pair);
    let refused = identity.verify(&world.at, &site.options(), &token, NOW * 1_000).await;
    assert_eq!(refused, Err(IdentityError::KeysUnavailable));
    assert_eq!(site.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn rs256_is_checked_as_in_the_example_of_rfc_7515() {
    let key = json!({ "keys": [{ "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL\
              -yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e\
              -KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_\
              h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }] });
    let text = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc\
                19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5juj\
                     Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K\
                     0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6L\
                     bgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let set = crate::jwks::KeySet::parse(key.to_string().as_bytes()).unwrap();
    let found = set.find(None, Signing::RS256).unwrap();
    let verify =
        |signature: &str| jsonwebtoken::crypto::verify(signature, text.as_bytes(), &found, Signing::RS256);
    // Of its claims `exp` is long past; here it is the signature that counts.
    let claims = crate::jwt::by_key::<Value>(
        &format!("{text}.{signature}"),
        &found,
        &crate::jwt::rules(Signing::RS256),
    );
    assert_eq!(claims.unwrap()["iss"], "joe");
    assert_eq!(verify(signature), Ok(true));
    let mut bent = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bent[0] ^= 1;
    assert_eq!(verify(&URL_SAFE_NO_PAD.encode(bent)), Ok(false));
}

#[test]
fn only_keys_that_check_eddsa_and_rs256_are_kept() {
    let x = key_pair(1).1;
    let n = URL_SAFE_NO_PAD.encode([0xab; 256]);
    let rsa = |more: Value| {
        let mut key = json!({ "kty": "RSA", "e": "AQAB", "n": n });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    };
    let okp = |curve: &str, alg: &str| json!({ "kty": "OKP", "crv": curve, "x": x, "alg": alg });
    for (key, wanted) in [
        (rsa(json!({})), Some(Signing::RS256)),
        (rsa(json!({ "alg": "RS256", "use": "sig", "x5c": [], "more": 1 })), Some(Signing::RS256)),
        (rsa(json!({ "alg": "PS256" })), None),
        (rsa(json!({ "alg": "RS512" })), None),
        (rsa(json!({ "use": "enc" })), None),
        (rsa(json!({ "n": "not base64!" })), None),
        (okp("Ed25519", "EdDSA"), Some(Signing::EdDSA)),
        (okp("Ed25519", "Ed25519"), Some(Signing::EdDSA)),
        (okp("Ed25519", "HS256"), None),
        (okp("X25519", "EdDSA"), None),
        (json!({ "kty": "oct", "k": x }), None),
        (json!({ "kty": "EC", "crv": "P-256", "x": x, "y": x }), None),
        (json!({ "kty": "AKP", "pub": x }), None),
        (json!(7), None),
    ] {
        let set = crate::jwks::KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        for algorithm in [Signing::EdDSA, Signing::RS256, Signing::HS256, Signing::ES256] {
            assert_eq!(set.find(None, algorithm).is_some(), wanted == Some(algorithm), "{key} {algorithm:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_being_rotated_counts_in_both_its_values() {
    let world = World::new().await;
    let at = super::world::installation_with("site", "webchat", &["new sesame", "sesame"]);
    let identity = Identity::new(world.client.clone());
    let old = hs256(&world, &claims());
    let verify = async |at, token| identity.verify(at, &by_secret(), token, NOW * 1_000).await;
    assert_eq!(verify(&at, &old).await.unwrap().subject, "ana");
    let new = signed(&json!({ "alg": "HS256" }), &claims(), |text| {
        at.secrets.mac("identity_secret", Algorithm::HmacSha256, &[text]).unwrap()
    });
    assert_eq!(verify(&at, &new).await.unwrap().subject, "ana");
    assert_eq!(verify(&world.at, &new).await, Err(IdentityError::Signature));
}
