//! Values that a tag has; and what is taken in without effect.

use std::collections::BTreeSet;

use axum::extract::State;
use portico_problem::Problem;
use portico_store::records::{MessageFilter, TagOwner};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Api;
use crate::body::Json;
use crate::caller::Caller;
use crate::page::Paging;
use crate::path::Segments;
use crate::problems::{self, bad_query};
use crate::query::Query;
use crate::wire::{Done, Meta};

#[derive(Serialize, ToSchema)]
pub(crate) struct TagValue {
    value: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TagValues {
    tags: Vec<TagValue>,
    meta: Meta,
}

/// Values of a tag. For messages they are gathered page by page, so one may come again on a later page.
#[utoipa::path(get, path = "/v1/chat/tags/{key}/values", operation_id = "listTagValues", tag = "tags",
    params(
        ("key" = String, Path), ("type" = String, Query, description = "user, conversation or message"),
        ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query),
    ),
    responses((status = 200, body = TagValues)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Segments(key): Segments<String>,
    query: Query,
) -> Result<axum::Json<TagValues>, Problem> {
    let kinds = ["user", "conversation", "message"];
    let kind = query.word("type", &kinds)?;
    let kind = kind.ok_or_else(|| bad_query("type", "is missing, must be user, conversation or message"))?;
    let name = caller.view().stored_name(&key);
    let paging = Paging::read(&api, &caller.bot, format!("values {kind} {name}"), &query)?;
    let records = &caller.records;
    let owner = match kind {
        "user" => Some(TagOwner::User),
        "conversation" => Some(TagOwner::Conversation),
        _ => None,
    };
    let (values, next) = match owner {
        Some(owner) => {
            let page =
                records.tag_values(owner, &name, paging.key(), paging.size).await.map_err(problems::store)?;
            (page.items, page.next)
        }
        None => {
            let filter = MessageFilter::default();
            let page = records.all_messages(&filter, paging.key(), 100).await.map_err(problems::store)?;
            let values: BTreeSet<String> =
                page.items.into_iter().filter_map(|mut message| message.value.tags.remove(&name)).collect();
            (values.into_iter().collect(), page.next)
        }
    };
    let tags = values.into_iter().map(|value| TagValue { value }).collect();
    Ok(axum::Json(TagValues { tags, meta: paging.meta(next.as_ref().map(|key| key.0.as_slice())) }))
}

/// A figure of the bot's own.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Figure {
    #[expect(dead_code, reason = "checked, not kept")]
    name: String,
    #[expect(dead_code, reason = "checked, not kept")]
    count: f64,
}

/// Takes a figure and forgets it: Portico keeps no analytics.
#[utoipa::path(post, path = "/v1/chat/analytics", operation_id = "trackAnalytics", tag = "analytics",
    request_body = Figure, responses((status = 200, body = Done)))]
pub(crate) async fn analytics(_caller: Caller, _body: Json<Figure>) -> axum::Json<Done> {
    axum::Json(Done {})
}

/// Takes an observation and forgets it.
#[utoipa::path(post, path = "/v1/chat/observations", operation_id = "captureObservation", tag = "analytics",
    request_body = Object, responses((status = 200, body = Done)))]
pub(crate) async fn observation(_caller: Caller, _body: Json<Map<String, Value>>) -> axum::Json<Done> {
    axum::Json(Done {})
}
