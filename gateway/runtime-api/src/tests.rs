//! The handlers over a store in memory, called as a client calls them.

mod drafts;
mod errors;
mod files;
mod idempotency;
mod matrix;
mod names;
mod once;
mod openapi;
mod pages;
mod shapes;
mod states;
mod toy;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A gateway's API with what stands behind it.
pub(crate) struct World {
    pub(crate) parts: toy::Parts,
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

/// Who calls: headers.
pub(crate) const A: &[(&str, &str)] = &[("authorization", "Bearer token-a")];
pub(crate) const B: &[(&str, &str)] = &[("authorization", "Bearer token-b")];
pub(crate) const TOY: &[(&str, &str)] = &[
    ("authorization", "Bearer token-a"),
    ("x-bot-id", "a"),
    ("x-integration-id", "toy-a"),
    ("x-integration-alias", "toy"),
];
pub(crate) const OTHER: &[(&str, &str)] =
    &[("authorization", "Bearer token-a"), ("x-integration-alias", "other")];

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut crate::RuntimeApi)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = toy::parts(folder.path(), "http://gateway.test").await.unwrap();
        // Tests call faster than a bot may.
        parts.api.limits.rate =
            crate::Rate { count: 1_000_000, per: std::time::Duration::from_secs(1), burst: 1_000_000 };
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

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.call("GET", path, headers, &json!({})).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        self.call("POST", path, headers, &body).await
    }

    /// A conversation of the toy, and its id.
    pub(crate) async fn conversation(&self, headers: &[(&str, &str)], id: &str) -> String {
        let body = json!({ "channel": "dm", "tags": { "id": id }, "integrationName": "toy" });
        text(
            &self.post("/v1/chat/conversations/get-or-create", headers, body).await.ok()["conversation"]["id"],
        )
    }

    /// A user, and its id.
    pub(crate) async fn user(&self, headers: &[(&str, &str)], name: &str) -> String {
        text(
            &self.post("/v1/chat/users", headers, json!({ "tags": {}, "name": name })).await.ok()["user"]["id"],
        )
    }
}

#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A text message.
pub(crate) fn say(conversation: &str, user: &str, said: &str) -> Value {
    json!({ "conversationId": conversation, "userId": user, "type": "text", "payload": { "text": said }, "tags": {} })
}
