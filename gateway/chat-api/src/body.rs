//! Bodies: read under their cap, and named by field when they do not fit.

use axum::extract::{FromRequest, Request};
use portico_problem::{Kind, Problem};
use portico_serve::body::{json_of, plain};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

use crate::Api;

/// A JSON body as a type.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = plain(request, api.limits.body).await?;
        let mut reader = serde_json::Deserializer::from_slice(json_of(&bytes));
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let reason = kind_only(&error.into_inner());
            if path == "." {
                Problem::new(Kind::InvalidPayload, reason)
            } else {
                Problem::field(path, reason)
            }
        })?;
        reader.end().map_err(|error| Problem::new(Kind::InvalidPayload, kind_only(&error)))?;
        Ok(Self(value))
    }
}

/// What is wrong, without the value that is: serde's words quote texts and numbers.
fn kind_only(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    match (error.classify(), text.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", "))) {
        (serde_json::error::Category::Data, Some((found, expected))) => {
            let found = found.split([' ', '`', '"']).next().unwrap_or_default();
            format!("must be {}, is {found}", expected.trim_start_matches("expected "))
        }
        (serde_json::error::Category::Data, None) if text.starts_with("missing field") => text.to_owned(),
        (serde_json::error::Category::Data, None) => {
            text.split_once(", ").map_or("is of the wrong kind", |(_, expected)| expected).to_owned()
        }
        _ => format!("the body is no JSON (line {}, column {})", error.line(), error.column()),
    }
}

/// A field that may be left out, be `null`, or have a value.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A text of at most so many characters.
///
/// # Errors
/// `InvalidPayload` at the field.
pub(crate) fn short(field: &str, text: Option<&str>, most: usize) -> Result<(), Problem> {
    match text {
        Some(text) if text.chars().count() > most => {
            Err(Problem::field(field, format!("must have at most {most} characters")))
        }
        _ => Ok(()),
    }
}

/// Named data of a message, bounded: it is kept with the message and shown with it each time.
pub(crate) type Metadata = Map<String, Value>;
