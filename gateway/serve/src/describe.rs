//! What descriptions of APIs in OpenAPI have in common: the one error body, and their form as text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};

/// The body of every error.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Error {
    /// `err_…`, for finding it in the log.
    pub id: String,
    /// The HTTP status that belongs to the type.
    pub code: u16,
    /// One of the documented types, such as `ResourceNotFound`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people: what is wrong and how to mend it.
    pub message: String,
    /// More, such as `field`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// Says of every operation that it may answer an [`Error`], which must be among the description's schemas.
pub fn may_fail(openapi: &mut OpenApi) {
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".into(), RefOr::T(error()));
        }
    }
}

fn error() -> Response {
    let mut response = Response::new("Any error");
    let schema = Ref::from_schema_name("Error");
    response.content.insert("application/json".into(), RefOr::T(Content::new(Some(schema))));
    response
}

/// A description as JSON text, as it is checked in.
pub fn text(openapi: &OpenApi) -> String {
    // Writing a value of plain data to memory does not fail.
    let mut text = serde_json::to_string_pretty(openapi).unwrap_or_default();
    text.push('\n');
    text
}
