//! Signed identities: who a visitor is, and what moves along when that becomes known.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::world::{SECRET, World, hello, text};

/// A token of the shop.
fn jwt(subject: &str, claims: Value) -> String {
    let now = portico_turns::now() / 1000;
    let mut all = json!({ "sub": subject, "aud": "site", "iat": now, "exp": now + 600 });
    for (key, value) in claims.as_object().unwrap() {
        all[key] = value.clone();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(&all));
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn optional() -> Value {
    json!({ "identity": { "mode": "optional" } })
}

#[tokio::test]
async fn a_signed_visitor_is_verified_and_the_same_one_everywhere() {
    let world = World::configured(optional()).await;
    let token =
        jwt("ana-7", json!({ "name": "Ana", "email": "ana@example.com", "data": { "plan": "gold" } }));
    let (mut one, welcome) = world.hello(json!({ "jwt": token })).await;
    let user = &welcome["user"];
    assert_eq!(
        (&user["verified"], &user["name"], &user["email"]),
        (&json!(true), &json!("Ana"), &json!("ana@example.com"))
    );
    assert_eq!(user["data"]["plan"], "gold");
    let conversation = text(&one.says("cid-000001", None, "hi").await["conv"]);
    // Another device has the conversation too.
    let (mut two, other) = world.hello(json!({ "jwt": jwt("ana-7", json!({})) })).await;
    assert_eq!((&other["user"]["id"], &other["conv"]), (&user["id"], &json!(conversation)));
    assert_eq!(other["user"]["name"], "Ana");
    // What the site says wins over what the page says.
    two.send(json!({ "t": "user", "id": "cid-000002", "data": { "name": "Eve", "phone": "1" } })).await;
    assert_eq!(two.answer("cid-000002").await["t"], "ack");
    let (_, again) = world.hello(json!({ "tok": other["tok"] })).await;
    assert_eq!((&again["user"]["name"], &again["user"]["verified"]), (&json!("Ana"), &json!(true)));
}

#[tokio::test]
async fn an_anonymous_visitor_takes_the_conversation_along_once() {
    let world = World::configured(optional()).await;
    let (mut visitor, anonymous) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "who am I?").await["conv"]);
    visitor.send(json!({ "t": "auth", "id": "cid-000002", "jwt": jwt("ana-7", json!({})) })).await;
    assert_eq!(visitor.answer("cid-000002").await["t"], "ack");
    let welcome = visitor.frame_of("welcome").await;
    assert_eq!((&welcome["conv"], &welcome["user"]["verified"]), (&json!(conversation), &json!(true)));
    assert_ne!(welcome["user"]["id"], anonymous["user"]["id"]);
    assert_eq!(visitor.says("cid-000003", None, "me").await["conv"], conversation.as_str());
    // The repeat of a message from before the move is still one.
    let repeat = visitor.says("cid-000001", Some(&conversation), "who am I?").await;
    assert_eq!(repeat["seq"], 1, "{repeat}");
    // The old token is good for nothing any more.
    let mut late = world.socket().await;
    late.send(hello(json!({ "tok": anonymous["tok"] }))).await;
    assert_eq!(late.closed().await.1, 4401);
    // Somebody else is somebody else: a new session, and nothing of the first.
    visitor.send(json!({ "t": "auth", "id": "cid-000004", "jwt": jwt("bob-1", json!({})) })).await;
    visitor.answer("cid-000004").await;
    let bob = visitor.frame_of("welcome").await;
    assert!(bob.get("conv").is_none() && bob["tok"] != welcome["tok"], "{bob}");
    assert_eq!(visitor.says("cid-000005", Some(&conversation), "x").await["code"], "blocked");
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused() {
    let world = World::configured(optional()).await;
    let (head, rest) =
        jwt("ana-7", json!({})).split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let none = URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string());
    for (what, token) in [
        ("another channel", jwt("ana-7", json!({ "aud": "other" }))),
        ("over", jwt("ana-7", json!({ "iat": 1, "exp": 600 }))),
        ("too long", jwt("ana-7", json!({ "exp": portico_turns::now() / 1000 + 90_000 }))),
        ("no algorithm", format!("{none}.{}", rest.split('.').next().unwrap()) + "."),
        ("a changed signature", format!("{head}.{}x", rest)),
        ("nonsense", "a.b.c".to_owned()),
    ] {
        let mut visitor = world.socket().await;
        visitor.send(hello(json!({ "jwt": token }))).await;
        assert_eq!(visitor.closed().await.1, 4401, "{what}");
    }
    // Where identities are not wanted, they are not looked at.
    let world = World::new().await;
    let (_, welcome) = world.hello(json!({ "jwt": "nonsense" })).await;
    assert_eq!(welcome["user"]["verified"], false);
}

#[tokio::test]
async fn where_an_identity_is_required_nobody_else_gets_in() {
    let world = World::configured(json!({ "identity": { "mode": "required" } })).await;
    let mut nobody = world.socket().await;
    nobody.send(hello(json!({}))).await;
    assert_eq!(nobody.closed().await.1, 4401);
    let (_, welcome) = world.hello(json!({ "jwt": jwt("ana-7", json!({})) })).await;
    // The session is proof enough, for as long as it lasts.
    let (_, again) = world.hello(json!({ "tok": welcome["tok"] })).await;
    assert_eq!(again["user"]["id"], welcome["user"]["id"]);
}
