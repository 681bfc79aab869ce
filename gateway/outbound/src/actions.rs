//! Actions: what a bot or operator asks a connector to do, answered while the caller waits.

use std::sync::Arc;
use std::time::Duration;

use portico_contract::{
    ActionCall, BotId, ConversationId, EventId, Fault, FaultCode, Manifest, MessageId, MessageRef, Thread,
};
use portico_store::records::{Conversation, Records};
use portico_store::{Commit, Store, StoreError};
use portico_telemetry::Metrics;
use portico_turns::{Installation, Installations, Job, Turns};
use serde_json::{Map, Value, json};

use crate::media::Fetches;
use crate::verdict::short_text;
use crate::{Paces, now, render, schema};

/// Names that every connector may be asked for.
const STANDARD: [&str; 7] = [
    "startTypingIndicator",
    "stopTypingIndicator",
    "markAsRead",
    "addReaction",
    "removeReaction",
    "editMessage",
    "deleteMessage",
];
/// Time for one call; clients of the runtime API wait for 60 s.
const TIME_LIMIT: Duration = Duration::from_secs(50);

/// Why an action failed, in the words of the runtime API.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// The `type` of the error body.
    pub api_type: &'static str,
    /// HTTP status.
    pub status: u16,
    /// For the caller: names the field or the reason, never a secret.
    pub message: String,
    /// The connector's code and the provider's own words, where there are any.
    pub metadata: Value,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
}

impl ActionError {
    pub(crate) fn new(api_type: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { api_type, status, message: message.into(), metadata: json!({}), retry_after: None }
    }
}

impl From<StoreError> for ActionError {
    fn from(error: StoreError) -> Self {
        let mut refusal = Self::new("Internal", 503, error.to_string());
        refusal.retry_after = Some(Duration::from_secs(1));
        refusal
    }
}

impl From<Fault> for ActionError {
    fn from(fault: Fault) -> Self {
        let (api_type, status) = match fault.code {
            FaultCode::BadInput => ("InvalidPayload", 400),
            FaultCode::RateLimited => ("RateLimited", 429),
            FaultCode::Unsupported => ("MethodNotFound", 405),
            _ => ("Runtime", 400),
        };
        let mut metadata = json!({ "code": fault.code.as_str() });
        if let Value::Object(fields) = &mut metadata {
            if let Some(field) = &fault.field {
                fields.insert("field".into(), field.clone().into());
            }
            if let Some(detail) = &fault.detail {
                fields.insert("detail".into(), short_text(&detail.to_string()).into());
            }
        }
        let retry_after = fault.retry_after_ms.map(|pause| Duration::from_millis(u64::from(pause)));
        Self { api_type, status, message: short_text(&fault.message), metadata, retry_after }
    }
}

/// Where actions are called. One per process, shared behind an `Arc`.
pub struct Actions {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) installations: Arc<Installations>,
    pub(crate) turns: Turns,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) paces: Arc<Paces>,
    pub(crate) time_limit: Duration,
    pub(crate) fetches: Fetches,
}

impl std::fmt::Debug for Actions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actions").field("time_limit", &self.time_limit).finish_non_exhaustive()
    }
}

/// What an action is about, where its input says so.
#[derive(Default)]
struct About {
    conversation: Option<ConversationId>,
    channel: String,
    thread: Option<Thread>,
    message: Option<MessageRef>,
}

impl Actions {
    /// Actions over the turn processor. `paces` is shared with [`crate::Sender`].
    pub fn new(
        store: Arc<dyn Store>,
        installations: Arc<Installations>,
        turns: Turns,
        metrics: Arc<Metrics>,
        paces: Arc<Paces>,
    ) -> Self {
        Self {
            store,
            installations,
            turns,
            metrics,
            paces,
            time_limit: TIME_LIMIT,
            fetches: Fetches::default(),
        }
    }

    /// With another time limit for one call.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Calls `alias:name` for a bot and gives back its output. `input.conversationId` and `input.messageId`
    /// name Portico's objects; the connector gets the thread and the provider's ids. `idempotency` is the
    /// caller's key: equal keys reach the provider as one.
    ///
    /// # Errors
    /// [`ActionError`], ready for the runtime API.
    pub async fn call(
        &self,
        bot: &BotId,
        name: &str,
        input: Value,
        idempotency: Option<&str>,
    ) -> Result<Value, ActionError> {
        let (alias, action) = name.split_once(':').ok_or_else(|| {
            ActionError::new(
                "InvalidPayload",
                400,
                "type: must be 'integration:action', such as 'slack:addReaction'",
            )
        })?;
        let installation = self.installations.of_bot(bot, alias).ok_or_else(|| {
            ActionError::new("ReferenceNotFound", 400, "type: the bot has no such integration")
        })?;
        self.call_on(&installation, action, input, idempotency).await
    }

    /// As [`Actions::call`], on an installation that is known already.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn call_on(
        &self,
        installation: &Arc<Installation>,
        action: &str,
        input: Value,
        idempotency: Option<&str>,
    ) -> Result<Value, ActionError> {
        let input = checked_input(installation.connector.manifest(), action, input)?;
        let records = Records::of(self.store.clone(), installation.bot.clone());
        let about = self.about(&records, installation, &input).await?;
        if action == "markAsRead" && crate::is_live(installation) {
            // Kept for those who come back: a matter of the stream, not of the connector.
            let place = about
                .conversation
                .ok_or_else(|| ActionError::new("InvalidPayload", 400, "input.conversationId: is missing"))?;
            crate::live::mark_read(&records, self.turns.outlet(), place, named_message(&input)).await?;
            return Ok(json!({}));
        }
        let idempotency_key = match idempotency {
            Some(key) => format!("{}:{action}:{key}", installation.id),
            None => EventId::new().to_string(),
        };
        let told = crate::signals::event_entry(installation, about.conversation, action, &input);
        let call = ActionCall {
            name: action.to_owned(),
            input,
            thread: about.thread.clone(),
            message: about.message.clone(),
            idempotency_key,
        };
        let output = self.act(installation, call, &about).await?;
        if let Some(told) = told {
            self.store.commit(Commit::of([told])).await?;
        }
        self.with_own_ids(&records, installation, output).await
    }

    async fn act(
        &self,
        installation: &Arc<Installation>,
        call: ActionCall,
        about: &About,
    ) -> Result<Value, ActionError> {
        let run = self.run(installation, call, &about.channel, about.conversation);
        match tokio::time::timeout(self.time_limit, run).await {
            Ok(done) => done,
            Err(_) => Err(ActionError::new(
                "OperationTimeout",
                504,
                "the provider did not answer in time; the action may have happened",
            )),
        }
    }

    pub(crate) async fn run(
        &self,
        installation: &Arc<Installation>,
        call: ActionCall,
        channel: &str,
        conversation: Option<ConversationId>,
    ) -> Result<Value, ActionError> {
        if installation.is_paused(now()) {
            let fault = Fault::new(
                FaultCode::Unavailable,
                "the integration is paused, its connector failed repeatedly",
            );
            return Err(fault.into());
        }
        let pacer = self.paces.of(&installation.id, installation.connector.manifest());
        if let Some(left) = pacer.paused() {
            let pause = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
            return Err(Fault::new(FaultCode::RateLimited, "the provider wants a pause")
                .retry_after_ms(pause)
                .into());
        }
        match self.turns.run(installation, Job::Act(Box::new(call))).await {
            Ok(finished) => Ok(finished.output()),
            Err(mut fault) => {
                match fault.code {
                    FaultCode::RateLimited => {
                        let wished =
                            fault.retry_after_ms.map(|pause| Duration::from_millis(u64::from(pause)));
                        let place = conversation.map_or(0, render::short);
                        let (_, pause) = pacer.limited(channel, place, wished);
                        fault.retry_after_ms = Some(u32::try_from(pause.as_millis()).unwrap_or(u32::MAX));
                    }
                    FaultCode::Unauthenticated | FaultCode::BadConfig => {
                        installation.needs_attention(fault.code.as_str(), &short_text(&fault.message), now());
                        self.metrics.sends(installation.id.as_str()).attention.set(1);
                    }
                    _ => {}
                }
                Err(fault.into())
            }
        }
    }

    async fn about(
        &self,
        records: &Records,
        installation: &Installation,
        input: &Value,
    ) -> Result<About, ActionError> {
        let named = |field: &str| input.get(field).and_then(Value::as_str).filter(|id| !id.is_empty());
        let mut about = About::default();
        if let Some(text) = named("messageId") {
            let id = MessageId::parse(text).map_err(|error| {
                ActionError::new("InvalidPayload", 400, format!("input.messageId: {error}"))
            })?;
            let message = records.message(id).await?.ok_or_else(|| {
                ActionError::new("ReferenceNotFound", 400, "input.messageId: the message does not exist")
            })?;
            about.conversation = Some(message.value.conversation);
            about.message = Some(render::message_ref(records, installation, &message.value).await?);
        }
        if let Some(text) = named("conversationId") {
            let id = ConversationId::parse(text).map_err(|error| {
                ActionError::new("InvalidPayload", 400, format!("input.conversationId: {error}"))
            })?;
            if about.conversation.is_some_and(|known| known != id) {
                let reason = "input.messageId: the message belongs to another conversation";
                return Err(ActionError::new("RelationConflict", 409, reason));
            }
            about.conversation = Some(id);
        }
        if let Some(id) = about.conversation {
            let place = self.place(records, installation, id).await?;
            about.thread = Some(render::thread(installation, &place));
            about.channel = place.channel;
        }
        Ok(about)
    }

    async fn place(
        &self,
        records: &Records,
        installation: &Installation,
        id: ConversationId,
    ) -> Result<Conversation, ActionError> {
        let place = records.conversation(id).await?.ok_or_else(|| {
            ActionError::new(
                "ReferenceNotFound",
                400,
                "input.conversationId: the conversation does not exist",
            )
        })?;
        if !render::belongs(installation, &place.value) {
            let reason = "input.conversationId: the conversation belongs to another integration";
            return Err(ActionError::new("RelationConflict", 409, reason));
        }
        Ok(place.value)
    }

    /// An output's `messageId` as Portico's, where the connector gave the provider's and the message is known.
    async fn with_own_ids(
        &self,
        records: &Records,
        installation: &Installation,
        mut output: Value,
    ) -> Result<Value, ActionError> {
        if let Some(named) = output.get("messageId").and_then(Value::as_str)
            && MessageId::parse(named).is_err()
            && let Some(known) = records.message_of_external(&installation.id, named).await?
            && let Some(fields) = output.as_object_mut()
        {
            fields.insert("messageId".into(), known.value.id.to_string().into());
        }
        Ok(output)
    }
}

/// The message that an input names; [`Actions::about`] has read it.
fn named_message(input: &Value) -> Option<MessageId> {
    MessageId::parse(input.get("messageId")?.as_str()?).ok()
}

fn checked_input(manifest: &Manifest, action: &str, input: Value) -> Result<Value, ActionError> {
    let input = if input.is_null() { Value::Object(Map::new()) } else { input };
    if !input.is_object() {
        return Err(ActionError::new("InvalidPayload", 400, "input: must be an object"));
    }
    match manifest.actions.get(action) {
        Some(spec) => schema::check(&spec.input, &input, "input").map_err(|wrong| {
            ActionError::new("InvalidPayload", 400, format!("{}: {}", wrong.field, wrong.reason))
        })?,
        None if STANDARD.contains(&action) => {}
        None => {
            return Err(ActionError::new("MethodNotFound", 405, "type: the integration has no such action"));
        }
    }
    Ok(input)
}
