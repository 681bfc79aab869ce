//! Event stream and long poll: the same frames as over a socket.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::world::{Answer, PAGE, SOON, Wishes, World, hello, text};
use crate::Times;

/// Reads frames of an event stream.
pub(super) struct Stream {
    body: hyper::body::Incoming,
    rest: String,
}

impl Stream {
    pub(super) async fn open(world: &World, fields: Value) -> Self {
        let headers = [("origin", PAGE), ("content-type", "application/json")];
        let answer = world.call("POST", "/webchat/v1/stream", &headers, hello(fields).to_string()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        assert_eq!(answer.headers["access-control-allow-origin"], PAGE);
        Self { body: answer.body, rest: String::new() }
    }

    /// The next event, or comment; `None` at the end.
    async fn event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let event = event.to_owned();
                self.rest = rest.to_owned();
                return Some(event);
            }
            let piece = tokio::time::timeout(SOON, self.body.frame()).await.expect("nothing came")?;
            let bytes = piece.unwrap().into_data().unwrap();
            self.rest.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    pub(super) async fn frame(&mut self) -> Value {
        loop {
            let event = self.event().await.expect("the stream ended");
            if let Some(data) = event.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    async fn frame_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["t"] == kind {
                return frame;
            }
        }
    }
}

async fn post(world: &World, token: &str, frames: Value) -> Value {
    world.page("POST", "/webchat/v1/frames", token, frames).await.ok().await
}

#[tokio::test]
async fn a_stream_carries_what_a_socket_would() {
    let world = World::new().await;
    let mut stream = Stream::open(&world, json!({})).await;
    let welcome = stream.frame().await;
    assert_eq!(welcome["t"], "welcome");
    let token = text(&welcome["tok"]);
    let answers = post(
        &world,
        &token,
        json!([
            { "t": "send", "id": "cid-000001", "msg": { "type": "text", "text": "hi" } },
            { "t": "ping" },
            { "t": "send", "id": "cid-000002", "msg": { "type": "text" } },
        ]),
    )
    .await;
    let kinds: Vec<&Value> = answers.as_array().unwrap().iter().map(|frame| &frame["t"]).collect();
    assert_eq!(kinds, [&json!("ack"), &json!("pong"), &json!("nack")]);
    let conversation = text(&answers[0]["conv"]);
    // A conversation that a posted frame began is shown on the stream.
    let own = stream.frame_of("ev").await;
    assert_eq!((&own["seq"], &own["data"]["cid"]), (&json!(1), &json!("cid-000001")));
    world.bot_says(&conversation, "hello").await;
    let answer = stream.frame_of("ev").await;

    // The same item over a socket is the same frame.
    let (mut socket, _) = world.hello(json!({ "tok": token, "cur": { &conversation: 1 } })).await;
    assert_eq!(socket.item_of("msg").await, answer);
    // And over a poll.
    let polled = world
        .page("POST", "/webchat/v1/poll", &token, hello(json!({ "tok": token, "cur": { &conversation: 1 } })))
        .await;
    let polled = polled.ok().await;
    assert_eq!((&polled[0]["t"], &polled[1]), (&json!("welcome"), &answer));
    // And as the answer to a posted sync.
    let synced = post(&world, &token, json!([{ "t": "sync", "cur": { &conversation: 1 } }])).await;
    assert_eq!(synced, json!([answer]));
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives_and_ends_with_the_gateway() {
    let times = Times { heartbeat: Duration::from_millis(300), ..Times::default() };
    let mut world = World::with(Wishes { times, ..Wishes::default() }).await;
    let mut stream = Stream::open(&world, json!({})).await;
    assert_eq!(stream.frame().await["t"], "welcome");
    assert_eq!(stream.event().await.as_deref(), Some(":"));
    assert_eq!(stream.event().await.as_deref(), Some(":"));
    world.leaving.cancel();
    let bye = stream.frame().await;
    assert_eq!((&bye["t"], &bye["code"]), (&json!("bye"), &json!("deploy")));
    assert_eq!(stream.event().await, None);
    assert_eq!(world.drain().await, 0);
}

#[tokio::test]
async fn a_poll_waits_until_there_is_something_to_tell() {
    let times = Times { poll: Duration::from_millis(300), ..Times::default() };
    let world = World::with(Wishes { times, ..Wishes::default() }).await;
    let headers = [("origin", PAGE)];
    let first =
        world.call("POST", "/webchat/v1/poll", &headers, hello(json!({})).to_string()).await.ok().await;
    assert_eq!(first.as_array().unwrap().len(), 1);
    let token = text(&first[0]["tok"]);
    let acks = post(
        &world,
        &token,
        json!([{ "t": "send", "id": "cid-000001", "msg": { "type": "text", "text": "hi" } }]),
    )
    .await;
    let conversation = text(&acks[0]["conv"]);
    let sync = json!({ "t": "sync", "cur": { &conversation: 1 }, "sid": first[0]["sid"] });
    let empty = world.page("POST", "/webchat/v1/poll", &token, sync.clone()).await.ok().await;
    assert_eq!(empty, json!([]));
    for number in 0..30 {
        world.bot_says(&conversation, &format!("m{number}")).await;
    }
    let mut seen = 1;
    while seen < 31 {
        let sync = json!({ "t": "sync", "cur": { &conversation: seen } });
        let frames = world.page("POST", "/webchat/v1/poll", &token, sync).await.ok().await;
        for frame in frames.as_array().unwrap() {
            assert_eq!(frame["seq"], seen + 1);
            seen += 1;
        }
    }
}

#[tokio::test]
async fn refusals_have_the_number_of_the_close_code() {
    let world = World::new().await;
    let post = async |path: &str, origin: &str, body: Value| -> Answer {
        world.call("POST", path, &[("origin", origin)], body.to_string()).await
    };
    for path in ["/webchat/v1/stream", "/webchat/v1/poll"] {
        for (origin, body, status) in [
            (PAGE, json!({ "t": "ping" }), 400),
            (PAGE, json!({ "t": "hello", "v": 2, "ch": "site" }), 426),
            (PAGE, json!({ "t": "hello", "v": 1, "ch": "nowhere" }), 404),
            (PAGE, hello(json!({ "tok": "made-up.site" })), 401),
            (PAGE, hello(json!({ "tab": "x".repeat(70_000) })), 413),
            ("https://evil.example", hello(json!({})), 403),
            ("null", hello(json!({})), 403),
            ("https://other.example", hello(json!({})), 403),
        ] {
            let body = post(path, origin, body).await.refused(status).await;
            assert_eq!(body["metadata"]["close"], 4000 + status, "{path} {origin}");
        }
    }
    // A call without a page's origin makes no visitor.
    let answer = world.call("POST", "/webchat/v1/stream", &[], hello(json!({})).to_string()).await;
    answer.refused(403).await;
    let own = [("sec-fetch-site", "same-origin")];
    assert_eq!(world.call("POST", "/webchat/v1/poll", &own, hello(json!({})).to_string()).await.status, 200);
    for path in ["/webchat/v1/frames", "/webchat/v1/session/logout"] {
        world.call("POST", path, &[("origin", PAGE)], "[]").await.refused(401).await;
        let forged = [("origin", PAGE), ("authorization", "Bearer nonsense.site")];
        world.call("POST", path, &forged, "[]").await.refused(401).await;
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_everywhere() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let token = text(&welcome["tok"]);
    assert_eq!(world.page("POST", "/webchat/v1/session/logout", &token, Value::Null).await.status, 204);
    assert_eq!(visitor.closed().await.1, 4410);
    world.page("POST", "/webchat/v1/frames", &token, json!([])).await.refused(401).await;
    let mut again = world.socket().await;
    again.send(hello(json!({ "tok": token }))).await;
    assert_eq!(again.closed().await.1, 4401);
}
