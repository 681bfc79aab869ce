//! Workflows of bots: kept and listed; the gateway does not run them.

use std::collections::BTreeMap;

use axum::extract::State;
use portico_contract::{Millis, base32};
use portico_problem::Problem;
use portico_store::records::{StateType, TagMap, iso};
use portico_store::{Change, Expect, Key, KeyRange, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::body::Json;
use crate::caller::Caller;
use crate::names::{self, TagInput};
use crate::page::Paging;
use crate::path::Segments;
use crate::problems::{self, no_reference, not_found};
use crate::query::Query;
use crate::shared::{TRIES, now, too_busy};
use crate::wire::{self, Created, Done, Meta, WorkflowStatus, nullable};
use crate::{Api, Shared};

/// How long a workflow may take when it does not say: a day.
const TIMEOUT: Millis = 24 * 3600 * 1000;
/// Workflows that get-or-create looks through, newest first, where nobody claimed the tags.
const LOOK_BACK: usize = 500;

/// A workflow to make or find.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewWorkflow {
    name: String,
    status: WorkflowStatus,
    #[serde(default)]
    input: Map<String, Value>,
    conversation_id: Option<String>,
    user_id: Option<String>,
    parent_workflow_id: Option<String>,
    /// ISO 8601; a day from now if not given.
    timeout_at: Option<String>,
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    tags: TagInput,
    /// For get-or-create: the tags that must equal; without it all must.
    discriminate_by_tags: Option<Vec<String>>,
    /// For get-or-create: `active` or `finished`; one of the other group is left alone.
    discriminate_by_status_group: Option<StatusGroup>,
}

/// Workflows that go on, or that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StatusGroup {
    Active,
    Finished,
}

/// What to change about a workflow; `null` removes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WorkflowChange {
    status: Option<WorkflowStatus>,
    output: Option<Map<String, Value>>,
    timeout_at: Option<String>,
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    failure_reason: Option<Option<String>>,
    user_id: Option<String>,
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    tags: TagInput,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowAnswer {
    #[schema(value_type = wire::Workflow)]
    workflow: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FoundWorkflow {
    #[schema(value_type = wire::Workflow)]
    workflow: Value,
    meta: Created,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowList {
    #[schema(value_type = Vec<wire::Workflow>)]
    workflows: Vec<Value>,
    meta: Meta,
}

type Answer<T> = Result<axum::Json<T>, Problem>;

/// A workflow as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    id: String,
    name: String,
    status: WorkflowStatus,
    input: Map<String, Value>,
    output: Map<String, Value>,
    parent: Option<String>,
    conversation: Option<String>,
    user: Option<String>,
    failure: Option<String>,
    tags: TagMap,
    created_at: Millis,
    updated_at: Millis,
    completed_at: Option<Millis>,
    timeout_at: Millis,
}

impl Row {
    fn has_ended(&self) -> bool {
        use WorkflowStatus::{Cancelled, Completed, Failed, Timedout};
        matches!(self.status, Completed | Failed | Timedout | Cancelled)
    }

    fn show(&self, caller: &Caller) -> Value {
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "input": self.input,
            "output": self.output,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "timeoutAt": iso(self.timeout_at),
            "tags": caller.view().tags(&self.tags),
        });
        if let Some(fields) = shown.as_object_mut() {
            let optional = [
                ("parentWorkflowId", self.parent.clone()),
                ("conversationId", self.conversation.clone()),
                ("userId", self.user.clone()),
                ("failureReason", self.failure.clone()),
                ("completedAt", self.completed_at.map(iso)),
            ];
            fields.extend(
                optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))),
            );
        }
        shown
    }

    fn change(&self, caller: &Caller, expect: Expect) -> Change {
        let value = serde_json::to_vec(self).unwrap_or_default().into();
        Change::Write { table: Table::Workflow, key: key(caller, &self.id), value: Some(value), expect }
    }
}

fn key(caller: &Caller, id: &str) -> Key {
    Key::new().text(caller.bot.as_str()).text(id)
}

/// A workflow with the version of its row.
pub(crate) async fn read(caller: &Caller, id: &str) -> Result<Option<(Row, u64)>, Problem> {
    if id.len() > 100 {
        return Ok(None);
    }
    let found =
        caller.records.store().get(Table::Workflow, &key(caller, id)).await.map_err(problems::store)?;
    Ok(found.and_then(|row| Some((serde_json::from_slice(&row.value).ok()?, row.version))))
}

/// Makes a workflow.
#[utoipa::path(post, path = "/v1/chat/workflows", operation_id = "createWorkflow", tag = "workflows",
    request_body = NewWorkflow, responses((status = 200, body = WorkflowAnswer)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewWorkflow>,
) -> Answer<WorkflowAnswer> {
    let row = new_row(&caller, &body.value).await?;
    api.commit(vec![row.change(&caller, Expect::Absent)]).await?;
    Ok(axum::Json(WorkflowAnswer { workflow: row.show(&caller) }))
}

/// Finds a workflow by name and tags, or makes it; at once from many sides it is made once.
#[utoipa::path(post, path = "/v1/chat/workflows/get-or-create", operation_id = "getOrCreateWorkflow",
    tag = "workflows", request_body = NewWorkflow, responses((status = 200, body = FoundWorkflow)))]
pub(crate) async fn get_or_create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<NewWorkflow>,
) -> Answer<FoundWorkflow> {
    let (row, created) = found(&api, &caller, &body.value).await?;
    Ok(axum::Json(FoundWorkflow { workflow: row.show(&caller), meta: Created { created } }))
}

async fn found(api: &Shared, caller: &Caller, new: &NewWorkflow) -> Result<(Row, bool), Problem> {
    let row = new_row(caller, new).await?;
    let stored_name = |name: &str| caller.view().stored_name(name);
    let telling = names::telling(&row.tags, stored_name, new.discriminate_by_tags.as_deref(), "")?;
    let claim = names::claim_of(&telling);
    let kind = format!("workflow:{}:{:?}", row.name, new.discriminate_by_status_group);
    let fits = |other: &Row| {
        other.name == row.name
            && telling.iter().all(|(name, value)| other.tags.get(name) == Some(value))
            && new
                .discriminate_by_status_group
                .is_none_or(|group| (group == StatusGroup::Finished) == other.has_ended())
    };
    let _turn = api.turn(&format!("{} {kind} {telling:?}", caller.bot)).await;
    for _ in 0..TRIES {
        let claimed = caller.records.claim(&kind, &claim).await.map_err(problems::store)?;
        if let Some((id, _)) = &claimed
            && let Some((known, _)) = read(caller, id).await?
            && fits(&known)
        {
            return Ok((known, false));
        }
        let latest = rows(caller, None, LOOK_BACK).await?;
        if let Some((_, known)) = latest.into_iter().find(|(_, known)| fits(known)) {
            return Ok((known, false));
        }
        let claim = caller.records.claim_change(&kind, &claim, &row.id, claimed.map(|(_, version)| version));
        if api.commit(vec![claim, row.change(caller, Expect::Absent)]).await? {
            return Ok((row, true));
        }
    }
    Err(too_busy())
}

/// A workflow.
#[utoipa::path(get, path = "/v1/chat/workflows/{id}", operation_id = "getWorkflow", tag = "workflows",
    params(("id" = String, Path)), responses((status = 200, body = WorkflowAnswer)))]
pub(crate) async fn get(caller: Caller, Segments(id): Segments<String>) -> Answer<WorkflowAnswer> {
    let (row, _) = read(&caller, &id).await?.ok_or_else(|| not_found("workflow"))?;
    Ok(axum::Json(WorkflowAnswer { workflow: row.show(&caller) }))
}

/// Changes a workflow.
#[utoipa::path(put, path = "/v1/chat/workflows/{id}", operation_id = "updateWorkflow", tag = "workflows",
    params(("id" = String, Path)), request_body = WorkflowChange, responses((status = 200, body = WorkflowAnswer)))]
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    body: Json<WorkflowChange>,
) -> Answer<WorkflowAnswer> {
    let change = body.value;
    let tags = names::stored(caller.view(), &change.tags, "tags")?;
    let timeout = change.timeout_at.as_deref().map(timeout).transpose()?;
    let user = match &change.user_id {
        Some(id) => Some(crate::users::referenced(&caller, id, "userId").await?.value.id.to_string()),
        None => None,
    };
    for _ in 0..TRIES {
        let (old, version) = read(&caller, &id).await?.ok_or_else(|| not_found("workflow"))?;
        let mut row = old.clone();
        names::merge(&mut row.tags, tags.clone());
        row.status = change.status.unwrap_or(row.status);
        row.timeout_at = timeout.unwrap_or(row.timeout_at);
        if let Some(output) = &change.output {
            row.output.clone_from(output);
        }
        if let Some(reason) = &change.failure_reason {
            row.failure = reason.clone().filter(|reason| !reason.is_empty());
        }
        row.user = user.clone().or(row.user);
        row.updated_at = now();
        row.completed_at = row.has_ended().then(|| old.completed_at.unwrap_or(row.updated_at));
        if api.commit(vec![row.change(&caller, Expect::Version(version))]).await? {
            return Ok(axum::Json(WorkflowAnswer { workflow: row.show(&caller) }));
        }
    }
    Err(too_busy())
}

/// Removes a workflow and its states.
#[utoipa::path(delete, path = "/v1/chat/workflows/{id}", operation_id = "deleteWorkflow", tag = "workflows",
    params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<Done> {
    for _ in 0..TRIES {
        let (_, version) = read(&caller, &id).await?.ok_or_else(|| not_found("workflow"))?;
        let mut changes = crate::states::removal(&caller, StateType::Workflow, &id).await?;
        changes.push(Change::Write {
            table: Table::Workflow,
            key: key(&caller, &id),
            value: None,
            expect: Expect::Version(version),
        });
        if api.commit(changes).await? {
            return Ok(axum::Json(Done {}));
        }
    }
    Err(too_busy())
}

/// Workflows, newest first.
#[utoipa::path(get, path = "/v1/chat/workflows", operation_id = "listWorkflows", tag = "workflows",
    params(
        ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query), ("name" = Option<String>, Query),
        ("conversationId" = Option<String>, Query), ("userId" = Option<String>, Query),
        ("parentWorkflowId" = Option<String>, Query), ("statuses" = Option<Vec<String>>, Query),
        ("tags" = Option<std::collections::BTreeMap<String, String>>, Query, description = "as tags.name=value"),
    ),
    responses((status = 200, body = WorkflowList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Answer<WorkflowList> {
    let tags = names::filter(caller.view(), query.tags());
    let paging = Paging::read(&api, &caller.bot, "workflows".into(), &query)?;
    let statuses: Vec<&str> = query.many("statuses").into_iter().chain(query.many("status")).collect();
    let wanted = |row: &Row| {
        let named: BTreeMap<&str, Option<&str>> = BTreeMap::from([
            ("name", Some(row.name.as_str())),
            ("conversationId", row.conversation.as_deref()),
            ("userId", row.user.as_deref()),
            ("parentWorkflowId", row.parent.as_deref()),
        ]);
        let status = json!(row.status);
        named.iter().all(|(field, value)| query.one(field).is_none_or(|wanted| *value == Some(wanted)))
            && (statuses.is_empty() || statuses.iter().any(|wanted| status == *wanted))
            && names::passes(&row.tags, &tags)
    };
    let (mut workflows, mut cursor) = (Vec::new(), paging.key());
    for _ in 0..16 {
        let room = paging.size - workflows.len();
        let page = rows(&caller, cursor.take(), room).await?;
        cursor = (page.len() == room).then(|| page.last().map(|(key, _)| key.clone())).flatten();
        workflows.extend(page.iter().filter(|(_, row)| wanted(row)).map(|(_, row)| row.show(&caller)));
        if cursor.is_none() || workflows.len() == paging.size {
            break;
        }
    }
    let meta = paging.meta(cursor.as_ref().map(|key| key.0.as_slice()));
    Ok(axum::Json(WorkflowList { workflows, meta }))
}

/// Workflows newest first: ids ascend with time.
async fn rows(caller: &Caller, after: Option<Key>, limit: usize) -> Result<Vec<(Key, Row)>, Problem> {
    let range = KeyRange::prefix(Key::new().text(caller.bot.as_str()), limit).after(after).reversed();
    let found = caller.records.store().scan(Table::Workflow, range).await.map_err(problems::store)?;
    Ok(found
        .into_iter()
        .filter_map(|(key, row)| Some((key, serde_json::from_slice(&row.value).ok()?)))
        .collect())
}

fn timeout(text: &str) -> Result<Millis, Problem> {
    crate::query::time(text)
        .ok_or_else(|| Problem::field("timeoutAt", "must be an ISO 8601 time such as 2026-01-02T03:04:05Z"))
}

async fn new_row(caller: &Caller, new: &NewWorkflow) -> Result<Row, Problem> {
    if new.name.is_empty() || new.name.len() > 200 {
        return Err(Problem::field("name", "must be a text of 1 to 200 bytes"));
    }
    let conversation = match &new.conversation_id {
        Some(id) => {
            Some(crate::conversations::referenced(caller, id, "conversationId").await?.value.id.to_string())
        }
        None => None,
    };
    let user = match &new.user_id {
        Some(id) => Some(crate::users::referenced(caller, id, "userId").await?.value.id.to_string()),
        None => None,
    };
    if let Some(parent) = &new.parent_workflow_id {
        read(caller, parent).await?.ok_or_else(|| no_reference("parentWorkflowId", "the workflow"))?;
    }
    let at = now();
    let mut row = Row {
        id: format!("workflow_{}", base32(uuid::Uuid::now_v7().as_bytes())),
        name: new.name.clone(),
        status: new.status,
        input: new.input.clone(),
        output: Map::new(),
        parent: new.parent_workflow_id.clone(),
        conversation,
        user,
        failure: None,
        tags: names::set(names::stored(caller.view(), &new.tags, "tags")?),
        created_at: at,
        updated_at: at,
        completed_at: None,
        timeout_at: new.timeout_at.as_deref().map(timeout).transpose()?.unwrap_or(at + TIMEOUT),
    };
    row.completed_at = row.has_ended().then_some(at);
    Ok(row)
}
