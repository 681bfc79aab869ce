//! The same frames where no WebSocket gets through: streamed answers, long polls, posted frames.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::stage::{OPEN, PAGE, Stage};
use crate::scene::SOON;

/// An event stream as it comes in.
struct Events {
    body: Incoming,
    text: String,
    /// Keep the connection going; what goes up takes others.
    _sender: SendRequest<Full<Bytes>>,
    _driver: tokio::task::JoinHandle<()>,
}

impl Events {
    async fn open(stage: &Stage, hello: &Value) -> Self {
        let address = ("127.0.0.1", stage.gateway.spec.ports.0);
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        let request = Request::post("/webchat/v1/stream")
            .header("host", format!("127.0.0.1:{}", address.1))
            .header("origin", PAGE)
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .body(Full::new(Bytes::from(hello.to_string())))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(headers["content-type"], "text/event-stream");
        assert!(headers["cache-control"].to_str().unwrap().contains("no-store"));
        assert_eq!(headers["access-control-allow-origin"], PAGE);
        Self { body: response.into_body(), text: String::new(), _sender: sender, _driver: driver }
    }

    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        let read = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let frame = event.strip_prefix("data: ").map(|data| serde_json::from_str(data).unwrap());
                    self.text = rest.to_owned();
                    match frame {
                        Some(frame) => return Some(frame),
                        None => continue,
                    }
                }
                let piece = self.body.frame().await?.ok()?;
                self.text.push_str(std::str::from_utf8(piece.data_ref()?).unwrap());
            }
        };
        tokio::time::timeout(SOON, read).await.expect("nothing came")
    }

    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await.expect("the stream ended");
            if fits(&frame) {
                return frame;
            }
        }
    }
}

fn hello(more: &Value) -> Value {
    let mut hello = json!({ "t": "hello", "v": 1, "ch": "site", "cur": {}, "caps": ["delta"] });
    hello.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hello
}

fn send(id: &str, text: &str) -> Value {
    json!({ "t": "send", "id": id, "msg": { "type": "text", "text": text } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_works_over_an_event_stream_and_posted_frames() {
    let stage = Stage::set(OPEN).await;
    let mut events = Events::open(&stage, &hello(&json!({}))).await;
    let welcome = events.next().await.unwrap();
    assert_eq!(welcome["t"], "welcome");
    let token = welcome["tok"].as_str().unwrap();
    let list = json!([send("posted-001", "one"), send("posted-002", "two"), { "t": "later-version" }]);
    let posted = stage.page(Method::POST, "/v1/frames", token, Some(&list)).await;
    assert_eq!(posted.status, 200, "{}", posted.text());
    let acks: Vec<Value> =
        posted.json().as_array().unwrap().iter().filter(|frame| frame["t"] == "ack").cloned().collect();
    assert_eq!(acks.iter().map(|ack| &ack["id"]).collect::<Vec<_>>(), ["posted-001", "posted-002"]);
    let conversation = acks[0]["conv"].as_str().unwrap().to_owned();
    let mut seqs = Vec::new();
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let item = events.until(|frame| frame["t"] == "ev").await;
        seqs.push(item["seq"].as_u64().unwrap());
        if item["data"]["from"] == "bot" {
            answers.push(item["data"]["text"].clone());
        }
    }
    assert_eq!(answers, ["one", "two"]);
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    // A repeat gets the same answer; a stream that resumes gets what was missed.
    let again =
        stage.page(Method::POST, "/v1/frames", token, Some(&json!([send("posted-001", "one")]))).await;
    assert_eq!(again.json()[0]["mid"], acks[0]["mid"]);
    drop(events);
    let more = json!({ "tok": token, "cur": { &conversation: 2 } });
    let mut events = Events::open(&stage, &hello(&more)).await;
    assert_eq!(events.next().await.unwrap()["t"], "welcome");
    assert_eq!(events.next().await.unwrap()["seq"], 3);
    // Growing messages and commands come this way, too.
    let body = json!({ "conversationId": conversation, "append": "Wo" });
    stage.bot(Method::PUT, "/drafts/d1", Some(&body)).await;
    assert_eq!(events.until(|frame| frame["t"] == "delta").await["s"], "Wo");
    // The gateway leaves: the stream says so, and ends.
    let gateway = stage.gateway;
    let (stopped, bye) = tokio::join!(gateway.stop(Duration::from_secs(25)), async {
        let bye = events.until(|frame| frame["t"] == "bye").await;
        assert_eq!(events.next().await, None);
        bye
    });
    stopped.unwrap();
    assert_eq!(bye["code"], "deploy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_waits_for_what_comes_and_brings_what_was_missed() {
    let stage = Stage::set(OPEN).await;
    let first = stage.page(Method::POST, "/v1/poll", "", Some(&hello(&json!({})))).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let token = first.json()[0]["tok"].as_str().unwrap().to_owned();
    let posted =
        stage.page(Method::POST, "/v1/frames", &token, Some(&json!([send("polled-001", "one")]))).await;
    let conversation = posted.json()[0]["conv"].as_str().unwrap().to_owned();
    let sync = |seq: u64| json!({ "t": "sync", "cur": { &conversation: seq } });
    let mut cursor = 0;
    let mut texts = Vec::new();
    while texts.len() < 2 {
        let frames = stage.page(Method::POST, "/v1/poll", &token, Some(&sync(cursor))).await.json();
        for frame in frames.as_array().unwrap() {
            assert_eq!(frame["seq"], cursor + 1, "{frames}");
            cursor += 1;
            texts.extend(frame["data"]["text"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(texts, ["one", "one"]);
    // The own message, its status, the answer: then it is quiet.
    let messages = format!("/v1/conversations/{conversation}/messages");
    while stage.page(Method::GET, &messages, &token, None).await.json()["seq"] != 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (held, end) = (Instant::now(), sync(3));
    let said = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let body = json!({
            "conversationId": conversation, "userId": "support", "type": "text", "payload": { "text": "late" },
            "tags": {},
        });
        stage.bot(Method::POST, "/messages", Some(&body)).await
    };
    let (answer, _) = tokio::join!(stage.page(Method::POST, "/v1/poll", &token, Some(&end)), said);
    assert!(held.elapsed() >= Duration::from_millis(650), "it was not held");
    let frames = answer.json();
    assert_eq!(frames[0]["data"]["text"], "late", "{frames}");
    for bad in [json!([]), json!({ "t": "ping" }), json!("x")] {
        assert_eq!(stage.page(Method::POST, "/v1/poll", &token, Some(&bad)).await.status, 400, "{bad}");
    }
    assert_eq!(stage.page(Method::POST, "/v1/poll", "nobody.site", Some(&sync(0))).await.status, 401);
}
