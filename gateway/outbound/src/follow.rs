//! Edits and removals that follow a sent message to the provider, as actions of the connector.

use portico_contract::{ActionCall, Fault, FaultCode, MessageId, MessageRef};
use portico_lanes::Verdict;
use portico_store::records::{Conversation, Records, TagMap};
use portico_store::{Commit, Entry, EventOutcome, StoreError};
use portico_turns::{Installation, Job, Turns};
use serde_json::{Value, json};

use crate::deliver::Sender;
use crate::verdict::Failure;
use crate::{fit, now, render};

/// Attempts after which a replayed edit or deletion is given up.
const MAX_REPLAYED: u32 = 20;

impl Sender {
    pub(crate) async fn edit_sent(&self, entry: &Entry, id: MessageId) -> Result<Verdict, StoreError> {
        let records = Records::of(self.store.clone(), entry.event.bot.clone());
        let Some(message) = records.message_in(entry.event.lane.conversation, id).await? else {
            return Ok(Verdict::Settle(EventOutcome::Ignored));
        };
        let message = message.value;
        let external_ids =
            message.delivery.as_ref().map(|delivery| delivery.external_ids.clone()).unwrap_or_default();
        let Ok(content) = message.content() else { return Ok(Verdict::Settle(EventOutcome::Ignored)) };
        let input = |installation: &Installation, place: &Conversation| {
            let mut parts = render::parts(installation, place, content.clone())?;
            if parts.len() > 1 {
                parts = fit::as_text(content.clone())
                    .map_err(|unfit| Fault::new(FaultCode::Unsupported, unfit.to_string()))?;
            }
            let only =
                parts.into_iter().next().ok_or_else(|| Fault::new(FaultCode::BadInput, "nothing to say"))?;
            let (kind, payload) = only.into_parts();
            Ok(json!({ "conversationId": place.id, "messageId": id, "type": kind, "payload": payload }))
        };
        self.change(entry, records, "editMessage", external_ids, message.tags.clone(), input).await
    }

    pub(crate) async fn take_back(
        &self,
        entry: &Entry,
        id: MessageId,
        external_ids: Vec<String>,
    ) -> Result<Verdict, StoreError> {
        let records = Records::of(self.store.clone(), entry.event.bot.clone());
        let input = |_: &Installation, place: &Conversation| {
            Ok(json!({ "conversationId": place.id, "messageId": id }))
        };
        self.change(entry, records, "deleteMessage", external_ids, TagMap::new(), input).await
    }

    /// An edit or a deletion at the provider.
    async fn change(
        &self,
        entry: &Entry,
        records: Records,
        action: &'static str,
        external_ids: Vec<String>,
        tags: TagMap,
        input: impl FnOnce(&Installation, &Conversation) -> Result<Value, Fault>,
    ) -> Result<Verdict, StoreError> {
        let installation = self.installations.get(&entry.event.installation);
        let place = records.conversation(entry.event.lane.conversation).await?;
        // Never sent, or nobody is there to change it.
        let (Some(installation), Some(place), false) = (installation, place, external_ids.is_empty()) else {
            self.store.commit(Commit::of([Turns::forget_progress(entry.event.id)]).ordered()).await?;
            return Ok(Verdict::Settle(EventOutcome::Ignored));
        };
        let since = if entry.replay { now() } else { entry.event.received_at };
        let work = self.begin(entry, records, installation, since);
        if now() >= work.deadline || (entry.replay && entry.attempts >= MAX_REPLAYED) {
            return self.give_up(&work, Failure::expired()).await;
        }
        if self.waits(&work.installation) {
            return Ok(Verdict::Wait);
        }
        let input = match input(&work.installation, &place.value) {
            Ok(input) => input,
            Err(fault) => return self.give_up(&work, Failure::of(&fault)).await,
        };
        if let Some(verdict) = self.paced(&work, &place.value, 1).await {
            return Ok(verdict);
        }
        let message = MessageRef {
            external_ids,
            tags: render::own_tags(&work.installation.alias, &tags),
            content: None,
        };
        let call = ActionCall {
            name: action.into(),
            input,
            thread: Some(render::thread(&work.installation, &place.value)),
            message: Some(message),
            idempotency_key: work.event.to_string(),
        };
        match self.turns.deliver_job(&work.installation, work.event, Job::Act(Box::new(call))).await {
            Ok(_) => {
                self.went_well(&work);
                self.store.commit(Commit::of([Turns::forget_progress(work.event)]).ordered()).await?;
                Ok(Verdict::Settle(EventOutcome::Done))
            }
            Err(failed) => match self.later(&work, &place.value, &failed).await? {
                Some(verdict) => Ok(verdict),
                None => self.give_up(&work, Failure::of(&failed.fault)).await,
            },
        }
    }
}
