//! Files of bots and integrations: what is known of them. `transfer` moves their content.

use axum::extract::State;
use portico_contract::{BotId, Millis, base32};
use portico_problem::{Kind, Problem};
use portico_store::records::{TagMap, iso};
use portico_store::{Change, Expect, Key, KeyRange, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::body::Json;
use crate::caller::Caller;
use crate::listing::{self, MOST, Order};
use crate::names::{self, TagInput};
use crate::page::Paging;
use crate::path::Segments;
use crate::problems::{self, not_found};
use crate::query::Query;
use crate::shared::{TRIES, now, too_busy};
use crate::transfer::{self, Way};
use crate::wire::{self, AccessPolicy, Done, FileStatus, Meta, nullable};
use crate::{Api, Shared};

/// Longest key in bytes.
const MAX_KEY: usize = 500;

/// A file to make, or to give new content.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewFile {
    /// Its name; the same name is the same file.
    key: String,
    /// Bytes of the content that will be uploaded.
    size: u64,
    /// Guessed from the key if not given.
    content_type: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    tags: TagInput,
    access_policies: Option<Vec<AccessPolicy>>,
    metadata: Option<Map<String, Value>>,
    /// ISO 8601; after that it is gone.
    expires_at: Option<String>,
}

/// What to change about a file; `null` removes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FileChange {
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    tags: TagInput,
    access_policies: Option<Vec<AccessPolicy>>,
    /// Fields to set; `null` removes one.
    metadata: Option<Map<String, Value>>,
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FileAnswer {
    #[schema(value_type = wire::File)]
    file: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FileList {
    #[schema(value_type = Vec<wire::File>)]
    files: Vec<Value>,
    meta: Meta,
}

type Answer<T> = Result<axum::Json<T>, Problem>;

/// A file as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    id: String,
    pub(crate) key: String,
    /// Announced bytes.
    pub(crate) size: u64,
    pub(crate) content_type: String,
    tags: TagMap,
    metadata: Map<String, Value>,
    policies: Vec<AccessPolicy>,
    status: FileStatus,
    /// Of the content that is served.
    pub(crate) digest: Option<String>,
    expires_at: Option<Millis>,
    /// The integration that owns it; `None`: the bot.
    via: Option<String>,
    created_at: Millis,
    updated_at: Millis,
}

impl Row {
    pub(crate) fn is_public(&self) -> bool {
        self.policies.contains(&AccessPolicy::PublicContent)
    }

    /// The bot sees all; an integration its own, and what is there for integrations.
    fn is_for(&self, caller: &Caller) -> bool {
        caller.via.as_ref().is_none_or(|via| {
            self.via.as_deref() == Some(via.id.as_str())
                || self.policies.contains(&AccessPolicy::Integrations)
        })
    }

    fn show(&self, api: &Shared, caller: &Caller) -> Value {
        let url = if self.is_public() {
            transfer::public_url(api, &caller.bot, &self.id)
        } else {
            transfer::signed_url(api, Way::Down, &caller.bot, &self.id)
        };
        let owner = match self.via.as_deref().and_then(|via| api.installations.find(via)) {
            Some(via) => json!({ "type": "integration", "id": via.id.as_str(), "alias": &*via.alias }),
            None => json!({ "type": "bot", "id": caller.bot.as_str() }),
        };
        let mut shown = json!({
            "id": self.id,
            "botId": caller.bot.as_str(),
            "key": self.key,
            "url": url,
            "size": self.size,
            "contentType": self.content_type,
            "tags": caller.view().tags(&self.tags),
            "metadata": self.metadata,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "accessPolicies": self.policies,
            "index": false,
            "status": self.status,
            "owner": owner,
        });
        if let (Some(fields), Some(at)) = (shown.as_object_mut(), self.expires_at) {
            fields.insert("expiresAt".into(), iso(at).into());
        }
        shown
    }

    fn change(&self, bot: &BotId, expect: Expect) -> Change {
        let value = serde_json::to_vec(self).unwrap_or_default().into();
        Change::Write { table: Table::File, key: row_key(bot, &self.id), value: Some(value), expect }
    }
}

fn rows_of(bot: &BotId) -> Key {
    Key::new().text("file").text(bot.as_str())
}

fn row_key(bot: &BotId, id: &str) -> Key {
    rows_of(bot).text(id)
}

/// A key names one file of one owner.
fn name_key(bot: &BotId, via: Option<&str>, key: &str) -> Key {
    Key::new().text("file-key").text(bot.as_str()).text(via.unwrap_or_default()).text(key)
}

/// A file with the version of its row, unless its time is over.
pub(crate) async fn read(api: &Shared, bot: &BotId, id: &str) -> Result<Option<(Row, u64)>, Problem> {
    if id.len() > 100 {
        return Ok(None);
    }
    let found = api.store.get(Table::File, &row_key(bot, id)).await.map_err(problems::store)?;
    let read = found.and_then(|row| Some((serde_json::from_slice::<Row>(&row.value).ok()?, row.version)));
    Ok(read.filter(|(row, _)| row.expires_at.is_none_or(|at| at > now())))
}

/// A file that the path names.
async fn addressed(api: &Shared, caller: &Caller, id: &str) -> Result<(Row, u64), Problem> {
    let found = read(api, &caller.bot, id).await?.filter(|(row, _)| row.is_for(caller));
    found.ok_or_else(|| not_found("file"))
}

/// Makes a file, or announces new content for it; the content goes to `uploadUrl`.
#[utoipa::path(put, path = "/v1/files", operation_id = "upsertFile", tag = "files",
    request_body = NewFile, responses((status = 200, body = FileAnswer)))]
pub(crate) async fn upsert(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewFile>,
) -> Answer<FileAnswer> {
    let new = body.value;
    if new.key.is_empty() || new.key.len() > MAX_KEY {
        return Err(Problem::field("key", format!("must be a text of 1 to {MAX_KEY} bytes")));
    }
    if new.size > api.limits.file {
        let problem = Problem::new(
            Kind::PayloadTooLarge,
            format!("size: at most {} bytes are allowed", api.limits.file),
        );
        return Err(problem.with("field", "size").with("limit", api.limits.file));
    }
    let tags = names::stored(caller.view(), &new.tags, "tags")?;
    let expires_at = new.expires_at.as_deref().map(expiry).transpose()?;
    let content_type = content_type(new.content_type.as_deref(), &new.key)?;
    let via = caller.via.as_ref().map(|via| via.id.to_string());
    let name = name_key(&caller.bot, via.as_deref(), &new.key);
    let _turn = api.turn(&format!("file {} {}", caller.bot, new.key)).await;
    for _ in 0..TRIES {
        let at = now();
        let named = api.store.get(Table::File, &name).await.map_err(problems::store)?;
        let old = match &named {
            Some(named) => read(&api, &caller.bot, &String::from_utf8_lossy(&named.value)).await?,
            None => None,
        };
        let mut row = match &old {
            Some((old, _)) => old.clone(),
            None => Row {
                id: format!("file_{}", base32(uuid::Uuid::now_v7().as_bytes())),
                key: new.key.clone(),
                size: 0,
                content_type: String::new(),
                tags: TagMap::new(),
                metadata: Map::new(),
                policies: Vec::new(),
                status: FileStatus::UploadPending,
                digest: None,
                expires_at: None,
                via: via.clone(),
                created_at: at,
                updated_at: at,
            },
        };
        row.size = new.size;
        row.content_type.clone_from(&content_type);
        names::merge(&mut row.tags, tags.clone());
        merge(&mut row.metadata, new.metadata.as_ref());
        row.policies = new.access_policies.clone().unwrap_or(row.policies);
        row.expires_at = expires_at.or(row.expires_at);
        row.status = FileStatus::UploadPending;
        row.updated_at = at;
        let mut changes =
            vec![row.change(&caller.bot, old.as_ref().map_or(Expect::Absent, |(_, v)| Expect::Version(*v)))];
        if old.is_none() {
            changes.push(Change::Write {
                table: Table::File,
                key: name.clone(),
                value: Some(row.id.clone().into()),
                expect: named.map_or(Expect::Absent, |named| Expect::Version(named.version)),
            });
        }
        if api.commit(changes).await? {
            let mut file = row.show(&api, &caller);
            if let Some(fields) = file.as_object_mut() {
                let url = transfer::signed_url(&api, Way::Up, &caller.bot, &row.id);
                fields.insert("uploadUrl".into(), url.into());
            }
            return Ok(axum::Json(FileAnswer { file }));
        }
    }
    Err(too_busy())
}

/// A file.
#[utoipa::path(get, path = "/v1/files/{id}", operation_id = "getFile", tag = "files",
    params(("id" = String, Path)), responses((status = 200, body = FileAnswer)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<FileAnswer> {
    let (row, _) = addressed(&api, &caller, &id).await?;
    Ok(axum::Json(FileAnswer { file: row.show(&api, &caller) }))
}

/// Changes what is known of a file.
#[utoipa::path(put, path = "/v1/files/{id}", operation_id = "updateFileMetadata", tag = "files",
    params(("id" = String, Path)), request_body = FileChange, responses((status = 200, body = FileAnswer)))]
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    body: Json<FileChange>,
) -> Answer<FileAnswer> {
    let change = body.value;
    let tags = names::stored(caller.view(), &change.tags, "tags")?;
    let expires_at = match &change.expires_at {
        Some(Some(text)) => Some(Some(expiry(text)?)),
        Some(None) => Some(None),
        None => None,
    };
    for _ in 0..TRIES {
        let (mut row, version) = addressed(&api, &caller, &id).await?;
        names::merge(&mut row.tags, tags.clone());
        merge(&mut row.metadata, change.metadata.as_ref());
        row.policies = change.access_policies.clone().unwrap_or(row.policies);
        row.expires_at = expires_at.unwrap_or(row.expires_at);
        row.updated_at = now();
        if api.commit(vec![row.change(&caller.bot, Expect::Version(version))]).await? {
            return Ok(axum::Json(FileAnswer { file: row.show(&api, &caller) }));
        }
    }
    Err(too_busy())
}

/// Removes a file.
#[utoipa::path(delete, path = "/v1/files/{id}", operation_id = "deleteFile", tag = "files",
    params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<Done> {
    for _ in 0..TRIES {
        let (row, version) = addressed(&api, &caller, &id).await?;
        // The content itself may be another file's too; what no row names is removed by the store's sweep.
        let changes = vec![
            Change::Write {
                table: Table::File,
                key: row_key(&caller.bot, &row.id),
                value: None,
                expect: Expect::Version(version),
            },
            Change::delete(Table::File, name_key(&caller.bot, row.via.as_deref(), &row.key)),
        ];
        if api.commit(changes).await? {
            return Ok(axum::Json(Done {}));
        }
    }
    Err(too_busy())
}

/// Files, newest first unless asked otherwise.
#[utoipa::path(get, path = "/v1/files", operation_id = "listFiles", tag = "files",
    params(
        ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query),
        ("sortField" = Option<String>, Query, description = "createdAt, updatedAt, key, size or status"),
        ("sortDirection" = Option<String>, Query, description = "asc or desc"),
        ("tags" = Option<std::collections::BTreeMap<String, String>>, Query, description = "as tags.name=value"),
        ("ids" = Option<Vec<String>>, Query),
    ),
    responses((status = 200, body = FileList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Answer<FileList> {
    let fields = ["createdAt", "updatedAt", "key", "size", "status"];
    let field = query.word("sortField", &fields)?.unwrap_or("createdAt");
    let ascending = query.word("sortDirection", &["asc", "desc"])? == Some("asc");
    let ids = query.many("ids");
    let tags = names::filter(caller.view(), query.tags());
    let at = now();
    let takes = |row: &Row| {
        row.is_for(&caller)
            && (ids.is_empty() || ids.contains(&row.id.as_str()))
            && row.expires_at.is_none_or(|ends| ends > at)
            && names::passes(&row.tags, &tags)
    };
    let show = |rows: &[Row]| rows.iter().map(|row| row.show(&api, &caller)).collect();
    if ascending || field != "createdAt" {
        let paging = Paging::read(&api, &caller.bot, format!("files {field} {ascending}"), &query)?;
        let mut all: Vec<Row> =
            rows(&api, &caller, None, MOST).await?.into_iter().map(|(_, row)| row).collect();
        listing::whole(&all)?;
        all.retain(takes);
        let order = Order { updated: false, ascending };
        let (page, next) = listing::page(all, order, &paging, |row| match field {
            "updatedAt" => (row.updated_at, row.id.clone()),
            "size" => (row.size, row.id.clone()),
            "status" => (row.status as u64, row.id.clone()),
            "key" => (0, format!("{}\0{}", row.key, row.id)),
            _ => (row.created_at, row.id.clone()),
        })?;
        return Ok(axum::Json(FileList { files: show(&page), meta: paging.meta(next.as_deref()) }));
    }
    let paging = Paging::read(&api, &caller.bot, "files".into(), &query)?;
    let (mut found, mut cursor) = (Vec::new(), paging.key());
    for _ in 0..16 {
        let room = paging.size - found.len();
        let page = rows(&api, &caller, cursor.take(), room).await?;
        cursor = (page.len() == room).then(|| page.last().map(|(key, _)| key.clone())).flatten();
        found.extend(page.into_iter().map(|(_, row)| row).filter(takes));
        if cursor.is_none() || found.len() == paging.size {
            break;
        }
    }
    let meta = paging.meta(cursor.as_ref().map(|key| key.0.as_slice()));
    Ok(axum::Json(FileList { files: show(&found), meta }))
}

/// Files newest first: ids ascend with time.
async fn rows(
    api: &Shared,
    caller: &Caller,
    after: Option<Key>,
    limit: usize,
) -> Result<Vec<(Key, Row)>, Problem> {
    let range = KeyRange::prefix(rows_of(&caller.bot), limit).after(after).reversed();
    let found = api.store.scan(Table::File, range).await.map_err(problems::store)?;
    Ok(found
        .into_iter()
        .filter_map(|(key, row)| Some((key, serde_json::from_slice(&row.value).ok()?)))
        .collect())
}

/// Names the content that was uploaded for a file as it was announced.
pub(crate) async fn uploaded(
    api: &Shared,
    bot: &BotId,
    id: &str,
    announced: &Row,
    digest: String,
) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let (mut row, version) = read(api, bot, id).await?.ok_or_else(|| not_found("file"))?;
        if row.size != announced.size {
            return Err(Problem::new(Kind::ResourceLockedConflict, "other content was announced meanwhile"));
        }
        row.digest = Some(digest.clone());
        row.status = FileStatus::UploadCompleted;
        row.updated_at = now();
        if api.commit(vec![row.change(bot, Expect::Version(version))]).await? {
            return Ok(());
        }
    }
    Err(too_busy())
}

fn merge(metadata: &mut Map<String, Value>, given: Option<&Map<String, Value>>) {
    for (name, value) in given.into_iter().flatten() {
        if value.is_null() {
            metadata.remove(name);
        } else {
            metadata.insert(name.clone(), value.clone());
        }
    }
}

fn expiry(text: &str) -> Result<Millis, Problem> {
    crate::query::time(text).filter(|at| *at > now()).ok_or_else(|| {
        Problem::field("expiresAt", "must be an ISO 8601 time ahead, such as 2036-01-02T03:04:05Z")
    })
}

fn content_type(given: Option<&str>, key: &str) -> Result<String, Problem> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Ok(mime_guess::from_path(key).first_or_octet_stream().to_string());
    };
    let is_plain = given.len() <= 200 && given.contains('/') && http::HeaderValue::from_str(given).is_ok();
    if is_plain {
        Ok(given.to_owned())
    } else {
        Err(Problem::field("contentType", "must be a media type such as image/png"))
    }
}
