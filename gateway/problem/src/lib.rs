//! The one shape of every error body, on every API of the gateway.
//!
//! ```json
//! { "id": "err_20260102030405xDEADBEEF", "code": 404, "type": "ResourceNotFound", "message": "…", "metadata": {} }
//! ```
//!
//! It is the shape that the public Botpress clients read: they choose their error class by `type`, and show
//! `message` to people. `metadata` is there when there is more to say, such as the field at fault.
//!
//! Source: Botpress protocol reference, section 1.4.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// The kinds of error, each with its HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum Kind { $($(#[$doc])* $name,)+ }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The `type` of the body.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The HTTP status, also the `code` of the body.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $code,)+ }
            }
        }
    };
}

kinds! {
    /// Something that nobody foresaw.
    Unknown = 500,
    /// The gateway's own fault, or it can't serve now.
    Internal = 500,
    /// No token, or a wrong one.
    Unauthorized = 401,
    /// The token may not do this.
    Forbidden = 403,
    /// The body is above its cap.
    PayloadTooLarge = 413,
    /// A field of the body is missing or wrong.
    InvalidPayload = 400,
    /// The media type or content coding is not accepted.
    UnsupportedMediaType = 415,
    /// No such operation.
    MethodNotFound = 405,
    /// The thing that the address names does not exist.
    ResourceNotFound = 404,
    /// A schema is malformed.
    InvalidJsonSchema = 400,
    /// A value is not of its format.
    InvalidDataFormat = 400,
    /// An id is not of its form.
    InvalidIdentifier = 400,
    /// Two ids do not belong together.
    RelationConflict = 409,
    /// A thing that the body names does not exist.
    ReferenceNotFound = 400,
    /// A thing is still needed by another.
    ReferenceConstraint = 409,
    /// Somebody else is changing it.
    ResourceLockedConflict = 409,
    /// It was there once.
    ResourceGone = 410,
    /// The query is malformed.
    InvalidQuery = 400,
    /// The bot's or connector's own code failed.
    Runtime = 400,
    /// It exists already, or the idempotency key was used with another request.
    AlreadyExists = 409,
    /// Too many requests.
    RateLimited = 429,
    /// Not used by Portico; kept because clients know it.
    PaymentRequired = 402,
    /// A quota is used up.
    QuotaExceeded = 403,
    /// A size or count is above its limit.
    LimitExceeded = 413,
    /// The client is of an unsupported version.
    BreakingChanges = 400,
    /// The other side took too long.
    OperationTimeout = 504,
}

/// An error to answer with.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    kind: Kind,
    message: String,
    metadata: Map<String, Value>,
    retry_after_s: Option<u64>,
    status: Option<StatusCode>,
    header: Option<(http::HeaderName, HeaderValue)>,
}

impl Problem {
    /// An error of a kind. The message is for people: what is wrong and how to mend it, never a secret.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            message: message.into(),
            metadata: Map::new(),
            retry_after_s: None,
            status: None,
            header: None,
        }))
    }

    /// `InvalidPayload` at a field of the body.
    pub fn field(path: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        let path = path.into();
        Self::new(Kind::InvalidPayload, format!("{path}: {reason}")).with("field", path)
    }

    /// The gateway can't serve now. 503, which clients of the Botpress SDK do not repeat by themselves.
    pub fn unavailable(message: impl Into<String>, retry_after_s: u64) -> Self {
        let mut problem = Self::new(Kind::Internal, message).retry_after(retry_after_s);
        problem.0.status = Some(StatusCode::SERVICE_UNAVAILABLE);
        problem
    }

    /// Answers with this status in place of the kind's own. The `code` of the body stays: clients read it.
    #[must_use]
    pub fn answered_with(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds to `metadata`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.metadata.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a `retry-after` header, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Adds a header, such as `allow`.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Its message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The status that it answers with.
    pub fn status(&self) -> StatusCode {
        self.0
            .status
            .or_else(|| StatusCode::from_u16(self.0.kind.status()).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("id".into(), error_id().into());
        body.insert("code".into(), self.0.kind.status().into());
        body.insert("type".into(), self.0.kind.as_str().into());
        body.insert("message".into(), self.0.message.clone().into());
        if !self.0.metadata.is_empty() {
            body.insert("metadata".into(), Value::Object(self.0.metadata.clone()));
        }
        Value::Object(body)
    }
}

/// `err_`, the time, `x`, eight random hexadecimal digits: for finding the error in the log.
fn error_id() -> String {
    let mut random = [0; 4];
    // Without randomness the id is only less telling.
    if getrandom::fill(&mut random).is_err() {
        random = [0; 4];
    }
    let time = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S");
    format!("err_{time}x{}", hex::encode_upper(random))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body().to_string().into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some((name, value)) = self.0.header {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_what_clients_need() {
        let problem = Problem::field("payload.text", "must be a text, is a number");
        let body = problem.body();
        assert!(body["id"].as_str().is_some_and(|id| id.starts_with("err_") && id.len() == 27));
        assert_eq!((body["code"].as_u64(), body["type"].as_str()), (Some(400), Some("InvalidPayload")));
        assert_eq!(body["message"], "payload.text: must be a text, is a number");
        assert_eq!(body["metadata"]["field"], "payload.text");
    }

    #[test]
    fn unavailable_is_503_and_says_when_to_come_back() {
        let response = Problem::unavailable("the store is read-only", 5).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
    }
}
