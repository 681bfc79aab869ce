//! Arguments of a Web API call, and the forms in which Slack refuses one.

use serde_json::{Map, Value, json};

use crate::sim::multipart;
use crate::sim::server::{Answer, RawRequest};

/// Methods that read no JSON body, after their documentation pages.
const FORM_ONLY: [&str; 4] = ["files.getUploadURLExternal", "files.info", "users.info", "conversations.info"];

/// Why a call is refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// HTTP 200 with `ok:false`, the error and its messages.
    Error(String, Vec<String>),
    /// HTTP 429 with `Retry-After` in seconds.
    RateLimited(u64),
}

/// A refusal without messages.
pub(super) fn refused(error: &str) -> Refused {
    Refused::Error(error.to_owned(), Vec::new())
}

/// `invalid_arguments` with one message.
pub(super) fn invalid(message: impl Into<String>) -> Refused {
    Refused::Error("invalid_arguments".to_owned(), vec![message.into()])
}

impl Refused {
    pub(super) fn into_answer(self) -> Answer {
        match self {
            Self::Error(error, messages) if messages.is_empty() => {
                Answer::json(200, &json!({"ok": false, "error": error}))
            }
            Self::Error(error, messages) => {
                let body = json!({"ok": false, "error": error, "response_metadata": {"messages": messages}});
                Answer::json(200, &body)
            }
            Self::RateLimited(seconds) => {
                let body = json!({"ok": false, "error": "ratelimited"});
                Answer::json(429, &body).with_header("retry-after", seconds)
            }
        }
    }
}

/// Arguments of one call, whatever form they came in.
#[derive(Debug)]
pub(super) struct Arguments {
    fields: Map<String, Value>,
    is_form: bool,
}

impl Arguments {
    /// Reads query and body; also gives Slack's warning about the content type.
    pub(super) async fn read(
        method: &str,
        request: &RawRequest,
    ) -> Result<(Self, Option<&'static str>), Refused> {
        let mut fields = Map::new();
        let mut is_form = true;
        let mut warning = None;
        fields.extend(request.query_pairs().into_iter().map(|(name, value)| (name, Value::from(value))));
        match request.media_type().as_str() {
            "application/json" if FORM_ONLY.contains(&method) => is_form = false,
            "application/json" => {
                is_form = false;
                match request.json() {
                    Some(Value::Object(body)) => fields.extend(body),
                    Some(_) => return Err(refused("json_not_object")),
                    None => return Err(refused("invalid_json")),
                }
                let charset = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
                warning = (!charset.contains("charset")).then_some("missing_charset");
            }
            "application/x-www-form-urlencoded" => {
                fields
                    .extend(request.form_pairs().into_iter().map(|(name, value)| (name, Value::from(value))));
            }
            "multipart/form-data" => {
                let parts = multipart::parts(request).await.map_err(|_| refused("invalid_form_data"))?;
                for part in parts {
                    fields.insert(part.name, Value::from(String::from_utf8_lossy(&part.bytes).into_owned()));
                }
            }
            _ if request.body.is_empty() => {}
            "" => return Err(refused("missing_post_type")),
            _ => return Err(refused("invalid_post_type")),
        }
        Ok((Self { fields, is_form }, warning))
    }

    /// The token of a form body.
    pub(super) fn form_token(&self) -> Option<String> {
        self.is_form.then(|| self.text("token")).flatten()
    }

    /// A field as text; numbers are taken as their digits. Empty counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A field that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, Refused> {
        self.text(name).ok_or_else(|| invalid(format!("[ERROR] missing required field: {name}")))
    }

    /// A field that holds JSON, given as such or as a string of JSON.
    pub(super) fn nested(&self, name: &str) -> Result<Option<Value>, Refused> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| Refused::Error(format!("invalid_{name}_format"), Vec::new())),
            Some(value) => Ok(Some(value.clone())),
        }
    }

    /// All fields but the token, for the record.
    pub(super) fn to_value(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.remove("token");
        Value::Object(fields)
    }
}
