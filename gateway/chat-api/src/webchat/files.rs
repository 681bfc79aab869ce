//! Files of visitors: announced, uploaded to a signed address, kept for as long as messages are.
//!
//! The row is made when the file is announced, because its address is told then; its id is random and hard to
//! guess, and whoever has it may read the file. What is served can do no harm in a browser, see `download`.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use http::Uri;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portico_contract::{InstallationId, Millis, base32};
use portico_problem::{Kind, Problem};
use portico_serve::body::too_large;
use portico_serve::store_problem;
use portico_store::records::{TagMap, iso};
use portico_store::{Change, Commit, Expect, Key, KeyRange, Store, StoreError, Table};
use portico_turns::{Installation, now};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::Answer;
use super::caller::Caller;
use crate::front::At;
use crate::path::Id;
use crate::problems::{self, not_found};
use crate::{Api, Shared, body, page, token};

/// Longest name, in bytes.
const KEY: usize = 500;
/// How long an address for an upload is good, in milliseconds.
const UPLOAD: u64 = 3600 * 1000;
/// Rows looked at in one go when old ones are removed.
const BATCH: usize = 200;

/// A file to announce.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewFile {
    key: String,
    size: u64,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    tags: Option<TagMap>,
    #[serde(default)]
    access_policies: Option<Vec<Policy>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    PublicContent,
    Integrations,
}

/// A file as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) key: String,
    size: u64,
    pub(crate) content_type: String,
    /// Of the content that was uploaded, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// Who announced it.
    user: String,
    created_at: Millis,
}

fn rows() -> Key {
    Key::new().text("webchat-file")
}

fn row_key(at: &InstallationId, id: &str) -> Key {
    rows().text(at.as_str()).text(id)
}

/// A file with the version of its row.
pub(crate) async fn read(api: &Shared, at: &Installation, id: &str) -> Result<Option<(Row, u64)>, Problem> {
    if id.len() > 100 {
        return Ok(None);
    }
    let found = api.store.get(Table::File, &row_key(&at.id, id)).await;
    let found = found.map_err(|error| store_problem(&error))?;
    Ok(found.and_then(|row| Some((serde_json::from_slice(&row.value).ok()?, row.version))))
}

async fn write(api: &Shared, at: &Installation, id: &str, row: &Row, expect: Expect) -> Result<(), Problem> {
    let value = serde_json::to_vec(row).unwrap_or_default().into();
    let change = Change::Write { table: Table::File, key: row_key(&at.id, id), value: Some(value), expect };
    let written = api.store.commit(Commit::of([change])).await;
    written.map(drop).map_err(|error| store_problem(&error))
}

/// Announces a file; its content goes to `uploadUrl`.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body::Json(new): body::Json<NewFile>,
) -> Answer {
    let config = caller.at.config.json();
    if config.get("upload").and_then(Value::as_bool) == Some(false) {
        return Err(problems::forbidden("visitors may send no files here"));
    }
    let name = new.key.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || new.key.len() > KEY {
        return Err(Problem::field("key", format!("must be a name of 1 to {KEY} bytes")));
    }
    let allowed = config.pointer("/limits/file").and_then(Value::as_u64);
    let allowed = allowed.unwrap_or(api.limits.file).min(api.limits.file);
    if new.size > allowed {
        let problem =
            Problem::new(Kind::PayloadTooLarge, format!("size: at most {allowed} bytes are allowed"));
        return Err(problem.with("field", "size").with("limit", allowed));
    }
    let content_type = content_type(new.content_type.as_deref(), name)?;
    if !is_accepted(config, &content_type) {
        let reason = "files of this type are not accepted here";
        return Err(Problem::new(Kind::UnsupportedMediaType, format!("contentType: {reason}")));
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|_| Problem::unavailable("the system gives no random numbers", 5))?;
    let id = format!("file_{}", base32(&random));
    let row = Row {
        key: new.key,
        size: new.size,
        content_type,
        digest: None,
        user: caller.user.id.to_string(),
        created_at: now(),
    };
    write(&api, &caller.at, &id, &row, Expect::Absent).await?;
    let base = format!("{}/webchat-api/{}/files/{id}", api.public_url, caller.at.id);
    let name = row.key.rsplit('/').next().unwrap_or_default();
    let expires = now() + UPLOAD;
    let signature = hex::encode(sign(&api, &caller.at, &id, expires));
    Ok(Json(json!({ "file": {
        "id": id,
        "botId": caller.at.bot,
        "key": row.key,
        "url": format!("{base}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC)),
        "uploadUrl": format!("{base}/content?expires={expires}&signature={signature}"),
        "size": row.size,
        "contentType": row.content_type,
        "tags": new.tags.unwrap_or_default(),
        "accessPolicies": new.access_policies.unwrap_or_else(|| vec![Policy::PublicContent]),
        "index": false,
        "status": "upload_pending",
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.created_at),
    } })))
}

fn sign(api: &Shared, at: &Installation, id: &str, expires: u64) -> [u8; 32] {
    token::mac(&api.file_key, &[b"upload", at.id.as_str().as_bytes(), id.as_bytes(), &expires.to_be_bytes()])
}

fn is_signed(api: &Shared, at: &Installation, id: &str, uri: &Uri) -> bool {
    let Some(expires) = page::query(uri, "expires").and_then(|text| text.parse().ok()) else { return false };
    let Some(claimed) = page::query(uri, "signature").and_then(|text| hex::decode(text).ok()) else {
        return false;
    };
    expires > now() && bool::from(sign(api, at, id, expires).ct_eq(&claimed))
}

/// Takes a file's content: `PUT` at the address that was told, once.
pub(crate) async fn upload(
    State(api): State<Api>,
    At { installation: at, .. }: At,
    Id(id): Id,
    request: Request<Body>,
) -> Answer {
    if !is_signed(&api, &at, &id, request.uri()) {
        return Err(problems::forbidden("the address is not good any more; announce the file again"));
    }
    let (mut row, version) = read(&api, &at, &id).await?.ok_or_else(|| not_found("file"))?;
    if row.digest.is_some() {
        return Err(Problem::new(Kind::AlreadyExists, "the file is there already; announce another"));
    }
    let stated =
        request.headers().get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|stated| stated > row.size) {
        return Err(too_large(row.size));
    }
    let disk = |error: std::io::Error| {
        tracing::error!(%error, "a file could not be written");
        Problem::unavailable("the file could not be kept", 5)
    };
    let mut writer = api.files.begin().await.map_err(disk)?;
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::InvalidPayload, "the body broke off"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if writer.size() + bytes.len() as u64 > row.size {
            return Err(too_large(row.size));
        }
        writer.write(&bytes).await.map_err(disk)?;
    }
    if writer.size() != row.size {
        let reason = format!("must have {} bytes as announced, has {}", row.size, writer.size());
        return Err(Problem::field("body", reason));
    }
    row.digest = Some(writer.finish().await.map_err(disk)?.digest);
    write(&api, &at, &id, &row, Expect::Version(version)).await?;
    Ok(Json(json!({})))
}

/// The media type that was given, or what the name says.
fn content_type(given: Option<&str>, name: &str) -> Result<String, Problem> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Ok(mime_guess::from_path(name).first_or_octet_stream().to_string());
    };
    let is_plain = given.len() <= 200 && given.contains('/') && http::HeaderValue::from_str(given).is_ok();
    if is_plain {
        Ok(given.to_owned())
    } else {
        Err(Problem::field("contentType", "must be a media type such as image/png"))
    }
}

/// Whether the operator lets files of a type in.
fn is_accepted(config: &Value, content_type: &str) -> bool {
    let defaults = json!(["image/*", "application/pdf", "text/plain", "audio/*", "video/*"]);
    let list = config.pointer("/limits/accept").unwrap_or(&defaults);
    let bare = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    list.as_array().into_iter().flatten().filter_map(Value::as_str).any(|rule| match rule.strip_suffix('*') {
        Some(kind) => bare.starts_with(&kind.to_ascii_lowercase()),
        None => bare == rule.to_ascii_lowercase(),
    })
}

/// Removes the rows of files that are older than `keep`, and of those that were announced more than a day ago and
/// never came. The content goes with the sweep of the files' folder, when no row names it. Says how many went.
///
/// # Errors
/// The store's.
pub(crate) async fn sweep(store: &dyn Store, now: Millis, keep: Duration) -> Result<u64, StoreError> {
    let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let (mut removed, mut after) = (0, None);
    loop {
        let range = KeyRange::prefix(rows(), BATCH).after(after.take());
        let found = store.scan(Table::File, range).await?;
        let full = found.len() == BATCH;
        let mut changes = Vec::new();
        for (key, row) in found {
            let is_old = serde_json::from_slice::<Row>(&row.value).is_ok_and(|row| {
                let age = now.saturating_sub(row.created_at);
                age > keep || (row.digest.is_none() && age > 24 * UPLOAD)
            });
            if is_old {
                changes.push(Change::delete(Table::File, key.clone()));
            }
            after = Some(key);
        }
        if !changes.is_empty() {
            removed += changes.len() as u64;
            store.commit(Commit::of(changes).ordered()).await?;
        }
        if !full {
            return Ok(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_accepted_as_the_operator_says() {
        let config = json!({ "limits": { "accept": ["image/*", "application/pdf"] } });
        assert!(is_accepted(&config, "image/png") && is_accepted(&config, "Application/PDF; v=1"));
        assert!(!is_accepted(&config, "text/html") && !is_accepted(&config, "imagex/png"));
        assert!(is_accepted(&json!({}), "text/plain") && !is_accepted(&json!({}), "text/html"));
    }
}
