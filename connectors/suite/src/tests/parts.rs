//! The host, the checks and the rules, one by one.

use bytes::Bytes;
use portico_contract::{
    Algorithm, Blobs, Effect, Host, Keyring, KeyringError, Manifest, OutboundRequest, Scope, Slot, StateWrite,
};
use serde_json::json;

use super::toy::{self, Sin};
use crate::{TestHost, checks, mac_hex, post, rules, sign};

fn host() -> TestHost {
    TestHost::new(&toy::manifest(Sin::None))
        .secret("signing", "8f742231b10e8888abcd99yyyzzz85a5")
        .secret("token", "t0ken-of-toy")
}

#[test]
fn codes_agree_with_published_vectors() {
    // RFC 4231, case 2; RFC 2202, case 2.
    let data: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
    assert_eq!(mac_hex("Jefe", &data), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    let sha1 = crate::host::mac(b"Jefe", Algorithm::HmacSha1, &data);
    assert_eq!(hex::encode(sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

#[test]
fn a_signed_request_passes_and_a_changed_one_does_not() {
    let host = host();
    let request = sign(&host, post("{}"));
    assert_eq!(checks::passed(&host, &request), Ok(vec!["signed"]));
    let mut changed = request.clone();
    changed.body = Bytes::from_static(b"[]");
    assert_eq!(checks::passed(&host, &changed), Err("signed".to_owned()));
    let upper = request.header("x-toy-signature").unwrap().to_ascii_uppercase().replace("V0=", "v0=");
    let mut shouted = request.clone();
    shouted.headers.insert("x-toy-signature", upper.parse().unwrap());
    assert!(checks::passed(&host, &shouted).is_ok(), "hex may be in either case");
    let old = host.old_secret("signing", "another");
    let rotated = TestHost::new(&toy::manifest(Sin::None)).secret("signing", "another");
    assert!(checks::passed(&old, &sign(&rotated, post("{}"))).is_ok(), "the old value still counts");
}

#[test]
fn the_keyring_allows_what_the_manifest_allows() {
    let host = host();
    assert_eq!(host.matches("signing", b"x"), Err(KeyringError::NotAllowed("signing".into())));
    assert_eq!(host.mac("token", Algorithm::HmacSha256, &[]), Err(KeyringError::NotAllowed("token".into())));
    assert_eq!(
        host.mac("nobody", Algorithm::HmacSha256, &[]),
        Err(KeyringError::NotAllowed("nobody".into()))
    );
    let bare = TestHost::new(&toy::manifest(Sin::None));
    assert_eq!(bare.mac("signing", Algorithm::HmacSha256, &[]), Err(KeyringError::Absent("signing".into())));
    assert!(!bare.has("signing"));
}

#[test]
fn state_is_written_by_effects_and_guarded_by_revisions() {
    let mut manifest: Manifest = toy::manifest(Sin::None);
    manifest.states.insert("seen:*".into(), Default::default());
    let host = TestHost::new(&manifest).state(Scope::Installation, "seen:a", "1");
    let write = |key: &str, expect: Option<&str>, data: Option<&'static str>| {
        Effect::Write(StateWrite {
            scope: Scope::Installation,
            key: key.into(),
            data: data.map(Bytes::from),
            expect: expect.map(str::to_owned),
            lifetime_s: None,
        })
    };
    let revision = host.state_get(&Scope::Installation, "seen:a").unwrap().revision;
    assert!(host.apply(&[write("seen:a", Some(&revision), Some("2"))]));
    assert!(!host.apply(&[write("seen:b", None, Some("3")), write("seen:a", Some(&revision), Some("4"))]));
    assert!(host.apply(&[write("seen:c", Some(""), Some("5"))]));
    assert_eq!(
        host.state_keys(&Scope::Installation, "seen:", 9),
        ["seen:a", "seen:c"],
        "a refused turn stores nothing"
    );
    assert_eq!(host.stored(&Scope::Installation, "seen:a").unwrap(), "2");
    assert!(host.apply(&[write("seen:a", None, None)]));
    assert_eq!(host.stored(&Scope::Installation, "seen:a"), None);
    assert_eq!(host.stored(&Scope::Party("u".into()), "seen:c"), None, "scopes are apart");
}

#[test]
fn entropy_is_the_runs_own() {
    assert_eq!(host().entropy(40), host().entropy(40));
    assert_eq!(host().entropy(40).len(), 40);
    assert_ne!(host().entropy(8), host().seed(2).entropy(8));
}

#[test]
fn blobs_are_read_in_pieces() {
    let host = host().blob("b", "text/plain", "hello");
    assert_eq!(host.describe("b").unwrap().size, 5);
    assert_eq!(host.read("b", 1, 3).unwrap(), "ell");
    assert_eq!(host.read("b", 9, 3).unwrap(), "");
    assert_eq!(host.read("c", 0, 1), None);
}

#[test]
fn requests_go_where_the_manifest_says() {
    let mut manifest = toy::manifest(Sin::None);
    manifest.permissions.hosts =
        serde_json::from_value(json!(["*.toy.example", { "config": "/api_url" }])).unwrap();
    let host = TestHost::new(&manifest);
    let config = json!({ "api_url": "http://127.0.0.1:9000" });
    let fine = |url: &str| rules::request(&host, &config, &OutboundRequest::get("x", url)).is_ok();
    assert!(fine("https://api.toy.example/a") && fine("http://127.0.0.1:9000/b"));
    for url in [
        "http://api.toy.example/",
        "https://api.toy.example:8443/",
        "https://toy.example/",
        "https://eviltoy.example/",
        "https://api.toy.example.evil.example/",
        "http://127.0.0.1:9001/",
        "https://u:p@api.toy.example/",
        "/a",
        "",
    ] {
        assert!(!fine(url), "{url}");
    }
    manifest.permissions.public_fetch = true;
    let open = TestHost::new(&manifest);
    assert!(rules::request(&open, &config, &OutboundRequest::get("x", "https://other.example/")).is_ok());
    let secret = OutboundRequest::get("x", "https://other.example/{t}").slot(Slot::url("{t}", "token"));
    assert!(rules::request(&open, &config, &secret).unwrap_err().contains("permissions.hosts"));
}

#[test]
#[should_panic(expected = "contains the value of secret 'token'")]
fn a_secret_in_a_text_is_found() {
    rules::no_secret(&host(), "a log line", "sent with t0ken-of-toy");
}
