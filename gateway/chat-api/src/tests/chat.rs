//! The operations of the Chat API.

use serde_json::{Value, json};

use super::{World, text, world};
use crate::token::{self, Claims};

fn say(conversation: &str, said: &str) -> Value {
    json!({ "conversationId": conversation, "payload": { "type": "text", "text": said } })
}

/// A user key as an operator's back end signs it.
fn signed(id: &str, secret: &str) -> String {
    use base64::Engine;
    use hmac::{Hmac, KeyInit, Mac};
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let body = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(&json!({ "id": id }).to_string()));
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let code = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{body}.{code}")
}

#[tokio::test]
async fn hello_answers_with_and_without_a_slash() {
    let world = World::new().await;
    world.get("/chat/backend/hello", "").await.ok();
    world.get("/chat/backend/hello/", "").await.ok();
    world.get("/chat/nowhere/hello", "").await.refused(404, "ResourceNotFound");
    // A webchat is no chat.
    world.get("/chat/site/hello", "").await.refused(404, "ResourceNotFound");
    world.get("/chat/backend/nothing", "").await.refused(405, "MethodNotFound");
    world.call("PATCH", "/chat/backend/users", "", json!({})).await.refused(405, "MethodNotFound");
}

#[tokio::test]
async fn a_user_is_made_changed_and_removed() {
    let world = World::new().await;
    let new = json!({ "name": "Ada", "profile": "{\"a\":1}" });
    let made = world.post("/chat/backend/users", "", new).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    let key = text(&made["key"]);
    assert_eq!(made["user"]["name"], "Ada");
    assert_eq!(made["user"]["profile"], "{\"a\":1}");
    assert!(made["user"].get("pictureUrl").is_none());
    assert_eq!(world.get("/chat/backend/users/me", &key).await.ok()["user"], made["user"]);
    let same = world.post("/chat/backend/users/get-or-create", &key, json!({ "name": "Bob" })).await.ok();
    assert_eq!(same["user"], made["user"]);
    let change = json!({ "name": null, "pictureUrl": "https://p.example/a.png" });
    let changed = world.call("PUT", "/chat/backend/users/me", &key, change).await.ok();
    assert!(changed["user"].get("name").is_none());
    assert_eq!(changed["user"]["pictureUrl"], "https://p.example/a.png");
    assert_eq!(changed["user"]["profile"], "{\"a\":1}");
    world.delete("/chat/backend/users/me", &key).await.ok();
    world.get("/chat/backend/users/me", &key).await.refused(404, "ResourceNotFound");
    let long = json!({ "profile": "x".repeat(1001) });
    world.post("/chat/backend/users", "", long).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn an_id_of_the_callers_own_is_the_only_one_shown() {
    let world = World::new().await;
    let (id, key) = world.chat_user(json!({ "id": "shop/customer-88" })).await;
    assert_eq!(id, "shop/customer-88");
    let taken = world.post("/chat/backend/users", "", json!({ "id": "shop/customer-88" })).await;
    taken.refused(409, "AlreadyExists");
    let conversation = world.chat_conversation(&key, json!({ "id": "order/5" })).await;
    assert_eq!(conversation, "order/5");
    let again = world.post("/chat/backend/conversations", &key, json!({ "id": "order/5" })).await;
    again.refused(409, "AlreadyExists");
    let said = world.post("/chat/backend/messages", &key, say("order/5", "hi")).await.ok();
    assert_eq!(said["message"]["userId"], "shop/customer-88");
    assert_eq!(said["message"]["conversationId"], "order/5");
    // An escaped slash is part of the id.
    let listed = world.get("/chat/backend/conversations/order%2F5/messages", &key).await.ok();
    assert_eq!(listed["messages"], json!([said["message"]]));
    // The bot sees the gateway's ids, and these as tags.
    let place = world.chat_place("order/5");
    let at = world.parts.api.live.installation("backend", "chat").unwrap();
    let row = world.parts.api.live.conversation(&at, place).await.unwrap().unwrap();
    assert_eq!(row.tags["chat:fid"], "order/5");
    assert_eq!(row.tags["chat:owner"], row.recipient.unwrap().to_string());
    let user = world.parts.api.live.user_of_party(&at, "shop/customer-88").await.unwrap().unwrap();
    assert_eq!(user.tags["chat:fid"], "shop/customer-88");
    assert_eq!((row.integration.as_str(), row.channel.as_str()), ("chat", "channel"));
}

#[tokio::test]
async fn ids_that_may_not_be_are_refused_by_name() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    let made = "conv_01h455vb4pex5vsknk084sn02q";
    for id in ["a+b", &"x".repeat(71), "", "ä", made, &made.replace("conv", "user"), "~x"] {
        let user = world.post("/chat/backend/users", "", json!({ "id": id })).await;
        assert_eq!(user.refused(400, "InvalidPayload")["metadata"]["field"], "id", "{id}");
        let conversation = world.post("/chat/backend/conversations", &key, json!({ "id": id })).await;
        conversation.refused(400, "InvalidPayload");
        let named = world.post("/chat/backend/conversations/get-or-create", &key, json!({ "id": id })).await;
        named.refused(400, "InvalidPayload");
    }
    // Nobody becomes the bot.
    world.post("/chat/backend/users", "", json!({ "id": "support" })).await.refused(409, "AlreadyExists");
    world.post("/chat/backend/conversations", &key, json!({ "id": 5 })).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn keys_are_good_for_their_chat_only() {
    let world = World::new().await;
    let (id, key) = world.chat_user(json!({})).await;
    for (bad, why) in [
        (String::new(), "missing"),
        (format!("{key}x"), "signature"),
        (signed(&id, world::KEY), "signature"),
        ("nonsense".into(), "JWT"),
    ] {
        let body = world.get("/chat/backend/users/me", &bad).await.refused(401, "Unauthorized");
        assert!(text(&body["message"]).contains(why), "{body}");
        assert!(bad.is_empty() || !text(&body["message"]).contains(&bad));
    }
    world.get("/chat/signed/users/me", &key).await.refused(401, "Unauthorized");
    // The gateway's key of another installation.
    let at = world.parts.api.live.installation("backend", "chat").unwrap();
    let other = (world.parts.api.keys)("webchat user keys of site");
    let forged = token::make(&other, &Claims { id, iat: None, exp: None });
    world.get("/chat/backend/users/me", &forged).await.refused(401, "Unauthorized");
    let own = (world.parts.api.keys)(&format!("chat user keys of {}", at.id));
    let late = token::make(&own, &Claims { id: "u".into(), iat: None, exp: Some(1000) });
    world.get("/chat/backend/users/me", &late).await.refused(401, "Unauthorized");
}

#[tokio::test]
async fn with_an_encryption_key_the_back_end_signs_and_the_first_sight_makes_a_user() {
    let world = World::new().await;
    world.post("/chat/signed/users", "", json!({})).await.refused(401, "Unauthorized");
    let key = signed("customer-88", world::KEY);
    world.get("/chat/signed/users/me", &signed("customer-88", "other")).await.refused(401, "Unauthorized");
    let new = json!({ "name": "Ada" });
    let made = world.post("/chat/signed/users/get-or-create", &key, new).await.ok();
    assert_eq!((&made["user"]["id"], &made["user"]["name"]), (&json!("customer-88"), &json!("Ada")));
    // Another id, seen for the first time by another operation.
    let other = signed("customer-89", world::KEY);
    let room = json!({ "id": "room" });
    world.post("/chat/signed/conversations/get-or-create", &other, room.clone()).await.ok();
    let theirs = world.post("/chat/signed/conversations/get-or-create", &key, room).await;
    theirs.refused(403, "Forbidden");
    let bad = signed("a+b", world::KEY);
    let refused = world.post("/chat/signed/users/get-or-create", &bad, json!({})).await;
    refused.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn a_conversation_is_its_owners() {
    let world = World::new().await;
    let (_, ada) = world.chat_user(json!({})).await;
    let (bob_id, bob) = world.chat_user(json!({})).await;
    let (_, eve) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&ada, json!({})).await;
    let path = format!("/chat/backend/conversations/{room}");
    let people = format!("{path}/participants");
    let shown = world.get(&path, &ada).await.ok();
    assert_eq!(shown["conversation"]["id"], room.as_str());
    world.get(&path, &bob).await.refused(403, "Forbidden");
    world.post("/chat/backend/messages", &bob, say(&room, "x")).await.refused(403, "Forbidden");
    world.post(&people, &bob, json!({ "userId": bob_id })).await.refused(403, "Forbidden");
    let added = world.post(&people, &ada, json!({ "userId": bob_id })).await.ok();
    assert_eq!(added["participant"]["id"], bob_id.as_str());
    world.get(&path, &bob).await.ok();
    world.post("/chat/backend/messages", &bob, say(&room, "x")).await.ok();
    let listed = world.get(&people, &bob).await.ok();
    assert_eq!((listed["participants"].as_array().unwrap().len(), &listed["meta"]), (2, &json!({})));
    world.get(&people, &eve).await.refused(403, "Forbidden");
    world.get(&format!("{people}/{bob_id}"), &ada).await.ok();
    world.delete(&path, &bob).await.refused(403, "Forbidden");
    let owner = text(&world.get("/chat/backend/users/me", &ada).await.ok()["user"]["id"]);
    world.delete(&format!("{people}/{owner}"), &ada).await.refused(400, "InvalidPayload");
    world.delete(&format!("{people}/{bob_id}"), &ada).await.ok();
    world.get(&format!("{people}/{bob_id}"), &ada).await.refused(404, "ResourceNotFound");
    world.post("/chat/backend/messages", &bob, say(&room, "x")).await.refused(403, "Forbidden");
    world.post(&people, &ada, json!({ "userId": "nobody" })).await.refused(404, "ResourceNotFound");
    // Only what one owns is listed.
    let other = world.chat_conversation(&bob, json!({})).await;
    let own = world.get("/chat/backend/conversations", &bob).await.ok();
    let ids: Vec<String> =
        own["conversations"].as_array().unwrap().iter().map(|one| text(&one["id"])).collect();
    assert_eq!(ids, [other]);
    world.delete(&path, &ada).await.ok();
    world.get(&path, &ada).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn get_or_create_finds_what_is_there() {
    let world = World::new().await;
    let (_, ada) = world.chat_user(json!({})).await;
    let (_, bob) = world.chat_user(json!({})).await;
    let call = |key: String, id: String| {
        let world = &world;
        async move { world.post("/chat/backend/conversations/get-or-create", &key, json!({ "id": id })).await }
    };
    let first = call(ada.clone(), "room".into()).await.ok();
    assert_eq!(call(ada.clone(), "room".into()).await.ok(), first);
    call(bob, "room".into()).await.refused(403, "Forbidden");
    let made = world.chat_conversation(&ada, json!({})).await;
    assert_eq!(call(ada, made.clone()).await.ok()["conversation"]["id"], made.as_str());
}

#[tokio::test]
async fn a_message_comes_back_as_it_was_said() {
    let world = World::new().await;
    let (user, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let bloc = json!({ "type": "bloc",
        "items": [{ "type": "text", "text": "a" }, { "type": "image", "imageUrl": "https://i.example/a" }] });
    let new = json!({ "conversationId": room, "payload": bloc, "metadata": { "foo": "bar" } });
    let said = world.post("/chat/backend/messages", &key, new).await;
    assert_eq!(said.status, 201);
    let said = said.ok()["message"].clone();
    assert_eq!(said["payload"], bloc);
    assert_eq!(said["metadata"], json!({ "foo": "bar" }));
    assert_eq!((&said["userId"], &said["conversationId"]), (&json!(user), &json!(room)));
    let path = format!("/chat/backend/messages/{}", text(&said["id"]));
    assert_eq!(world.get(&path, &key).await.ok()["message"], said);
    // The bot gets the runtime's shape.
    let heard = world.parts.heard().await.unwrap();
    assert_eq!(heard[0].kind, "message_created");
    let at = world.parts.api.live.installation("backend", "chat").unwrap();
    let row = world.parts.api.live.message(&at, heard[0].message_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(row.kind, "bloc");
    assert_eq!(row.payload["items"][0], json!({ "type": "text", "payload": { "text": "a" } }));
    assert_eq!(row.payload["metadata"], json!({ "foo": "bar" }));
    let (_, stranger) = world.chat_user(json!({})).await;
    world.get(&path, &stranger).await.refused(403, "Forbidden");
    world.delete(&path, &stranger).await.refused(403, "Forbidden");
    world.delete(&path, &key).await.ok();
    world.get(&path, &key).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn bad_bodies_name_their_field_and_not_their_value() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let path = "/chat/backend/messages";
    for (body, field) in [
        (json!({ "conversationId": room, "payload": { "type": "text" } }), "payload.text"),
        (json!({ "conversationId": room, "payload": { "text": "secret" } }), "payload.type"),
        (json!({ "conversationId": room, "payload": { "type": "secret" } }), "payload.type"),
        (json!({ "conversationId": room, "payload": "secret" }), "payload"),
        (json!({ "conversationId": ["secret"], "payload": {} }), "conversationId"),
        (
            json!({ "conversationId": room, "payload": { "type": "text", "text": "a" }, "metadata": "secret" }),
            "metadata",
        ),
    ] {
        let problem = world.post(path, &key, body).await.refused(400, "InvalidPayload");
        assert_eq!(problem["metadata"]["field"], field, "{problem}");
        assert!(!text(&problem["message"]).contains("secret"), "{problem}");
    }
    world.post(path, &key, say("conv_nothing", "x")).await.refused(404, "ResourceNotFound");
    world.post(path, &key, say(&"9".repeat(5000), "x")).await.refused(404, "ResourceNotFound");
    let big = say(&room, &"x".repeat(600 << 10));
    world.post(path, &key, big).await.refused(413, "PayloadTooLarge");
}

#[tokio::test]
async fn messages_are_listed_newest_first_page_by_page() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    for number in 0..53 {
        world.post("/chat/backend/messages", &key, say(&room, &number.to_string())).await.ok();
    }
    let path = format!("/chat/backend/conversations/{room}/messages");
    let first = world.get(&path, &key).await.ok();
    let token = text(&first["meta"]["nextToken"]);
    let second = world.get(&format!("{path}?nextToken={token}"), &key).await.ok();
    let said: Vec<String> = [&first, &second]
        .iter()
        .flat_map(|page| page["messages"].as_array().unwrap())
        .map(|message| text(&message["payload"]["text"]))
        .collect();
    let expected: Vec<String> = (0..53).rev().map(|number: u32| number.to_string()).collect();
    assert_eq!(said, expected);
    assert_eq!(second["meta"], json!({}));
    let other = world.chat_conversation(&key, json!({})).await;
    let elsewhere = format!("/chat/backend/conversations/{other}/messages?nextToken={token}");
    world.get(&elsewhere, &key).await.refused(400, "InvalidQuery");
    world.get(&format!("{path}?nextToken=abc"), &key).await.refused(400, "InvalidQuery");
}

#[tokio::test]
async fn an_event_reaches_the_bot_under_its_name() {
    let world = World::new().await;
    let (user, key) = world.chat_user(json!({ "id": "ada" })).await;
    let room = world.chat_conversation(&key, json!({ "id": "room" })).await;
    let new = json!({ "conversationId": room, "payload": { "foo": ["bar"] } });
    let told = world.post("/chat/backend/events", &key, new).await;
    assert_eq!(told.status, 201);
    let event = told.ok()["event"].clone();
    assert_eq!((&event["userId"], &event["conversationId"]), (&json!(user), &json!(room)));
    let path = format!("/chat/backend/events/{}", text(&event["id"]));
    assert_eq!(world.get(&path, &key).await.ok()["event"], event);
    let heard = &world.parts.heard().await.unwrap()[0];
    assert_eq!(heard.kind, "chat:custom");
    let internal = heard.user_id.as_ref().unwrap();
    let expected = json!({ "userId": internal, "conversationId": world.chat_place("room"),
        "payload": { "foo": ["bar"] } });
    assert_eq!(heard.payload, expected);
    let (_, stranger) = world.chat_user(json!({})).await;
    world.get(&path, &stranger).await.refused(403, "Forbidden");
    // A message is no event.
    let said = world.post("/chat/backend/messages", &key, say(&room, "x")).await.ok();
    let id = text(&said["message"]["id"]).replace("msg_", "evt_");
    world.get(&format!("/chat/backend/events/{id}"), &key).await.refused(404, "ResourceNotFound");
    let bad = json!({ "conversationId": room, "payload": [1] });
    world.post("/chat/backend/events", &key, bad).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back() {
    let slow = crate::Rate { count: 1, per: std::time::Duration::from_secs(60), burst: 3 };
    let world = World::with(&[], |api| api.limits.user = slow).await;
    let (_, key) = world.chat_user(json!({})).await;
    let (_, other) = world.chat_user(json!({})).await;
    for _ in 0..3 {
        world.get("/chat/backend/users/me", &key).await.ok();
    }
    let answer = world.get("/chat/backend/users/me", &key).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.refused(429, "RateLimited");
    world.get("/chat/backend/users/me", &other).await.ok();
    let world = World::with(&[], |api| api.limits.chat_users = slow).await;
    for _ in 0..3 {
        world.chat_user(json!({})).await;
    }
    world.post("/chat/backend/users", "", json!({})).await.refused(429, "RateLimited");
}
