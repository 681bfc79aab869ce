//! Messages that grow too old while their installation takes nothing: failed and told here, one walk over the
//! outboxes every half minute; the driver then buries their entries. The walk also counts what waits.

use std::collections::HashMap;
use std::time::Duration;

use portico_contract::{InstallationId, Millis};
use portico_store::records::{DeliveryStatus, Outgoing, Records};
use portico_store::{Dir, Entry, LaneHead, LaneState, StoreError};
use tracing::warn;

use crate::deliver::{GONE_MAX_AGE, Sender, Subject, millis};
use crate::now;

/// Time between two walks.
const EVERY: Duration = Duration::from_secs(30);
/// What a message may be late before the walk fails it: an attempt that runs ends by itself before that.
const GRACE: Millis = 90_000;
/// How long the driver may take to bury what was failed.
const KEEP: Millis = 600_000;
/// Entries of one lane that are looked at in one walk.
const PER_LANE: usize = 64;

impl Sender {
    /// Walks the outboxes for ever; drop it to end.
    pub async fn watch_ages(&self) {
        let mut shown = HashMap::new();
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.walk(&mut shown, now()).await {
                warn!("the outboxes could not be walked: {error}");
            }
        }
    }

    /// One walk: fails what is too old, and sets the figures of each installation's outbox.
    ///
    /// # Errors
    /// As the store's.
    pub(crate) async fn walk(
        &self,
        shown: &mut HashMap<InstallationId, ()>,
        now: Millis,
    ) -> Result<(), StoreError> {
        self.expired.lock().retain(|_, at| *at + KEEP > now);
        self.paces.retain(|id| self.installations.get(id).is_some());
        let mut figures: HashMap<InstallationId, (u64, Millis)> = HashMap::new();
        if self.store.stats().backlog[Dir::Outbound as usize] > 0 {
            for shard in 0..=u8::MAX {
                let mut after = None;
                loop {
                    let heads = self.store.backlog(Dir::Outbound, shard, after, 256).await?;
                    let Some(last) = heads.last() else { break };
                    after = Some(last.lane);
                    for head in &heads {
                        self.look(head, now, &mut figures).await?;
                    }
                }
                tokio::task::yield_now().await;
            }
        }
        for (id, ()) in shown.drain() {
            figures.entry(id).or_insert((0, now));
        }
        for (id, (waiting, oldest)) in figures {
            let sends = self.metrics.sends(id.as_str());
            sends.backlog.set(i64::try_from(waiting).unwrap_or(i64::MAX));
            sends.oldest.set(Duration::from_millis(now.saturating_sub(oldest)).as_secs_f64());
            if waiting > 0 {
                shown.insert(id, ());
            }
        }
        Ok(())
    }

    async fn look(
        &self,
        head: &LaneHead,
        now: Millis,
        figures: &mut HashMap<InstallationId, (u64, Millis)>,
    ) -> Result<(), StoreError> {
        let first = self.store.peek(head.lane, 1).await?;
        let Some(first) = first.first() else { return Ok(()) };
        let figure = figures.entry(first.event.installation.clone()).or_insert((0, now));
        figure.0 += head.next.saturating_sub(head.head);
        figure.1 = figure.1.min(first.event.received_at);
        // What an operator holds is his to decide.
        if head.state == LaneState::Held || first.event.received_at.saturating_add(GRACE) > now {
            return Ok(());
        }
        let max_age = self
            .installations
            .get(&first.event.installation)
            .map_or(GONE_MAX_AGE, |installation| installation.max_age);
        if first.event.received_at.saturating_add(millis(max_age)).saturating_add(GRACE) > now {
            return Ok(());
        }
        for entry in self.store.peek(head.lane, PER_LANE).await? {
            if !self.expire(&entry, millis(max_age), now).await? {
                break;
            }
        }
        Ok(())
    }

    /// Fails an entry that is too old. Says whether it was.
    async fn expire(&self, entry: &Entry, max_age: Millis, now: Millis) -> Result<bool, StoreError> {
        if self.busy.lock().contains(&entry.event.id) {
            return Ok(false);
        }
        let late = |since: Millis| since.saturating_add(max_age).saturating_add(GRACE) <= now;
        let records = Records::of(self.store.clone(), entry.event.bot.clone());
        if let Ok(Outgoing::Message { message }) = serde_json::from_slice(&entry.event.body) {
            let conversation = entry.event.lane.conversation;
            let message = records.message_in(conversation, message).await?;
            let place = records.conversation(conversation).await?;
            if let (Some(message), Some(place)) = (message, place) {
                let Some(delivery) = &message.value.delivery else { return Ok(false) };
                match delivery.status {
                    DeliveryStatus::Pending
                        if late(delivery.at) && !self.was_held(entry.event.id).await? =>
                    {
                        let subject = Subject { message, conversation: place.value };
                        self.fail_orphan(&records, entry.event.lane, entry.event.id, &subject).await?;
                    }
                    // Failed by an earlier walk or another node, and not yet buried.
                    DeliveryStatus::Failed if !entry.replay && delivery.external_ids.is_empty() => {}
                    _ => return Ok(false),
                }
            }
        } else if entry.replay || !late(entry.event.received_at) {
            return Ok(false);
        }
        self.expired.lock().insert(entry.event.id, now);
        Ok(true)
    }
}
