//! Every operation over a store in memory, called as a client calls it.

mod chat;
mod hook;
mod listening;
mod openapi;
mod origins;
mod webchat;
mod world;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A gateway with two chats and a webchat.
pub(crate) struct World {
    pub(crate) parts: world::Parts,
    pub(crate) router: Router,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        // A numeric code at the top would be an error to the clients.
        assert!(self.body.get("code").is_none());
        self.body
    }

    /// Asserts the type of an error, and that its body is what clients need.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, kind: &str) -> Value {
        assert_eq!((self.status.as_u16(), self.body["type"].as_str()), (status, Some(kind)), "{}", self.body);
        assert!(self.body["id"].as_str().is_some_and(|id| id.starts_with("err_")));
        assert!(self.body["code"].is_u64() && self.body["message"].is_string());
        self.body
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[], |_| ()).await
    }

    pub(crate) async fn with(origins: &[&str], change: impl FnOnce(&mut crate::ChatApi)) -> Self {
        Self::of(origins, None, change).await
    }

    /// With a receiver for what happens at `backend`.
    pub(crate) async fn hooked(address: &str) -> Self {
        Self::of(&[], Some(address), |_| ()).await
    }

    async fn of(origins: &[&str], hook: Option<&str>, change: impl FnOnce(&mut crate::ChatApi)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = world::parts(folder.path(), "http://gateway.test", origins, hook).await.unwrap();
        change(&mut parts.api);
        let router = crate::router(parts.api.clone());
        Self { parts, router, _folder: folder }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or(Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Calls as the user of a key; an empty one is left out.
    pub(crate) async fn call(&self, method: &str, path: &str, key: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header("x-user-key", key);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.call("GET", path, key, json!({})).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.call("POST", path, key, body).await
    }

    pub(crate) async fn delete(&self, path: &str, key: &str) -> Answer {
        self.call("DELETE", path, key, json!({})).await
    }

    /// A new user of `backend`: id and key.
    pub(crate) async fn chat_user(&self, body: Value) -> (String, String) {
        let made = self.post("/chat/backend/users", "", body).await.ok();
        (text(&made["user"]["id"]), text(&made["key"]))
    }

    /// A new conversation of `backend`.
    pub(crate) async fn chat_conversation(&self, key: &str, body: Value) -> String {
        let made = self.post("/chat/backend/conversations", key, body).await.ok();
        text(&made["conversation"]["id"])
    }

    /// Waits until a line stands in the metrics.
    pub(crate) async fn shows(&self, line: &str) {
        let metrics = &self.parts.api.metrics;
        let seen = async {
            while !metrics.encode().lines().any(|shown| shown == line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), seen).await.is_err() {
            panic!("{line} is not in\n{}", metrics.encode());
        }
    }

    /// Opens a stream.
    pub(crate) async fn stream(&self, path: &str, key: &str) -> Stream {
        let mut request = Request::get(path).header("accept", "text/event-stream");
        if !key.is_empty() {
            request = request.header("x-user-key", key);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Stream { body: response.into_body(), text: String::new() };
        assert_eq!(stream.block().await.as_deref(), Some(": open"));
        stream
    }

    /// The gateway's id of a conversation of `backend`.
    pub(crate) fn chat_place(&self, id: &str) -> portico_contract::ConversationId {
        portico_contract::ConversationId::parse(id).unwrap_or_else(|_| {
            let at = self.parts.api.live.installation("backend", "chat").unwrap();
            let key = portico_contract::Thread::key_of(std::iter::once(id));
            portico_contract::ConversationId::of_thread(&at.bot, &at.id, "channel", &key)
        })
    }
}

/// A stream that is open.
pub(crate) struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    /// The next block; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame()).await;
            let data = frame.expect("nothing came for 20 s")?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The data of the next event; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<String> {
        let block = self.block().await?;
        let data = block.strip_prefix("event: message\ndata: ").unwrap_or_else(|| panic!("{block}"));
        assert!(!data.contains('\n'));
        Some(data.to_owned())
    }

    /// The next signal, which must be of this type: its data.
    pub(crate) async fn signal(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if event == "ping" {
                continue;
            }
            let signal: Value = serde_json::from_str(&event).unwrap();
            assert_eq!(signal["type"], kind, "{signal}");
            no_null(&signal["data"], kind);
            return signal["data"].clone();
        }
    }

    /// Waits for the end; nothing but signs of life may come before it.
    pub(crate) async fn end(&mut self) {
        while let Some(event) = self.event().await {
            assert_eq!(event, "ping");
        }
    }
}

/// The strict client loses what has a `null` where it does not expect one; and every date ends in `Z`.
#[track_caller]
fn no_null(data: &Value, kind: &str) {
    for (name, value) in data.as_object().unwrap() {
        assert!(!value.is_null() || (kind == "event_created" && name == "id"), "{data}");
        if name.ends_with("At") {
            assert!(value.as_str().unwrap().ends_with('Z'), "{data}");
        }
    }
}

#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
