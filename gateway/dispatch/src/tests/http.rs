//! Cores over real HTTP on 127.0.0.1: bytes, headers, signatures, faults of the wire.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ::http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came.
#[derive(Clone, Debug)]
pub(super) struct Got {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is answered.
pub(super) enum Say {
    Status(u16),
    Json(Value),
    Header(u16, &'static str, &'static str),
    Reset,
    Hang,
}

pub(super) struct Server {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    async fn start(script: impl Fn(&Got) -> Say + Send + Sync + 'static) -> Self {
        Self::listen(script, true).await
    }

    /// A server that keeps no record of what came.
    pub(super) async fn silent(script: impl Fn(&Got) -> Say + Send + Sync + 'static) -> Self {
        Self::listen(script, false).await
    }

    async fn listen(script: impl Fn(&Got) -> Say + Send + Sync + 'static, keep: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (book, script) = (got.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (book, script) = (book.clone(), script.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                        let (book, script) = (book.clone(), script.clone());
                        async move {
                            let (parts, body) = request.into_parts();
                            let body =
                                body.collect().await.map_err(|_| std::io::Error::other("body"))?.to_bytes();
                            let got = Got { path: parts.uri.path().to_owned(), headers: parts.headers, body };
                            let say = script(&got);
                            if keep {
                                book.lock().push(got);
                            }
                            let mut response = Response::new(Full::new(Bytes::new()));
                            match say {
                                Say::Status(status) => *response.status_mut() = status_of(status),
                                Say::Json(value) => {
                                    response
                                        .headers_mut()
                                        .insert("content-type", "application/json".parse().unwrap());
                                    *response.body_mut() = Full::new(value.to_string().into());
                                }
                                Say::Header(status, name, value) => {
                                    *response.status_mut() = status_of(status);
                                    response.headers_mut().insert(name, value.parse().unwrap());
                                }
                                // An error of the service ends the connection without an answer.
                                Say::Reset => return Err(std::io::Error::other("reset")),
                                Say::Hang => std::future::pending::<()>().await,
                            }
                            Ok(response)
                        }
                    });
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    drop(served.await);
                });
            }
        });
        Self { address, got }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::at(format!("http://{}/bot", self.address).parse().unwrap());
        endpoint.secrets.push(SECRET.to_owned().into());
        endpoint
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

#[tokio::test]
async fn an_http_core_gets_a_signed_envelope_and_its_answer_is_said() {
    let server = Server::start(|got| {
        let text = got.json()["message"]["payload"]["text"].clone();
        Say::Json(json!({ "messages": [{ "type": "text", "payload": { "text": text } }, { "type": "text", "payload": { "text": "!" } }] }))
    })
    .await;
    let gateway = Gateway::with(CoreKind::Http(server.endpoint()));
    let event = gateway.say("D1", "héllo").await;
    until("through", || gateway.left() == 0).await;
    let got = server.got.lock()[0].clone();
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(&got.body, &got.headers).unwrap();
    assert_eq!(got.header("webhook-id"), event.to_string());
    let lane = conversation("D1").to_string();
    for (name, value) in [
        ("content-type", "application/json"),
        ("portico-attempt", "1"),
        ("portico-conversation", lane.as_str()),
        ("portico-sequence", "1"),
        ("portico-replay", "false"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(got.header("portico-epoch").parse::<u64>().is_ok());
    let user = portico_contract::UserId::of_party(&bot(), &shop(), "U-D1").to_string();
    let at = portico_store::records::iso(gateway.store.event(event).await.unwrap().unwrap().received_at);
    let message = portico_contract::MessageId::of_event(event).to_string();
    assert_eq!(
        got.json(),
        json!({
            "type": "message_created", "id": event.to_string(), "createdAt": at, "botId": "support",
            "installation": "shop", "integration": "slack", "channel": "dm",
            "conversation": {
                "id": lane, "createdAt": at, "updatedAt": at, "channel": "dm", "integration": "slack",
                "tags": { "slack:id": "D1" }, "messageCount": 1, "properties": {},
            },
            "user": {
                "id": user, "createdAt": at, "updatedAt": at, "tags": { "slack:id": "U-D1" },
                "properties": {}, "attributes": {},
            },
            "message": {
                "id": message, "createdAt": at, "updatedAt": at, "type": "text", "payload": { "text": "héllo" },
                "direction": "incoming", "userId": user, "conversationId": lane, "tags": {},
            },
        })
    );
    let said = gateway.outbox.said.lock().clone();
    assert_eq!(said.iter().map(|said| said.4["text"].clone()).collect::<Vec<_>>(), ["héllo", "!"]);
}

#[tokio::test]
async fn a_replay_keeps_its_id_and_says_what_it_is() {
    let server = Server::start(|_| Say::Status(204)).await;
    let gateway = Gateway::with(CoreKind::Http(server.endpoint()));
    let event = gateway.say("D1", "1").await;
    until("through", || gateway.left() == 0).await;
    gateway.store.commit(Commit::of([Change::Replay { event }])).await.unwrap();
    until("again", || server.got.lock().len() == 2 && gateway.left() == 0).await;
    let got = server.got.lock().clone();
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    assert_eq!((got[0].header("portico-replay"), got[1].header("portico-replay")), ("false", "true"));
    assert_eq!((got[0].header("portico-sequence"), got[1].header("portico-sequence")), ("1", "2"));
    assert_eq!(got[0].json()["message"], got[1].json()["message"]);
    assert_eq!(got[1].json()["conversation"]["messageCount"], 1);
}

#[tokio::test]
async fn a_botpress_bot_gets_its_operation_in_pure_ascii() {
    let server = Server::start(|_| Say::Json(json!({}))).await;
    let endpoint = server.endpoint();
    let gateway =
        Gateway::with(CoreKind::Botpress { endpoint, configuration: json!({ "greeting": "grüezi" }) });
    let text = "Grüße 😀 ".repeat(9000);
    let event = gateway.say("D1", &text).await;
    until("through", || gateway.left() == 0).await;
    let got = server.got.lock()[0].clone();
    assert!(got.body.is_ascii());
    for (name, value) in [
        ("x-bot-id", "support"),
        ("x-bot-user-id", "support"),
        ("x-bp-operation", "event_received"),
        ("x-bp-type", "message_created"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    use base64::Engine;
    let configuration =
        base64::engine::general_purpose::STANDARD.decode(got.header("x-bp-configuration")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&configuration).unwrap(), json!({ "greeting": "grüezi" }));
    assert_eq!(got.header("traceparent").len(), 55);
    let body = got.json();
    let event_json = &body["event"];
    assert_eq!(event_json["id"], event.to_string());
    assert_eq!((&event_json["status"], &event_json["failureReason"]), (&json!("pending"), &Value::Null));
    assert_eq!(event_json["payload"]["message"]["payload"]["text"], text);
    assert_eq!(event_json["conversationId"], event_json["payload"]["conversation"]["id"]);
    assert_eq!(event_json["userId"], event_json["payload"]["user"]["id"]);
    assert_eq!(event_json["messageId"], event_json["payload"]["message"]["id"]);

    gateway.dispatch.introduce(&bot()).await.unwrap();
    let operations: Vec<String> =
        server.got.lock().iter().map(|got| got.header("x-bp-operation").to_owned()).collect();
    assert_eq!(operations, ["event_received", "ping", "register"]);
    assert!(server.got.lock().iter().all(|got| !got.header("x-bp-type").is_empty()));
}

#[tokio::test]
async fn rasa_is_told_what_was_said_and_its_responses_are_replies() {
    let server = Server::start(|got| {
        let sender = got.json()["sender"].clone();
        Say::Json(json!([{ "recipient_id": sender, "text": "hi" }, { "recipient_id": sender, "image": "https://i" }]))
    })
    .await;
    let endpoint = Endpoint::at(format!("http://{}", server.address).parse().unwrap());
    let gateway = Gateway::with(CoreKind::Rasa(endpoint));
    gateway.say("D1", "hello").await;
    until("through", || gateway.left() == 0).await;
    let got = server.got.lock()[0].clone();
    assert_eq!(got.path, "/webhooks/rest/webhook");
    let body = got.json();
    assert_eq!(
        (&body["sender"], &body["message"]),
        (&json!(conversation("D1").to_string()), &json!("hello"))
    );
    assert_eq!(body["metadata"]["user"]["tags"]["slack:id"], "U-D1");
    assert!(got.headers.get("webhook-signature").is_none());
    let said = gateway.outbox.said.lock().clone();
    assert_eq!(said.iter().map(|said| said.3.as_str()).collect::<Vec<_>>(), ["text", "image"]);
}

#[tokio::test]
async fn answers_over_the_wire_are_judged_as_the_table_says() {
    let server = Server::start(|got| match got.json()["message"]["payload"]["text"].as_str().unwrap() {
        "redirect" => Say::Header(302, "location", "http://127.0.0.1:1/"),
        "later" => Say::Header(429, "retry-after", "3600"),
        "refuse" => Say::Status(400),
        "reset" => Say::Reset,
        "hang" => Say::Hang,
        "large" => Say::Json(json!({ "x": "y".repeat(70_000) })),
        _ => Say::Status(200),
    })
    .await;
    let endpoint = Endpoint { timeout: Duration::from_secs(2), ..server.endpoint() };
    let gateway = Gateway::with(CoreKind::Http(endpoint));
    let mut codes = Vec::new();
    for text in ["redirect", "later", "reset", "hang", "large"] {
        let event = gateway.say(text, text).await;
        let mut attempts = Vec::new();
        while attempts.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            attempts = gateway.store.attempts(event).await.unwrap();
        }
        codes.push((text, attempts[0].code.clone()));
    }
    assert_eq!(
        codes,
        [
            ("redirect", "http_302".to_owned()),
            ("later", "http_429".to_owned()),
            ("reset", "unknown_result".to_owned()),
            ("hang", "timed_out".to_owned()),
            ("large", "too_large".to_owned()),
        ]
    );
    let refused = gateway.say("refuse", "refuse").await;
    until("refused", || gateway.dispatch.stats().buried == 1).await;
    assert_eq!(gateway.store.attempts(refused).await.unwrap()[0].code, "http_400");
}

/// 200 conversations of 20 events each, on a core that fails, hangs and resets: no inversion, no gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_in_every_conversation_whatever_the_core_does() {
    const PLACES: u64 = 200;
    const EVENTS: u64 = 20;
    let settled: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
    let (book, turn) = (settled.clone(), AtomicU64::new(0x9e37_79b9));
    let server = Server::start(move |got| {
        let text = got.json()["message"]["payload"]["text"].as_str().unwrap().to_owned();
        let (place, number) = text.split_once('/').unwrap();
        // A number of its own for every request, spread well.
        let mut random = turn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        match (random >> 33) % 100 {
            0..10 => Say::Status(500),
            10..13 => Say::Status(503),
            13..18 => Say::Reset,
            18..20 => Say::Hang,
            _ => {
                book.lock().push((place.to_owned(), number.parse().unwrap()));
                Say::Status(200)
            }
        }
    })
    .await;
    let endpoint = Endpoint { timeout: Duration::from_millis(250), ..server.endpoint() };
    // Retries come fifty times as fast.
    let gateway = Gateway::start(BotCore::new(bot(), CoreKind::Http(endpoint)), 50);
    for number in 1..=EVENTS {
        for place in 0..PLACES {
            gateway.say(&place.to_string(), &format!("{place}/{number}")).await;
        }
    }
    until("through", || gateway.left() == 0).await;
    assert!(gateway.store.dead_letters(None, None, 1).await.unwrap().items.is_empty());
    let all = by_conversation(&settled.lock());
    assert_eq!(all.len() as u64, PLACES);
    for (place, mut numbers) in all {
        // An answer that came after the timeout is one more offer of the same event, right behind the first.
        numbers.dedup();
        assert_eq!(numbers, (1..=EVENTS).collect::<Vec<_>>(), "conversation {place}");
    }
    // In the order of arrival, too, the core never saw a later event before an earlier one was done.
    let mut last: HashMap<String, u64> = HashMap::new();
    for got in server.got.lock().iter() {
        let sequence: u64 = got.header("portico-sequence").parse().unwrap();
        let before = last.insert(got.header("portico-conversation").to_owned(), sequence).unwrap_or(0);
        assert!(sequence == before || sequence == before + 1, "{sequence} after {before}");
    }
}

#[tokio::test]
async fn a_core_may_call_back_while_its_event_is_open() {
    let core_saw: Arc<Mutex<Option<u64>>> = Arc::default();
    let records: Arc<Mutex<Option<portico_store::records::Records>>> = Arc::default();
    struct Reentrant(Arc<Mutex<Option<u64>>>, Arc<Mutex<Option<portico_store::records::Records>>>);
    #[async_trait]
    impl Core for Reentrant {
        fn kind(&self) -> &'static str {
            "reentrant"
        }
        async fn offer(&self, offer: &Offer) -> Answer {
            let records = self.1.lock().clone().unwrap();
            let row = records.conversation(offer.lane).await.unwrap().unwrap();
            let mut new = row.value.clone();
            new.message_count += 1;
            let changes = records.conversation_changes(Some(&row), &new);
            records.store().commit(Commit::of(changes)).await.unwrap();
            *self.0.lock() = Some(new.message_count);
            accepted()
        }
    }
    let gateway = Gateway::with(CoreKind::Own(Arc::new(Reentrant(core_saw.clone(), records.clone()))));
    *records.lock() = Some(portico_store::records::Records::of(gateway.store.clone(), bot()));
    gateway.say("p", "1").await;
    until("through", || gateway.left() == 0).await;
    assert_eq!(*core_saw.lock(), Some(2));
}
