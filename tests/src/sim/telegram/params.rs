//! Parameters of a Bot API call: from JSON, forms, multipart and the query, read alike.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::{Refused, bad};
use crate::sim::multipart::{self, Part};
use crate::sim::server::RawRequest;

/// Parameters and uploaded files of one call.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pub(super) fields: Map<String, Value>,
    pub(super) files: BTreeMap<String, Part>,
}

impl Params {
    /// Parameters of a call that a webhook's answer asks for.
    pub(super) fn of(fields: Map<String, Value>) -> Self {
        Self { fields, files: BTreeMap::new() }
    }

    pub(super) async fn read(request: &RawRequest) -> Result<Self, Refused> {
        let mut params = Self::default();
        let add = |params: &mut Self, pairs: Vec<(String, String)>| {
            params.fields.extend(pairs.into_iter().map(|(name, value)| (name, Value::from(value))));
        };
        add(&mut params, request.query_pairs());
        match request.media_type().as_str() {
            "application/json" if request.body.is_empty() => {}
            "application/json" => match request.json() {
                Some(Value::Object(fields)) => params.fields.extend(fields),
                _ => return Err(bad("can't parse request: JSON object expected")),
            },
            "application/x-www-form-urlencoded" => add(&mut params, request.form_pairs()),
            "multipart/form-data" => {
                let parts =
                    multipart::parts(request).await.map_err(|why| bad(format!("can't parse form: {why}")))?;
                for part in parts {
                    if part.file_name.is_some() {
                        params.files.insert(part.name.clone(), part);
                    } else {
                        let text = String::from_utf8_lossy(&part.bytes).into_owned();
                        params.fields.insert(part.name, Value::from(text));
                    }
                }
            }
            _ => {}
        }
        if params.files.values().any(|part| part.bytes.len() > 50 * 1024 * 1024) {
            return Err(Refused::TooLarge);
        }
        Ok(params)
    }

    /// A parameter as text; empty when absent.
    pub(super) fn text(&self, name: &str) -> String {
        match self.fields.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => String::new(),
        }
    }

    /// A whole number, given as such or in digits.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.fields.get(name).and_then(as_int)
    }

    /// A number with a fraction.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        match self.fields.get(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A truth value: true, `true`, `1`.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).as_str(), "true" | "True" | "1")
    }

    /// A parameter that is an object or a list, given as such or as a string of JSON.
    pub(super) fn nested(&self, name: &str) -> Result<Option<Value>, Refused> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => {
                let fault = || bad(format!("can't parse {}: unexpected end of JSON", spoken(name)));
                serde_json::from_str(text).map(Some).map_err(|_| fault())
            }
            Some(value) => Ok(Some(value.clone())),
        }
    }

    /// `chat_id`, or the refusal that the server gives for none.
    pub(super) fn chat_id(&self) -> Result<i64, Refused> {
        match self.fields.get("chat_id") {
            None | Some(Value::Null) => Err(bad("chat_id is empty")),
            Some(Value::String(text)) if text.is_empty() => Err(bad("chat_id is empty")),
            Some(value) => as_int(value).ok_or_else(|| bad("chat not found")),
        }
    }
}

pub(super) fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The name as the server's messages say it.
fn spoken(name: &str) -> String {
    match name {
        "reply_markup" => "reply keyboard markup JSON object".to_owned(),
        other => format!("{} JSON object", other.replace('_', " ")),
    }
}
