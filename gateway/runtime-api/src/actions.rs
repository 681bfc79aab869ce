//! Actions of integrations, called while the caller waits; and what an integration says of itself.

use axum::extract::State;
use portico_problem::{Kind, Problem};
use portico_store::{Change, Commit, Key, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::body::Json;
use crate::caller::Caller;
use crate::problems;
use crate::wire::{Cached, Done};

/// An action to call.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ActionBody {
    /// `alias:action`, such as `slack:addReaction`. An integration may leave out its own alias.
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    input: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ActionAnswer {
    /// What the action gave back.
    #[schema(value_type = Object)]
    output: Value,
    meta: Cached,
}

/// Calls an action and waits for its output.
#[utoipa::path(post, path = "/v1/chat/actions", operation_id = "callAction", tag = "actions",
    params(("idempotency-key" = Option<String>, Header, description = "handed to the provider where it takes one")),
    request_body = ActionBody, responses((status = 200, body = ActionAnswer)))]
pub(crate) async fn call(
    State(api): State<Api>,
    caller: Caller,
    body: Json<ActionBody>,
) -> Result<axum::Json<ActionAnswer>, Problem> {
    let ActionBody { kind, input } = body.value;
    let (input, key) = (Value::Object(input), caller.key.as_deref());
    let output = match &caller.via {
        None => api.actions.call(&caller.bot, &kind, input, key).await,
        Some(via) => match kind.split_once(':') {
            None => api.actions.call_on(via, &kind, input, key).await,
            Some((alias, action)) if alias == &*via.alias => {
                api.actions.call_on(via, action, input, key).await
            }
            Some(_) => {
                return Err(Problem::new(Kind::Forbidden, "an integration may call its own actions only"));
            }
        },
    };
    let output = match output.map_err(problems::action)? {
        Value::Null => json!({}),
        output => output,
    };
    Ok(axum::Json(ActionAnswer { output, meta: Cached { cached: false } }))
}

/// How often an integration wants to be registered anew.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Every {
    Hourly,
    Daily,
    Weekly,
    BiWeekly,
    Monthly,
    BiMonthly,
    Quarterly,
    Yearly,
}

/// What an integration says of itself.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct IntegrationSettings {
    /// The account at the provider; `null` forgets it.
    #[serde(deserialize_with = "crate::wire::nullable")]
    #[schema(value_type = Option<String>)]
    identifier: Option<Option<String>>,
    /// Kept; built-in connectors say in their manifest what runs when.
    schedule_register_call: Option<Every>,
    /// Kept.
    sandbox_identifiers: Option<Vec<String>>,
}

/// Keeps what an integration says of itself.
#[utoipa::path(post, path = "/v1/chat/integrations/configure", operation_id = "configureIntegration",
    tag = "actions", request_body = IntegrationSettings, responses((status = 200, body = Done)))]
pub(crate) async fn configure(
    State(api): State<Api>,
    caller: Caller,
    body: Json<IntegrationSettings>,
) -> Result<axum::Json<Done>, Problem> {
    let Some(via) = &caller.via else {
        let reason = "is for integrations: send x-integration-id or x-integration-alias";
        return Err(Problem::new(Kind::Forbidden, format!("configureIntegration {reason}")));
    };
    let settings = body.value;
    if settings.identifier.iter().flatten().any(|identifier| identifier.len() > 2000) {
        return Err(Problem::field("identifier", "must have at most 2000 bytes"));
    }
    let row = |name: &str| Key::new().text("settings").text(via.id.as_str()).text(name);
    let mut changes = Vec::new();
    let mut keep = |name: &str, value: Option<Value>| {
        changes.push(match value {
            Some(value) => Change::put(Table::Installation, row(name), value.to_string()),
            None => Change::delete(Table::Installation, row(name)),
        });
    };
    if let Some(identifier) = settings.identifier {
        keep("identifier", identifier.filter(|text| !text.is_empty()).map(Value::from));
    }
    if let Some(every) = settings.schedule_register_call {
        keep("register", Some(json!(every)));
    }
    if let Some(identifiers) = settings.sandbox_identifiers {
        keep("sandbox", Some(json!(identifiers)));
    }
    if !changes.is_empty() {
        api.store.commit(Commit::of(changes)).await.map_err(problems::store)?;
    }
    Ok(axum::Json(Done {}))
}
