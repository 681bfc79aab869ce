//! The streams of the Chat API: what comes, in which form, and when they end.

use std::time::Duration;

use futures_util::StreamExt;
use portico_live::DRAFT_TAG;
use portico_store::records::TagMap;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{World, text};

/// The routes on a port of their own.
struct Served {
    address: std::net::SocketAddr,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

type Socket = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;
type Handshake = tokio_tungstenite::tungstenite::handshake::client::Response;

impl Served {
    async fn of(world: &World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(axum::serve(listener, world.router.clone()).into_future());
        Self { address, server }
    }

    async fn socket(&self, path: &str) -> Result<(Socket, Handshake), tokio_tungstenite::tungstenite::Error> {
        let request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        let io = tokio::net::TcpStream::connect(self.address).await.unwrap();
        tokio_tungstenite::client_async(request, io).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn open(road: &str, count: u32) -> String {
    format!("portico_live_open{{installation=\"backend\",road=\"{road}\"}} {count}")
}

async fn say(world: &World, key: &str, room: &str, said: &str) -> Value {
    let new = json!({ "conversationId": room, "payload": { "type": "text", "text": said } });
    world.post("/chat/backend/messages", key, new).await.ok()["message"].clone()
}

#[tokio::test]
async fn what_happens_is_shown_as_it_is_listed() {
    let world = World::new().await;
    let (ada_id, ada) = world.chat_user(json!({ "id": "ada" })).await;
    let (bob_id, bob) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&ada, json!({ "id": "room" })).await;
    let place = world.chat_place(&room);
    say(&world, &ada, &room, "before").await;
    let path = format!("/chat/backend/conversations/{room}");
    let mut stream = world.stream(&format!("{path}/listen"), &ada).await;

    let said = say(&world, &ada, &room, "hello").await;
    let mut shown = stream.signal("message_created").await;
    assert_eq!(shown["isBot"], false);
    shown.as_object_mut().unwrap().remove("isBot");
    assert_eq!(shown, said);

    let payload = json!({ "items": [{ "title": "t", "subtitle": null }], "metadata": { "m": 1 } });
    world.parts.say(place, "carousel", payload, TagMap::new()).await.unwrap();
    let mut shown = stream.signal("message_created").await;
    assert_eq!((&shown["isBot"], &shown["userId"]), (&json!(true), &json!("support")));
    let carousel = json!({ "type": "carousel", "items": [{ "type": "card", "title": "t", "actions": [] }] });
    assert_eq!((&shown["payload"], &shown["metadata"]), (&carousel, &json!({ "m": 1 })));
    shown.as_object_mut().unwrap().remove("isBot");
    let listed = world.get(&format!("{path}/messages"), &ada).await.ok();
    assert_eq!(listed["messages"][0], shown);

    let new = json!({ "conversationId": room, "payload": { "foo": "bar" } });
    let event = world.post("/chat/backend/events", &ada, new).await.ok()["event"].clone();
    let mut shown = stream.signal("event_created").await;
    assert_eq!(shown["isBot"], false);
    shown.as_object_mut().unwrap().remove("isBot");
    assert_eq!(shown, event);

    let input = json!({ "conversationId": place, "payload": { "a": 1, "userId": "x" } });
    world.parts.actions.call(&world.parts.bot, "chat:sendEvent", input, None).await.unwrap();
    let shown = stream.signal("event_created").await;
    assert_eq!((&shown["id"], &shown["isBot"]), (&Value::Null, &json!(true)));
    assert_eq!((&shown["userId"], &shown["payload"]), (&json!("support"), &json!({ "a": 1, "userId": "x" })));

    world.post(&format!("{path}/participants"), &ada, json!({ "userId": bob_id })).await.ok();
    let expected = json!({ "conversationId": "room", "participantId": bob_id });
    assert_eq!(stream.signal("participant_added").await, expected);

    // Bob's stream ends when he is sent away; Ada's goes on.
    let mut theirs = world.stream(&format!("{path}/listen"), &bob).await;
    world.delete(&format!("{path}/participants/{bob_id}"), &ada).await.ok();
    assert_eq!(stream.signal("participant_removed").await, expected);
    assert_eq!(theirs.signal("participant_removed").await, expected);
    theirs.end().await;

    world.delete(&format!("/chat/backend/messages/{}", text(&said["id"])), &ada).await.ok();
    let expected = json!({ "id": said["id"], "conversationId": "room", "userId": ada_id });
    assert_eq!(stream.signal("message_deleted").await, expected);

    world.delete(&path, &ada).await.ok();
    stream.end().await;
}

#[tokio::test]
async fn a_growing_message_is_shown_until_it_is_whole() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let place = world.chat_place(&room);
    let publish = |signal: Value| {
        let input = json!({ "conversationId": place, "signal": signal });
        let (actions, bot) = (&world.parts.actions, &world.parts.bot);
        async move { actions.call(bot, "chat:publishMessageStream", input, None).await.unwrap() }
    };
    let delta = |stream: &str, n: u32, text: &str| {
        json!({ "type": "delta", "streamId": stream, "createdAt": "2026-01-02T03:04:05Z", "sequence": n,
            "delta": text })
    };
    let mut stream = world.stream(&format!("/chat/backend/conversations/{room}/listen"), &key).await;
    publish(delta("s1", 0, "Hel")).await;
    let shown = stream.signal("message_stream_delta").await;
    assert_eq!(
        (&shown["streamId"], &shown["sequence"], &shown["delta"]),
        (&json!("s1"), &json!(0), &json!("Hel"))
    );
    assert_eq!((&shown["conversationId"], &shown["userId"]), (&json!(room), &json!("support")));
    publish(delta("s1", 1, "lo")).await;
    assert_eq!(stream.signal("message_stream_delta").await["delta"], "lo");

    // Whoever comes later gets what there is so far.
    let mut late = world.stream(&format!("/chat/backend/conversations/{room}/listen"), &key).await;
    assert_eq!(late.signal("message_stream_delta").await["delta"], "Hello");

    let tags = TagMap::from([(DRAFT_TAG.to_owned(), "s1".to_owned())]);
    world.parts.say(place, "text", json!({ "text": "Hello!" }), tags).await.unwrap();
    let whole = stream.signal("message_stream_complete").await;
    assert_eq!((&whole["streamId"], &whole["message"]["payload"]["text"]), (&json!("s1"), &json!("Hello!")));
    let created = stream.signal("message_created").await;
    assert_eq!(created["id"], whole["message"]["id"]);

    publish(delta("s2", 0, "Oh")).await;
    publish(json!({ "type": "abort", "streamId": "s2" })).await;
    assert_eq!(stream.signal("message_stream_delta").await["streamId"], "s2");
    let aborted = json!({ "streamId": "s2", "conversationId": room });
    assert_eq!(stream.signal("message_stream_abort").await, aborted);
}

#[tokio::test]
async fn an_id_with_a_slash_may_be_listened_to_as_the_client_writes_it() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    world.chat_conversation(&key, json!({ "id": "order/5" })).await;
    for id in ["order/5", "order%2F5"] {
        let mut stream = world.stream(&format!("/chat/backend/conversations/{id}/listen"), &key).await;
        let said = say(&world, &key, "order/5", "hello").await;
        assert_eq!(stream.signal("message_created").await["id"], said["id"]);
    }
    let path = "/chat/backend/conversations/order/5";
    world.get(&format!("{path}/listen"), "").await.refused(401, "Unauthorized");
    world.get(path, &key).await.refused(405, "MethodNotFound");
}

#[tokio::test]
async fn silence_is_broken_by_pings_that_are_events() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let mut stream = world.stream(&format!("/chat/backend/conversations/{room}/listen"), &key).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(stream.event().await.as_deref(), Some("ping"));
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(2900) && waited < Duration::from_millis(4500), "{waited:?}");
    world.parts.api.stop.cancel();
    stream.end().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_key_and_seats_are_bounded() {
    let world = World::with(&[], |api| api.limits.user_streams = 2).await;
    let (id, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let path = format!("/chat/backend/conversations/{room}/listen");
    world.get(&path, "").await.refused(401, "Unauthorized");
    world.get("/chat/backend/conversations/other/listen", &key).await.refused(404, "ResourceNotFound");
    let first = world.stream(&path, &key).await;
    let own = (world.parts.api.keys)("chat user keys of backend");
    let claims = crate::token::Claims { id, iat: None, exp: Some(crate::shared::seconds() + 1) };
    let mut brief = world.stream(&path, &crate::token::make(&own, &claims)).await;
    world.get(&path, &key).await.refused(429, "RateLimited");
    brief.end().await;
    let second = world.stream(&path, &key).await;
    drop((first, second));
    world.stream(&path, &key).await;
}

#[tokio::test]
async fn a_websocket_carries_the_same_signals() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let served = Served::of(&world).await;
    let path = format!("/chat/backend/conversations/{room}/listen");
    let connect = async |query: &str| served.socket(&format!("{path}{query}")).await;
    assert!(connect("").await.is_err());
    let (mut socket, answer) = connect(&format!("?x-user-key={key}")).await.unwrap();
    assert_eq!(answer.status(), 101);
    let said = say(&world, &key, &room, "hello").await;
    let frame = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap();
    let signal: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
    assert_eq!((&signal["type"], &signal["data"]["id"]), (&json!("message_created"), &said["id"]));
    let _stream = world.stream(&path, &key).await;
    world.shows(&open("listen_websocket", 1)).await;
    world.shows(&open("listen", 1)).await;
    world.parts.api.stop.cancel();
    let frame = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap();
    assert!(frame.is_none_or(|frame| frame.is_ok_and(|frame| frame.is_close())));
    world.shows(&open("listen_websocket", 0)).await;
}

#[tokio::test]
async fn a_websocket_that_is_not_read_is_cut_and_counted() {
    let world = World::with(&[], |api| api.limits.slow_reader = Duration::from_millis(200)).await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let served = Served::of(&world).await;
    let path = format!("/chat/backend/conversations/{room}/listen?x-user-key={key}");
    let (_unread, _) = served.socket(&path).await.unwrap();
    // More than the connection holds by itself.
    let long = "x".repeat(30_000);
    for _ in 0..400 {
        world
            .parts
            .say(world.chat_place(&room), "text", json!({ "text": long }), TagMap::new())
            .await
            .unwrap();
    }
    world.shows("portico_live_slow_readers_cut_total{installation=\"backend\"} 1").await;
    world.shows(&open("listen_websocket", 0)).await;
}
