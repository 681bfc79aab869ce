//! What happens, told to the address that the operator set.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::routing::any;
use http::StatusCode;
use parking_lot::Mutex;
use portico_store::records::TagMap;
use serde_json::{Value, json};

use super::{World, text, world};

/// What the receiver got: path, secret, signal. Answers are taken from the front of a list, then 200.
#[derive(Default)]
struct Got {
    answers: Mutex<Vec<u16>>,
    calls: Mutex<Vec<(String, String, Value)>>,
}

struct Receiver {
    got: Arc<Got>,
    address: String,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn take(State(got): State<Arc<Got>>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = portico_serve::body::read(body, 1 << 20).await.unwrap();
    let secret = parts.headers.get("x-secret-key").map(|value| value.to_str().unwrap().to_owned());
    let status = {
        let mut answers = got.answers.lock();
        if answers.is_empty() { 200 } else { answers.remove(0) }
    };
    let call =
        (parts.uri.path().to_owned(), secret.unwrap_or_default(), serde_json::from_slice(&body).unwrap());
    if status == 200 {
        got.calls.lock().push(call);
    }
    StatusCode::from_u16(status).unwrap()
}

impl Receiver {
    async fn start(answers: &[u16]) -> Self {
        let got = Arc::new(Got { answers: Mutex::new(answers.to_vec()), ..Got::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/signals", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/{*rest}", any(take)).with_state(got.clone());
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        Self { got, address, server }
    }

    /// Waits until so many signals were taken.
    async fn signals(&self, count: usize) -> Vec<Value> {
        let taken = || self.got.calls.lock().len();
        let all = async {
            while taken() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert!(came.is_ok(), "only {} of {count} came", taken());
        self.got.calls.lock().iter().map(|(_, _, signal)| signal.clone()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn each_signal_is_told_in_order_and_as_those_who_listen_get_it() {
    let receiver = Receiver::start(&[]).await;
    let world = World::hooked(&receiver.address).await;
    let (_, ada) = world.chat_user(json!({ "id": "ada" })).await;
    let (bob_id, _) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&ada, json!({ "id": "room" })).await;
    let place = world.chat_place(&room);
    let path = format!("/chat/backend/conversations/{room}");
    let mut stream = world.stream(&format!("{path}/listen"), &ada).await;

    let new = json!({ "conversationId": room, "payload": { "type": "text", "text": "hello" } });
    let said = world.post("/chat/backend/messages", &ada, new).await.ok()["message"].clone();
    let new = json!({ "conversationId": room, "payload": { "foo": "bar" } });
    world.post("/chat/backend/events", &ada, new).await.ok();
    world.post(&format!("{path}/participants"), &ada, json!({ "userId": bob_id })).await.ok();
    world.delete(&format!("{path}/participants/{bob_id}"), &ada).await.ok();
    // Nothing waits for what the bot says but the bot's own way out.
    let mut shown = Vec::new();
    for kind in ["message_created", "event_created", "participant_added", "participant_removed"] {
        shown.push(json!({ "type": kind, "data": stream.signal(kind).await }));
    }
    world.parts.say(place, "text", json!({ "text": "hi" }), TagMap::new()).await.unwrap();
    shown.push(json!({ "type": "message_created", "data": stream.signal("message_created").await }));
    assert_eq!(receiver.signals(5).await, shown);
    let input = json!({ "conversationId": place, "payload": { "a": 1 } });
    world.parts.actions.call(&world.parts.bot, "chat:sendEvent", input, None).await.unwrap();
    let event = stream.signal("event_created").await;
    let mut told = receiver.signals(6).await.pop().unwrap();
    // Shown and told at the same time, but for a millisecond.
    told["data"]["createdAt"] = event["createdAt"].clone();
    assert_eq!(told, json!({ "type": "event_created", "data": event }));
    receiver.got.calls.lock().pop();
    world.delete(&format!("/chat/backend/messages/{}", text(&said["id"])), &ada).await.ok();
    shown.push(json!({ "type": "message_deleted", "data": stream.signal("message_deleted").await }));
    assert_eq!(receiver.signals(6).await, shown);
    for (path, secret, _) in receiver.got.calls.lock().iter() {
        assert_eq!((path.as_str(), secret.as_str()), ("/signals/", world::HOOK));
    }
}

#[tokio::test]
async fn a_receiver_that_fails_gets_all_of_it_later_in_order_and_the_chat_goes_on_meanwhile() {
    // A secret that it has to learn, a crash, a proxy: none of them loses anything.
    let receiver = Receiver::start(&[401, 500, 503]).await;
    let world = World::hooked(&receiver.address).await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    let place = world.chat_place(&room);
    let mut stream = world.stream(&format!("/chat/backend/conversations/{room}/listen"), &key).await;
    let mut said = Vec::new();
    for number in 0..5 {
        let message = world
            .parts
            .say(place, "text", json!({ "text": format!("{number}") }), TagMap::new())
            .await
            .unwrap();
        said.push(message.id.to_string());
        assert_eq!(stream.signal("message_created").await["payload"]["text"], format!("{number}"));
    }
    let told = receiver.signals(5).await;
    assert_eq!(told.iter().map(|signal| text(&signal["data"]["id"])).collect::<Vec<_>>(), said);
}

#[tokio::test]
async fn what_is_refused_for_good_becomes_a_dead_letter_and_the_next_goes_on() {
    let receiver = Receiver::start(&[422]).await;
    let world = World::hooked(&receiver.address).await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    for number in 0..2 {
        let payload = json!({ "text": format!("{number}") });
        world.parts.say(world.chat_place(&room), "text", payload, TagMap::new()).await.unwrap();
    }
    assert_eq!(receiver.signals(1).await[0]["data"]["payload"]["text"], "1");
    let dead = world.parts.store.dead_letters(Some(&world.parts.bot), None, 10).await.unwrap().items;
    assert_eq!(dead.len(), 1);
}

#[tokio::test]
async fn a_chat_without_an_address_tells_nobody() {
    let world = World::new().await;
    let (_, key) = world.chat_user(json!({})).await;
    let room = world.chat_conversation(&key, json!({})).await;
    world.parts.say(world.chat_place(&room), "text", json!({ "text": "x" }), TagMap::new()).await.unwrap();
    let lanes = portico_store::Lane::outbound(world.chat_place(&room));
    assert!(world.parts.store.lane(lanes).await.unwrap().is_some());
    let at = world.parts.api.live.installation("backend", "chat").unwrap();
    let second = portico_contract::ConversationId::of_thread(
        &at.bot,
        &at.id,
        "signals",
        &world.chat_place(&room).to_string(),
    );
    assert_eq!(world.parts.store.lane(portico_store::Lane::outbound(second)).await.unwrap(), None);
}
