//! The operations and streams of the webchat API.

use axum::body::Body;
use http::Request;
use portico_contract::ConversationId;
use portico_store::records::TagMap;
use serde_json::{Value, json};

use super::{Stream, World, text, world};

const BASE: &str = "/webchat-api/site";

/// A visitor who has opened the widget.
struct Visitor {
    stream: Stream,
    key: String,
    user: String,
    room: String,
}

async fn visit(world: &World) -> Visitor {
    let mut stream = world.stream(&format!("{BASE}/initialize"), "").await;
    let init = stream.signal("init").await;
    Visitor {
        key: text(&init["user"]["userKey"]),
        user: text(&init["user"]["id"]),
        room: text(&init["conversation"]["id"]),
        stream,
    }
}

impl Visitor {
    async fn say(&self, world: &World, said: &str, client_id: &str) -> Value {
        let new = json!({ "conversationId": self.room, "payload": { "type": "text", "text": said },
            "metadata": { "clientMessageId": client_id } });
        world.post(&format!("{BASE}/messages"), &self.key, new).await.ok()["message"].clone()
    }

    fn place(&self) -> ConversationId {
        ConversationId::parse(&self.room).unwrap()
    }
}

async fn with_secret(world: &World, path: &str, secret: &str, body: Value) -> super::Answer {
    let request = Request::post(format!("{BASE}{path}")).header("x-admin-secret", secret);
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn initialize_makes_what_is_missing_and_finds_what_is_there() {
    let world = World::new().await;
    let visitor = visit(&world).await;
    let said = visitor.say(&world, "hello", "c1").await;
    let again = format!("{BASE}/initialize?conversationId={}", visitor.room);
    let mut stream = world.stream(&again, &visitor.key).await;
    let init = stream.signal("init").await;
    assert_eq!(init["user"]["id"], visitor.user.as_str());
    assert_eq!(init["user"]["userKey"], visitor.key.as_str());
    assert_eq!(init["conversation"]["id"], visitor.room.as_str());
    assert_eq!(init["messages"], json!([said]));
    assert_eq!(init["participants"][0]["id"], visitor.user.as_str());
    // A bad key, or somebody else's conversation: the visitor begins anew.
    let other = world.stream(&again, "nonsense").await.signal("init").await;
    assert_ne!(other["user"]["id"], visitor.user.as_str());
    assert_ne!(other["conversation"]["id"], visitor.room.as_str());
    let unknown = format!("{BASE}/initialize?conversationId=conv_nothing");
    let init = world.stream(&unknown, &visitor.key).await.signal("init").await;
    assert_eq!(init["user"]["id"], visitor.user.as_str());
    assert_ne!(init["conversation"]["id"], visitor.room.as_str());
}

#[tokio::test]
async fn a_message_keeps_the_clients_own_id_and_is_kept_once() {
    let world = World::new().await;
    let mut visitor = visit(&world).await;
    let said = visitor.say(&world, "hello", "c1").await;
    assert_eq!(said["metadata"], json!({ "clientMessageId": "c1" }));
    assert_eq!(visitor.stream.signal("message_created").await, said);
    assert_eq!(visitor.say(&world, "hello", "c1").await, said);
    let answer =
        json!({ "text": "hi", "options": [{ "label": "a", "value": "b" }], "disableFreeText": true });
    world.parts.say(visitor.place(), "choice", answer, TagMap::new()).await.unwrap();
    let shown = visitor.stream.signal("message_created").await;
    assert_eq!((&shown["userId"], &shown["payload"]["disableFreeText"]), (&json!("support"), &json!(true)));
    let path = format!("{BASE}/conversations/{}/messages", visitor.room);
    let listed = world.get(&path, &visitor.key).await.ok();
    assert_eq!(listed["messages"], json!([shown, said]));
    let reply = json!({ "conversationId": visitor.room, "payload": { "type": "text", "text": "a", "value": "b" },
        "replyTo": shown["id"] });
    let reply = world.post(&format!("{BASE}/messages"), &visitor.key, reply).await.ok()["message"].clone();
    assert_eq!((&reply["replyTo"], &reply["payload"]["value"]), (&shown["id"], &json!("b")));
    let long =
        json!({ "conversationId": visitor.room, "payload": { "type": "text", "text": "x".repeat(4001) } });
    world.post(&format!("{BASE}/messages"), &visitor.key, long).await.refused(400, "InvalidPayload");
    let list = world.get(&format!("{BASE}/conversations"), &visitor.key).await.ok();
    assert_eq!(list["conversations"][0]["lastMessage"]["id"], reply["id"]);
}

#[tokio::test]
async fn events_reach_the_bot_under_their_names() {
    let world = World::new().await;
    let visitor = visit(&world).await;
    let path = format!("{BASE}/events");
    let started = json!({ "conversationId": visitor.room,
        "payload": { "type": "conversation_started", "data": {} } });
    let event = world.post(&path, &visitor.key, started).await.ok()["event"].clone();
    assert_eq!(event["payload"], json!({ "type": "conversation_started", "data": {} }));
    assert_eq!(world.parts.heard().await.unwrap()[0].kind, "webchat:conversation_started");
    let fetched = world.get(&format!("{path}/{}", text(&event["id"])), &visitor.key).await.ok();
    assert_eq!(fetched["event"], event);
    let custom = json!({ "conversationId": visitor.room, "bindUser": true,
        "payload": { "type": "custom", "data": { "name": "cart", "items": 2 } } });
    world.post(&path, &visitor.key, custom).await.ok();
    let heard = &world.parts.heard().await.unwrap()[0];
    assert_eq!(heard.kind, "webchat:custom");
    assert_eq!((&heard.payload["name"], &heard.payload["data"]["items"]), (&json!("cart"), &json!(2)));
    let other = json!({ "conversationId": visitor.room, "payload": { "type": "other", "data": {} } });
    let problem = world.post(&path, &visitor.key, other).await.refused(400, "InvalidPayload");
    assert_eq!(problem["metadata"]["field"], "payload.type");
}

#[tokio::test]
async fn feedback_is_kept_with_the_message_and_told_to_the_bot() {
    let world = World::new().await;
    let mut visitor = visit(&world).await;
    world.parts.say(visitor.place(), "text", json!({ "text": "hi" }), TagMap::new()).await.unwrap();
    let message = visitor.stream.signal("message_created").await;
    let path = format!("{BASE}/messages/{}", text(&message["id"]));
    let feedback = json!({ "value": "negative", "comment": "too short" });
    let call = world.call("PUT", &format!("{path}/feedback"), &visitor.key, feedback.clone()).await;
    assert_eq!(call.ok(), json!({}));
    let updated = visitor.stream.signal("message_updated").await;
    assert_eq!((&updated["id"], &updated["feedback"]), (&message["id"], &feedback));
    assert_eq!(world.get(&path, &visitor.key).await.ok()["message"]["feedback"], feedback);
    let heard = world.parts.heard().await.unwrap();
    let told = heard.iter().find(|event| event.kind == "webchat:feedback").unwrap();
    assert_eq!((&told.payload["value"], &told.payload["messageId"]), (&json!("negative"), &message["id"]));
    world.delete(&format!("{path}/feedback"), &visitor.key).await.ok();
    assert!(visitor.stream.signal("message_updated").await.get("feedback").is_none());
    world.post(&format!("{path}/select"), &visitor.key, json!({})).await.ok();
    assert_eq!(visitor.stream.signal("message_updated").await["selectedBy"], visitor.user.as_str());
    world.post(&format!("{path}/select"), &visitor.key, json!({})).await.refused(409, "AlreadyExists");
    let bad = json!({ "value": "secret" });
    let problem = world.call("PUT", &format!("{path}/feedback"), &visitor.key, bad).await;
    assert!(!text(&problem.refused(400, "InvalidPayload")["message"]).contains("secret"));
    // The bot's words are not the visitor's to change or take back.
    let change = json!({ "payload": { "type": "text", "text": "x" } });
    world.call("PUT", &path, &visitor.key, change).await.refused(403, "Forbidden");
    world.delete(&path, &visitor.key).await.refused(403, "Forbidden");
    let stranger = visit(&world).await;
    world.get(&path, &stranger.key).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn a_visitor_changes_and_takes_back_what_they_said() {
    let world = World::new().await;
    let mut visitor = visit(&world).await;
    let said = visitor.say(&world, "helo", "c1").await;
    let path = format!("{BASE}/messages/{}", text(&said["id"]));
    let change = json!({ "payload": { "type": "text", "text": "hello" } });
    let changed = world.call("PUT", &path, &visitor.key, change).await.ok()["message"].clone();
    assert_eq!((&changed["payload"]["text"], &changed["metadata"]), (&json!("hello"), &said["metadata"]));
    visitor.stream.signal("message_created").await;
    assert_eq!(visitor.stream.signal("message_updated").await, changed);
    let other = json!({ "payload": { "type": "image", "imageUrl": "https://i" } });
    world.call("PUT", &path, &visitor.key, other).await.refused(400, "InvalidPayload");
    world.delete(&path, &visitor.key).await.ok();
    world.get(&path, &visitor.key).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn what_the_bot_asks_of_the_page_is_a_signal() {
    let world = World::new().await;
    let mut visitor = visit(&world).await;
    let act = |name: &str, input: Value| {
        let (actions, bot, name) = (&world.parts.actions, &world.parts.bot, format!("webchat:{name}"));
        let mut input = input;
        input["conversationId"] = visitor.room.clone().into();
        async move { actions.call(bot, &name, input, None).await.unwrap() }
    };
    act("showWebchat", json!({})).await;
    act("toggleWebchat", json!({})).await;
    act("customEvent", json!({ "name": "confetti", "data": { "n": 3 } })).await;
    act("startTypingIndicator", json!({})).await;
    act("stopTypingIndicator", json!({})).await;
    let stream = &mut visitor.stream;
    assert_eq!(stream.signal("webchat_visibility").await, json!({ "visibility": "show" }));
    assert_eq!(stream.signal("webchat_visibility").await, json!({ "visibility": "toggle" }));
    let event = stream.signal("custom").await;
    assert_eq!(event["event"], json!({ "name": "confetti", "data": { "n": 3 } }));
    assert!(stream.signal("typing_started").await["timeout"].is_u64());
    assert_eq!(stream.signal("typing_stopped").await, json!({}));
}

#[tokio::test]
async fn users_are_made_changed_and_removed() {
    let world = World::new().await;
    let new = json!({ "name": "Ada", "userData": { "plan": "pro", "seats": 5 }, "attributes": { "a": "b" } });
    let made = world.post(&format!("{BASE}/users"), "", new).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    assert_eq!(made["user"]["data"], json!({ "plan": "pro", "seats": "5" }));
    assert_eq!(made["user"]["attributes"], json!({ "a": "b" }));
    let (key, me) = (text(&made["key"]), format!("{BASE}/users/me"));
    assert_eq!(world.get(&me, &key).await.ok()["user"], made["user"]);
    let change = json!({ "pictureUrl": "https://p.example/a", "userData": "{\"seats\":null,\"x\":true}" });
    let changed = world.call("PUT", &me, &key, change).await.ok();
    assert_eq!(changed["user"]["data"], json!({ "plan": "pro", "x": "true" }));
    let cleared = world.call("PUT", &me, &key, json!({ "userData": null })).await.ok();
    assert!(cleared["user"].get("data").is_none());
    let bad = world.call("PUT", &me, &key, json!({ "userData": 5 })).await;
    assert_eq!(bad.refused(400, "InvalidPayload")["metadata"]["field"], "userData");
    // No attribute makes somebody verified.
    let sly = json!({ "attributes": { "verified": "true" } });
    world.call("PUT", &me, &key, sly).await.ok();
    let at = world.parts.api.live.installation("site", "webchat").unwrap();
    let id = portico_contract::UserId::parse(made["user"]["id"].as_str().unwrap()).unwrap();
    let row = world.parts.api.live.user(&at, &id).await.unwrap().unwrap();
    assert!(!row.tags.contains_key("webchat:verified"));
    world.delete(&me, &key).await.ok();
    world.get(&me, &key).await.refused(401, "Unauthorized");
}

#[tokio::test]
async fn the_admin_secret_makes_keys() {
    let world = World::new().await;
    let visitor = visit(&world).await;
    let body = json!({ "id": visitor.user });
    with_secret(&world, "/users/key", "wrong", body.clone()).await.refused(401, "Unauthorized");
    world.post(&format!("{BASE}/users/key"), &visitor.key, body.clone()).await.refused(401, "Unauthorized");
    let key = text(&with_secret(&world, "/users/key", world::ADMIN, body).await.ok()["key"]);
    let me = world.get(&format!("{BASE}/users/me"), &key).await.ok();
    assert_eq!(me["user"]["id"], visitor.user.as_str());
    // Milliseconds, as the client counts; a key that has ended is no key.
    let past = json!({ "id": visitor.user, "expiresAt": 1_700_000_000_000_u64 });
    let key = text(&with_secret(&world, "/users/key", world::ADMIN, past).await.ok()["key"]);
    world.get(&format!("{BASE}/users/me"), &key).await.refused(401, "Unauthorized");
    let nobody = json!({ "id": "user_nobody" });
    with_secret(&world, "/users/key", world::ADMIN, nobody).await.refused(404, "ResourceNotFound");
    // A user of the chat is none of the webchat.
    let (chat_user, chat_key) = world.chat_user(json!({})).await;
    with_secret(&world, "/users/key", world::ADMIN, json!({ "id": chat_user }))
        .await
        .refused(404, "ResourceNotFound");
    world.get(&format!("{BASE}/users/me"), &chat_key).await.refused(401, "Unauthorized");
}

#[tokio::test]
async fn a_file_is_announced_uploaded_once_and_served_harmlessly() {
    let world = World::new().await;
    let visitor = visit(&world).await;
    let path = format!("{BASE}/files");
    let new = json!({ "key": "notes/a b.txt", "size": 5, "contentType": "text/plain",
        "accessPolicies": ["public_content"], "tags": { "source": "webchat" }, "index": false });
    let file = world.post(&path, &visitor.key, new).await.ok()["file"].clone();
    assert_eq!((&file["status"], &file["size"]), (&json!("upload_pending"), &json!(5)));
    assert_eq!(file["tags"], json!({ "source": "webchat" }));
    let local = |url: &Value| text(url).strip_prefix("http://gateway.test").unwrap().to_owned();
    let (up, down) = (local(&file["uploadUrl"]), local(&file["url"]));
    world.get(&down, "").await.refused(404, "ResourceNotFound");
    let put = |path: String, content: &'static str| {
        let request =
            Request::put(path).header("x-amz-tagging", "public=true").header("content-type", "text/plain");
        world.send(request.body(Body::from(content)).unwrap())
    };
    put(up.replace("signature=", "signature=00"), "hello").await.refused(403, "Forbidden");
    put(up.split('?').next().unwrap().to_owned(), "hello").await.refused(403, "Forbidden");
    put(up.clone(), "hello!").await.refused(413, "PayloadTooLarge");
    put(up.clone(), "hell").await.refused(400, "InvalidPayload");
    put(up.clone(), "hello").await.ok();
    put(up, "other").await.refused(409, "AlreadyExists");
    let served = world.get(&down, "").await;
    assert_eq!(served.body, "hello");
    assert_eq!(served.headers["x-content-type-options"], "nosniff");
    assert!(served.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    for (body, kind, status) in [
        (json!({ "key": "a.html", "size": 5 }), "UnsupportedMediaType", 415),
        (json!({ "key": "a.png", "size": 21 << 20 }), "PayloadTooLarge", 413),
        (json!({ "key": "", "size": 5 }), "InvalidPayload", 400),
        (json!({ "key": "a.png", "size": -1 }), "InvalidPayload", 400),
        (json!({ "key": "a.png", "size": 1, "contentType": "x\n/y" }), "InvalidPayload", 400),
    ] {
        world.post(&path, &visitor.key, body).await.refused(status, kind);
    }
    // What was announced and never came goes after a day, what came when its time is over.
    world.post(&path, &visitor.key, json!({ "key": "never.png", "size": 1 })).await.ok();
    let (store, now) = (world.parts.store.as_ref(), portico_turns::now());
    let day = std::time::Duration::from_secs(86_400);
    assert_eq!(crate::sweep_files(store, now, 30 * day).await.unwrap(), 0);
    assert_eq!(crate::sweep_files(store, now + 90_000_000, 30 * day).await.unwrap(), 1);
    assert_eq!(crate::sweep_files(store, now + 90_000_000, day).await.unwrap(), 1);
}

#[tokio::test]
async fn conversations_and_people_are_the_visitors_own() {
    let world = World::new().await;
    let (ada, bob) = (visit(&world).await, visit(&world).await);
    let made = world.post(&format!("{BASE}/conversations"), &ada.key, json!({})).await.ok();
    let room = text(&made["conversation"]["id"]);
    let path = format!("{BASE}/conversations/{room}");
    world.get(&path, &ada.key).await.ok();
    world.get(&path, &bob.key).await.refused(404, "ResourceNotFound");
    let people = format!("{path}/participants");
    world.post(&people, &bob.key, json!({ "userId": bob.user })).await.refused(404, "ResourceNotFound");
    let mut stream = world.stream(&format!("{path}/listen"), &ada.key).await;
    let added = world.post(&people, &ada.key, json!({ "userId": bob.user })).await.ok();
    assert_eq!(added["participant"]["id"], bob.user.as_str());
    assert_eq!(stream.signal("participant_added").await["participant"]["id"], bob.user.as_str());
    world.get(&format!("{people}/{}", bob.user), &bob.key).await.ok();
    assert_eq!(world.get(&people, &bob.key).await.ok()["participants"].as_array().unwrap().len(), 2);
    world.delete(&path, &bob.key).await.refused(403, "Forbidden");
    world.delete(&format!("{people}/{}", ada.user), &ada.key).await.refused(400, "InvalidPayload");
    world.delete(&format!("{people}/{}", bob.user), &ada.key).await.ok();
    let gone = json!({ "conversationId": room, "participantId": bob.user });
    assert_eq!(stream.signal("participant_removed").await, gone);
    world.delete(&path, &ada.key).await.ok();
    stream.end().await;
    world.get(&path, &ada.key).await.refused(404, "ResourceNotFound");
    world.post(&format!("{BASE}/p"), "", json!({ "duration": 5, "event": "e", "properties": {} })).await.ok();
}
