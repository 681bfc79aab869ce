//! A gateway in small: a store in memory, the real connector, the real edge; and a visitor's client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use portico_contract::{BotId, ConversationId, InstallationId, UserId};
use portico_edge::{Edge, EdgeOptions, Limits};
use portico_lanes::{Driver, Options};
use portico_live::{Hub, Identity, Live};
use portico_net::{Client, ClientOptions};
use portico_outbound::{Actions, NewMessage, Outbox, Paces, Sender, SenderOptions};
use portico_store::memory::MemoryStore;
use portico_store::records::{Message, TagMap};
use portico_store::{Dir, Files, Lane, NodeId, Store};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::Listener;
use portico_turns::{BlobStore, Installation, InstallationSpec, Installations, OnUnknown, Outlet, Turns};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Ws;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

use crate::{Times, WebchatApi};

/// The page that may use the channels.
pub(super) const PAGE: &str = "https://shop.example";
/// Where tests pretend to be reached.
pub(super) const PUBLIC: &str = "https://gateway.test";
/// How long anything may take that must happen.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// Signs identities in tests.
pub(super) const SECRET: &str = "a-secret-of-the-shop-that-is-long-enough";

pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) live: Live,
    pub(super) store: Arc<dyn Store>,
    pub(super) site: Arc<Installation>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) actions: Arc<Actions>,
    pub(super) leaving: CancellationToken,
    edge: Option<Edge>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Limits that no test meets by chance.
pub(super) fn wide() -> Value {
    json!({ "messages": 60_000, "events": 60_000, "uploads": 1000, "hellos": 100_000, "sockets": 1000 })
}

fn installation(id: &str, alias: &str, config: Value) -> Arc<Installation> {
    let secrets = BTreeMap::from([("identity_secret".to_owned(), vec![SecretString::from(SECRET)])]);
    let spec = InstallationSpec {
        id: InstallationId::parse(id).unwrap(),
        bot: BotId::parse("support").unwrap(),
        alias: alias.into(),
        connector: portico_webchat::connector(),
        config,
        secrets,
        webhook_url: String::new(),
        locale: "en".into(),
        on_unknown: OnUnknown::Retry,
        max_age: Duration::from_secs(3600),
        max_body: None,
    };
    Arc::new(Installation::new(spec).unwrap())
}

/// What a test wants otherwise.
pub(super) struct Wishes {
    pub(super) config: Value,
    pub(super) times: Times,
    pub(super) localhost: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { config: json!({}), times: Times::default(), localhost: false }
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Wishes::default()).await
    }

    /// A world whose channel `site` has keys of the configuration set otherwise.
    pub(super) async fn configured(config: Value) -> Self {
        Self::with(Wishes { config, ..Wishes::default() }).await
    }

    pub(super) async fn with(wishes: Wishes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({ "origins": [PAGE], "limits": wide() });
        for (key, value) in wishes.config.as_object().unwrap() {
            config[key] = value.clone();
        }
        if let Some(limits) = config["limits"].as_object_mut() {
            for (key, value) in wide().as_object().unwrap() {
                limits.entry(key).or_insert_with(|| value.clone());
            }
        }
        let site = installation("site", "webchat", config);
        let other = installation("other", "second", json!({ "origins": ["https://other.example"] }));
        let installations = Installations::new([site.clone(), other]);
        let shared = Arc::new(installations.clone());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let blobs = BlobStore::new(Files::open(folder.path()).await.unwrap(), store.clone());
        let hub = Arc::new(Hub::new());
        let outlet: Arc<dyn Outlet> = hub.clone();
        let client = Client::new(ClientOptions::default()).unwrap();
        let turns = Turns::new(store.clone(), blobs.clone(), client.clone()).with_outlet(outlet.clone());
        let (metrics, paces) = (Arc::new(Metrics::new()), Arc::new(Paces::default()));
        let outbox = Outbox::new(store.clone(), shared.clone(), metrics.clone()).with_outlet(outlet);
        let outbox = Arc::new(outbox);
        let actions =
            Actions::new(store.clone(), shared.clone(), turns.clone(), metrics.clone(), paces.clone());
        let sender = Sender::new(
            store.clone(),
            shared.clone(),
            turns,
            metrics.clone(),
            paces,
            SenderOptions::default(),
        );
        let (stop, leaving) = (CancellationToken::new(), CancellationToken::new());
        let options = Options { poll: Duration::from_millis(50), ..Options::new(NodeId([7; 16])) };
        Driver::start(store.clone(), Dir::Outbound, Arc::new(sender), options, stop.clone());
        let live = Live::new(store.clone(), outbox.clone(), shared, hub, metrics.clone());
        let api = WebchatApi {
            live: live.clone(),
            installations,
            identity: Identity::new(client),
            blobs,
            public_url: PUBLIC.into(),
            file_key: [7; 32],
            address: Arc::new(|extensions| {
                extensions.get::<portico_edge::ClientAddress>().map(|address| address.0)
            }),
            allow_localhost: wishes.localhost,
            leaving: leaving.clone(),
            times: wishes.times,
        };
        let socket = Edge::listen("127.0.0.1:0".parse().unwrap(), 1024).unwrap();
        let edge = Edge::start(
            socket,
            EdgeOptions {
                tls: None,
                workers: 1,
                name: "test",
                limits: Limits { connections_per_address: 10_000, ..Limits::default() },
                trusted_proxies: Vec::new(),
            },
            None,
            crate::router(api),
            metrics,
            Listener::Public,
        )
        .unwrap();
        Self {
            address: edge.address(),
            live,
            store,
            site,
            outbox,
            actions: Arc::new(actions),
            leaving,
            edge: Some(edge),
            stop,
            _folder: folder,
        }
    }

    /// Ends the edge; says how many connections had to be cut.
    pub(super) async fn drain(&mut self) -> usize {
        self.edge.take().unwrap().drain(Duration::from_secs(5)).await
    }

    pub(super) fn connections(&self) -> usize {
        self.edge.as_ref().unwrap().connections()
    }

    /// Opens a socket from a page.
    pub(super) async fn socket_from(&self, origin: Option<&str>) -> Visitor {
        let mut request = format!("ws://{}/webchat/v1/ws", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "portico.v1".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (ws, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "portico.v1");
        Visitor { ws, acks: Vec::new() }
    }

    pub(super) async fn socket(&self) -> Visitor {
        self.socket_from(Some(PAGE)).await
    }

    /// A visitor who was welcomed, and the welcome.
    pub(super) async fn visitor(&self) -> (Visitor, Value) {
        self.hello(json!({})).await
    }

    /// A visitor who said hello with some fields, and the welcome.
    pub(super) async fn hello(&self, fields: Value) -> (Visitor, Value) {
        let mut visitor = self.socket().await;
        visitor.send(hello(fields)).await;
        let welcome = visitor.frame().await;
        assert_eq!(welcome["t"], "welcome", "{welcome}");
        (visitor, welcome)
    }

    /// The bot says a text.
    pub(super) async fn bot_says(&self, conversation: &str, text: &str) -> Message {
        self.bot_sends(conversation, "text", json!({ "text": text })).await
    }

    /// The bot says something.
    pub(super) async fn bot_sends(&self, conversation: &str, kind: &str, payload: Value) -> Message {
        let new = NewMessage {
            bot: self.site.bot.clone(),
            conversation: ConversationId::parse(conversation).unwrap(),
            user: UserId::of_bot(&self.site.bot),
            kind: kind.into(),
            payload,
            tags: TagMap::new(),
            origin: None,
            reply_to: None,
            once: None,
        };
        self.outbox.accept(new).await.unwrap()
    }

    /// What the core would get from a conversation.
    pub(super) async fn told(&self, conversation: &str) -> Vec<Value> {
        let id = ConversationId::parse(conversation).unwrap();
        let entries = self.store.peek(Lane::inbound(id), 1_000).await.unwrap();
        entries.iter().map(|entry| serde_json::from_slice(&entry.event.body).unwrap()).collect()
    }

    /// Calls over HTTP.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path).header("host", "gateway.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(bytes::Bytes::from(body.into()))).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = tokio::time::timeout(SOON, sender.send_request(request)).await.unwrap().unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Calls as a page with a token.
    pub(super) async fn page(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers =
            [("authorization", bearer.as_str()), ("origin", PAGE), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.call(method, path, &headers, body).await
    }
}

/// An answer whose body is still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: hyper::body::Incoming,
}

impl Answer {
    pub(super) async fn bytes(self) -> bytes::Bytes {
        tokio::time::timeout(SOON, self.body.collect()).await.unwrap().unwrap().to_bytes()
    }

    pub(super) async fn text(self) -> String {
        String::from_utf8(self.bytes().await.to_vec()).unwrap()
    }

    /// The JSON of a success.
    pub(super) async fn ok(self) -> Value {
        let status = self.status;
        let text = self.text().await;
        assert!((200..300).contains(&status), "{status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Asserts the status of a refusal, and gives its body.
    pub(super) async fn refused(self, status: u16) -> Value {
        let was = self.status;
        let text = self.text().await;
        assert_eq!(was, status, "{text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        assert!(body["code"].is_u64() && body["message"].is_string(), "{body}");
        body
    }
}

pub(super) fn hello(fields: Value) -> Value {
    let mut hello = json!({ "t": "hello", "v": 1, "ch": "site" });
    for (key, value) in fields.as_object().unwrap() {
        hello[key] = value.clone();
    }
    hello
}

/// A visitor's socket.
pub(super) struct Visitor {
    pub(super) ws: WebSocketStream<TcpStream>,
    acks: Vec<Value>,
}

impl Visitor {
    pub(super) async fn send(&mut self, frame: Value) {
        self.ws.send(Ws::text(frame.to_string())).await.unwrap();
    }

    /// Says a text, and waits for its ack.
    pub(super) async fn says(&mut self, id: &str, conversation: Option<&str>, text: &str) -> Value {
        let mut frame = json!({ "t": "send", "id": id, "msg": { "type": "text", "text": text } });
        if let Some(conversation) = conversation {
            frame["conv"] = conversation.into();
        }
        self.send(frame).await;
        self.answer(id).await
    }

    /// The ack or nack of a frame; what else comes meanwhile is dropped.
    pub(super) async fn answer(&mut self, id: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["id"] == id && (frame["t"] == "ack" || frame["t"] == "nack") {
                self.acks.push(frame.clone());
                return frame;
            }
        }
    }

    async fn next(&mut self) -> Ws {
        loop {
            let next = tokio::time::timeout(SOON, self.ws.next()).await.expect("nothing came");
            match next {
                Some(Ok(Ws::Ping(_) | Ws::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("the connection ended: {other:?}"),
            }
        }
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> Value {
        match self.next().await {
            Ws::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("no frame: {other:?}"),
        }
    }

    /// The next frame of a type; others are dropped.
    pub(super) async fn frame_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["t"] == kind {
                return frame;
            }
        }
    }

    /// The next item of a kind.
    pub(super) async fn item_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame_of("ev").await;
            if frame["kind"] == kind {
                return frame;
            }
        }
    }

    /// Frames until the connection is closed, and the code.
    pub(super) async fn closed(&mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Ws::Text(text) => frames.push(serde_json::from_str(&text).unwrap()),
                Ws::Close(Some(close)) => return (frames, close.code.into()),
                other => panic!("no close: {other:?}"),
            }
        }
    }

    /// Whether nothing comes for a moment.
    pub(super) async fn is_quiet(&mut self) -> bool {
        self.send(json!({ "t": "ping" })).await;
        self.frame().await["t"] == "pong"
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
