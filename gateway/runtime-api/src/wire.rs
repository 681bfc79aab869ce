//! The objects of the API as they are documented (Botpress protocol, 1.6).
//!
//! The store writes them (`records::view`), once for the API and for dispatch; these types say the same to
//! `openapi.json`, and a test reads what the store writes as these types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

type Texts = BTreeMap<String, String>;

macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $kind,)+ }
    };
}

object! {
    /// A person, or the bot itself.
    User {
        id: String,
        /// ISO 8601 in UTC, ending in `Z`.
        created_at: String,
        updated_at: String,
        /// The bot sees an integration's tags as `alias:name`; the integration sees its own without prefix.
        tags: Texts,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        picture_url: Option<String>,
        properties: Texts,
        /// Deprecated by Botpress.
        attributes: Texts,
    }
}

object! {
    /// A conversation of one channel of one integration.
    Conversation {
        id: String,
        created_at: String,
        updated_at: String,
        channel: String,
        /// Alias of the integration; empty for a conversation that the bot made for itself.
        integration: String,
        tags: Texts,
        message_count: u64,
        properties: Texts,
        #[serde(skip_serializing_if = "Option::is_none")]
        current_task_id: Option<String>,
    }
}

/// Seen from the bot.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// To the bot.
    Incoming,
    /// From the bot.
    Outgoing,
}

/// Where a message came from, if not from a person or bot.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// Nobody typed it.
    Synthetic,
}

object! {
    /// A message.
    Message {
        id: String,
        created_at: String,
        updated_at: String,
        #[serde(rename = "type")]
        kind: String,
        payload: Map<String, Value>,
        direction: Direction,
        user_id: String,
        conversation_id: String,
        /// The bot finds the way of its message here: `portico:status`, `portico:failure`.
        tags: Texts,
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    }
}

/// How far an event got.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventStatus {
    /// It waits for the bot.
    Pending,
    /// The bot took it.
    Processed,
    /// There was nothing to do.
    Ignored,
    /// It was given up.
    Failed,
    /// Its time has not come.
    Scheduled,
    /// It was cancelled before its time.
    Canceled,
}

object! {
    /// An event.
    Event {
        id: String,
        created_at: String,
        #[serde(rename = "type")]
        kind: String,
        payload: Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        workflow_id: Option<String>,
        status: EventStatus,
        failure_reason: Option<String>,
    }
}

/// Whose state.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StateKind {
    Conversation,
    User,
    Bot,
    Integration,
    Workflow,
}

object! {
    /// A named state.
    State {
        id: String,
        created_at: String,
        updated_at: String,
        bot_id: String,
        name: String,
        #[serde(rename = "type")]
        kind: StateKind,
        payload: Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
        /// Milliseconds without use after which it is forgotten.
        #[serde(skip_serializing_if = "Option::is_none")]
        expiry: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<String>,
    }
}

object! {
    /// A file.
    File {
        id: String,
        bot_id: String,
        key: String,
        /// Serves the content: to everybody with `public_content`, else for a day.
        url: String,
        size: Option<u64>,
        content_type: String,
        tags: Texts,
        metadata: Map<String, Value>,
        created_at: String,
        updated_at: String,
        access_policies: Vec<AccessPolicy>,
        /// Always false: there is no index.
        index: bool,
        status: FileStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<String>,
        owner: FileOwner,
        /// Where to PUT the content, in the answer of upsertFile; good for an hour.
        #[serde(skip_serializing_if = "Option::is_none")]
        upload_url: Option<String>,
    }
}

object! {
    /// Whose file.
    FileOwner {
        /// `bot` or `integration`.
        #[serde(rename = "type")]
        kind: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        alias: Option<String>,
    }
}

/// Who may read a file besides its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccessPolicy {
    /// Everybody who has the address.
    PublicContent,
    /// The bot's integrations.
    Integrations,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileStatus {
    /// Its content is awaited.
    UploadPending,
    /// Its content is there.
    UploadCompleted,
}

/// Where a workflow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkflowStatus {
    /// Not begun.
    Pending,
    /// Under way.
    InProgress,
    /// Waits for something.
    Listening,
    /// Stopped for a while.
    Paused,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Took too long.
    Timedout,
    /// Called off.
    Cancelled,
}

object! {
    /// A workflow of a bot: kept, not run.
    Workflow {
        id: String,
        name: String,
        status: WorkflowStatus,
        input: Map<String, Value>,
        output: Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parent_workflow_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
        created_at: String,
        updated_at: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        completed_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        failure_reason: Option<String>,
        timeout_at: String,
        tags: Texts,
    }
}

/// About a page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    /// Send it back as `?nextToken=` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// About a get-or-create.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    /// Whether it was made by this call.
    pub(crate) created: bool,
}

/// About a value that could come from a cache; it never does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cached {
    /// False.
    pub(crate) cached: bool,
}

/// Nothing more to say.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Done {}

/// When something is to happen: at a time, or after a pause.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    /// ISO 8601.
    pub(crate) date_time: Option<String>,
    /// Milliseconds from now.
    pub(crate) delay: Option<u64>,
}

impl Schedule {
    /// The time that is meant.
    pub(crate) fn due(&self, now: u64) -> Result<u64, portico_problem::Problem> {
        use portico_problem::Problem;
        match (&self.date_time, self.delay) {
            (Some(text), None) => crate::query::time(text).ok_or_else(|| {
                Problem::field("schedule.dateTime", "must be an ISO 8601 time such as 2026-01-02T03:04:05Z")
            }),
            (None, Some(delay)) => Ok(now.saturating_add(delay)),
            _ => Err(Problem::field("schedule", "must have either dateTime or delay")),
        }
    }
}

/// Tells `null` from a field that is not there.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
