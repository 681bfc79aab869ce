//! Who a visitor is: signed by the site with a shared secret, or with a key that its key set names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use portico_tests::sim::server::{Answer, Answering, Handler, Server};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};
use sha2::Sha256;

use super::stage::{PAGE, Stage};
use super::visitor::{Came, Visitor};
use crate::scene;

const SECRET: &str = "identity-secret-of-the-tests-0123456789";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(subject: &str) -> Value {
    json!({ "sub": subject, "aud": "site", "iat": now(), "exp": now() + 600, "name": "Ada", "email": "ada@shop.example" })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = format!("{}.{}", part(header), part(claims));
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(sign(head.as_bytes())))
}

fn hs256(secret: &[u8], claims: &Value) -> String {
    signed(&json!({ "alg": "HS256", "typ": "JWT" }), claims, |data| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    })
}

fn config(mode: &str, more: &str) -> String {
    format!(
        "origins = [\"{PAGE}\"]\n{more}\nidentity = {{ mode = \"{mode}\" }}\n\
         limits = {{ hellos = 60000, events = 60000, messages = 60000 }}"
    )
}

async fn shop(mode: &str) -> Stage {
    let config = config(mode, "identity_secret = \"${IDENTITY}\"");
    Stage::with(&config, &[("IDENTITY", SECRET)], scene::echo).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_identity_is_believed_and_a_forged_one_is_not() {
    let stage = shop("required").await;
    let (mut visitor, welcome) =
        stage.hello(json!({ "jwt": hs256(SECRET.as_bytes(), &claims("ada")) })).await;
    assert_eq!(welcome["user"]["verified"], true);
    assert_eq!(
        (&welcome["user"]["name"], &welcome["user"]["email"]),
        (&json!("Ada"), &json!("ada@shop.example"))
    );
    let ack = visitor.says("signed-001", None, "hi").await;
    // Another device of hers: the same person and conversation, a session of its own.
    let (_, other) = stage.hello(json!({ "jwt": hs256(SECRET.as_bytes(), &claims("ada")) })).await;
    assert_eq!((&other["user"]["id"], &other["conv"]), (&welcome["user"]["id"], &ack["conv"]));
    assert_ne!(other["tok"], welcome["tok"]);
    // And somebody else sees nothing of it.
    let (_, bob) = stage.hello(json!({ "jwt": hs256(SECRET.as_bytes(), &claims("bob")) })).await;
    assert_ne!(bob["user"]["id"], welcome["user"]["id"]);
    let path = format!("/v1/conversations/{}/messages", ack["conv"].as_str().unwrap());
    assert_eq!(stage.page(Method::GET, &path, bob["tok"].as_str().unwrap(), None).await.status, 404);

    let good = claims("ada");
    let unsigned = signed(&json!({ "alg": "none" }), &good, |_| Vec::new());
    for (name, jwt) in [
        ("another secret", hs256(b"another-secret-of-the-tests-0123456789", &good)),
        ("no signature", unsigned),
        ("another channel", hs256(SECRET.as_bytes(), &with(good.clone(), "aud", json!("other")))),
        ("over", hs256(SECRET.as_bytes(), &with(good.clone(), "exp", json!(now() - 120)))),
        ("too long a life", hs256(SECRET.as_bytes(), &with(good.clone(), "exp", json!(now() + 90_000)))),
        ("nobody", hs256(SECRET.as_bytes(), &with(good.clone(), "sub", json!("")))),
        ("nonsense", "a.b.c".to_owned()),
    ] {
        let mut visitor = stage.connect().await;
        visitor.send(json!({ "t": "hello", "v": 1, "ch": "site", "jwt": jwt, "cur": {} })).await;
        let (frames, code) = visitor.read_out().await;
        assert_eq!(code, 4401, "{name}: {frames:?}");
    }
    let mut nobody = stage.connect().await;
    nobody.send(json!({ "t": "hello", "v": 1, "ch": "site", "cur": {} })).await;
    assert_eq!(nobody.read_out().await.1, 4401, "required means required");
    assert!(!stage.gateway.spec.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_logs_in_keeps_the_conversation_and_the_old_session_ends() {
    let stage = shop("optional").await;
    let (mut visitor, token, conversation) = stage.talking().await;
    let (mut tab, before) = stage.hello(json!({ "tok": token })).await;
    assert_eq!(before["user"]["verified"], false);
    let jwt = hs256(SECRET.as_bytes(), &claims("ada"));
    visitor.send(json!({ "t": "auth", "id": "auth-00001", "jwt": jwt })).await;
    assert_eq!(visitor.frame_of("ack").await["id"], "auth-00001");
    let welcome = visitor.frame_of("welcome").await;
    assert_eq!((&welcome["user"]["verified"], &welcome["conv"]), (&json!(true), &json!(conversation)));
    let fresh = welcome["tok"].as_str().unwrap().to_owned();
    assert_ne!(fresh, token);
    // The other tab has to come back with the new token; the old one is good for nothing.
    assert_eq!(tab.read_out().await.1, 1012);
    let mut old = Visitor::connect(stage.gateway.spec.ports.0, Some(PAGE)).await.unwrap();
    old.send(json!({ "t": "hello", "v": 1, "ch": "site", "tok": token, "cur": {} })).await;
    assert_eq!(old.read_out().await.1, 4401);
    visitor.says("second-message", Some(&conversation), "it is me").await;
    visitor.item(|item| item["data"]["from"] == "bot" && item["data"]["text"] == "it is me").await;
    // A bad identity on an open connection changes nothing.
    visitor.send(json!({ "t": "auth", "id": "auth-00002", "jwt": "a.b.c" })).await;
    let nack = visitor.frame_of("nack").await;
    assert_eq!((&nack["id"], &nack["code"]), (&json!("auth-00002"), &json!("auth")));
    visitor.says("third-message", Some(&conversation), "still me").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_key_set_are_fetched_once_and_nothing_else_signs() {
    let (key, stranger) =
        (KeyPair::generate_for(&PKCS_ED25519).unwrap(), KeyPair::generate_for(&PKCS_ED25519).unwrap());
    let x = URL_SAFE_NO_PAD.encode(key.der_bytes());
    let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "alg": "EdDSA", "x": x }] });
    let fetches = Arc::new(AtomicUsize::new(0));
    let counted = fetches.clone();
    let handler: Handler = Arc::new(move |_| -> Answering {
        counted.fetch_add(1, Ordering::Relaxed);
        let answer = Answer::json(200, &set);
        Box::pin(async move { answer })
    });
    let keys = Server::start(handler).await.unwrap();
    let config = format!(
        "origins = [\"{PAGE}\"]\nidentity = {{ mode = \"required\", jwks_url = \"{}/jwks.json\" }}\n\
         limits = {{ hellos = 60000 }}",
        keys.url()
    );
    let stage = Stage::set(&config).await;
    let header = |kid: &str| json!({ "alg": "EdDSA", "kid": kid });
    let token =
        |kid: &str, pair: &KeyPair| signed(&header(kid), &claims("ada"), |data| pair.sign(data).unwrap());
    let mut users = Vec::new();
    for _ in 0..5 {
        let (_, welcome) = stage.hello(json!({ "jwt": token("k1", &key) })).await;
        assert_eq!(welcome["user"]["verified"], true);
        users.push(welcome["user"]["id"].clone());
    }
    assert!(users.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
    // The public key as if it were a secret, another key under the same name, and a name that is not there.
    let confused = {
        let secret = key.der_bytes().to_vec();
        hs256(&secret, &claims("ada"))
    };
    for (name, jwt) in
        [("confused", confused), ("forged", token("k1", &stranger)), ("unknown", token("k2", &stranger))]
    {
        let mut visitor = stage.connect().await;
        match visitor.greet(json!({ "jwt": jwt })).await {
            Came::Frame(frame) => assert_eq!(frame["t"], "bye", "{name}: {frame}"),
            Came::End(code) => assert_eq!(code, 4401, "{name}"),
        }
    }
    // A flood of unknown names is no flood at the site.
    assert!(fetches.load(Ordering::Relaxed) <= 2, "{}", fetches.load(Ordering::Relaxed));
    drop(keys);
    let (_, welcome) = stage.hello(json!({ "jwt": token("k1", &key) })).await;
    assert_eq!(welcome["user"]["verified"], true, "known keys outlive the site's server");
}
