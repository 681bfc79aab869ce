//! What a page may know of a channel: its look, its limits and the client's files. Nothing else is public.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};
use portico_problem::Problem;
use serde_json::{Map, Value, json};

use crate::asked::Named;
use crate::assets;
use crate::caller::origin_of;
use crate::channel::Channel;
use crate::errors::Refused;
use crate::frame::{Close, MAX_FRAME};
use crate::shared::Api;

/// Answers with the public configuration.
pub(crate) async fn get(
    State(api): State<Api>,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let channel = api.channel(&id).ok_or_else(|| Refused::new(Close::Channel).problem())?;
    if origin_of(&headers).is_some_and(|origin| !api.may_use(&channel, origin)) {
        return Err(Refused::new(Close::Origin).problem());
    }
    let mut response = Json(public(&channel)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    Ok(response)
}

/// The public configuration: the look's own keys, and those named here.
pub(crate) fn public(channel: &Arc<Channel>) -> Value {
    let limits = &channel.limits;
    let mut config: Map<String, Value> = channel.look.clone();
    config.entry("botName").or_insert_with(|| channel.bot_name().into());
    config.insert("channel".into(), channel.at.id.as_str().into());
    config.insert("name".into(), channel.bot_name().into());
    config.insert("identity".into(), channel.identity.as_str().into());
    config.insert("typing".into(), channel.typing.into());
    config.insert("page".into(), channel.page.into());
    config.insert("overridable".into(), channel.overridable.clone().into());
    config.insert(
        "upload".into(),
        json!({
            "enabled": channel.upload,
            "maxBytes": limits.file,
            "accept": limits.accept,
            "maxFiles": limits.files,
        }),
    );
    config.insert(
        "limits".into(),
        json!({ "frame": MAX_FRAME, "text": limits.text, "file": if channel.upload { limits.file } else { 0 } }),
    );
    config.insert("assets".into(), assets::manifest().clone());
    Value::Object(config)
}
