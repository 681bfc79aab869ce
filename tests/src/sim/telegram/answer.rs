//! The forms in which the Bot API refuses a call.

use serde_json::{Map, Value, json};

use crate::sim::server::Answer;

/// Why a call is refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// 400; the text stands after `Bad Request: `.
    Bad(String),
    /// 400 with the id of the supergroup.
    Migrated(i64),
    /// 401: the token is wrong.
    Unauthorized,
    /// 403; the text stands after `Forbidden: `.
    Forbidden(&'static str),
    /// 404: no such method or path.
    NotFound,
    /// 413: a file is above the limit.
    TooLarge,
    /// 429 with `retry_after` in seconds.
    TooMany(u64),
}

/// A 400 with this description.
pub(super) fn bad(description: impl Into<String>) -> Refused {
    Refused::Bad(description.into())
}

impl Refused {
    pub(super) fn into_answer(self) -> Answer {
        let (code, description, parameters) = match self {
            Self::Bad(text) => (400, format!("Bad Request: {text}"), None),
            Self::Migrated(to) => {
                let text = "Bad Request: group chat was upgraded to a supergroup chat".to_owned();
                (400, text, Some(json!({"migrate_to_chat_id": to})))
            }
            Self::Unauthorized => (401, "Unauthorized".to_owned(), None),
            Self::Forbidden(text) => (403, format!("Forbidden: {text}"), None),
            Self::NotFound => (404, "Not Found".to_owned(), None),
            Self::TooLarge => (413, "Request Entity Too Large".to_owned(), None),
            Self::TooMany(seconds) => {
                let text = format!("Too Many Requests: retry after {seconds}");
                let answer = Answer::json(429, &failed(429, text, Some(json!({"retry_after": seconds}))));
                return answer.with_header("retry-after", seconds);
            }
        };
        Answer::json(code, &failed(code, description, parameters))
    }
}

fn failed(code: u16, description: String, parameters: Option<Value>) -> Value {
    let mut body = Map::new();
    body.insert("ok".into(), Value::Bool(false));
    body.insert("error_code".into(), code.into());
    body.insert("description".into(), description.into());
    if let Some(parameters) = parameters {
        body.insert("parameters".into(), parameters);
    }
    Value::Object(body)
}
