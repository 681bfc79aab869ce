//! What a provider says of a message that the bot sent.

use portico_contract::{Receipt, ReceiptStage};
use portico_store::StoreError;
use portico_store::records::{DeliveryStatus, MessageDelivery, iso};
use serde_json::json;

use super::messages::offer;
use super::{Draft, Prepared, Subject};

/// How often a receipt waits for the outbox to store the id that it names.
const WAITS: u32 = 3;

impl Draft<'_> {
    pub(super) async fn receipt(&mut self, receipt: &Receipt) -> Result<Prepared, StoreError> {
        let status = status(receipt.stage);
        let found = self.external(&receipt.external_id).await?;
        let entry = self.scene.entry;
        if found.is_none() && !entry.replay && entry.attempts < WAITS {
            return Ok(Prepared::NotYet);
        }
        let mut message = None;
        if let Some(old) = found {
            let before = old.value.delivery.as_ref();
            // A receipt that an earlier attempt stored is told on; one that says nothing new is not.
            let ours = before.is_some_and(|way| way.status == status && way.at == receipt.at);
            let forward = before.is_none_or(|way| status > way.status);
            if !forward && !ours {
                return Ok(Prepared::Nothing);
            }
            let mut row = old.value.clone();
            if forward {
                let kept = row.delivery.take();
                let (external_ids, possible_duplicate) =
                    kept.map_or_else(Default::default, |way| (way.external_ids, way.possible_duplicate));
                let reason = receipt.reason.clone();
                row.delivery = Some(MessageDelivery {
                    status,
                    at: receipt.at,
                    reason,
                    external_ids,
                    possible_duplicate,
                });
                row.updated_at = row.updated_at.max(self.at());
                self.changes.extend(self.scene.records.message_changes(Some(&old), &row));
            }
            message = Some(row);
        }
        let conversation = match (&message, &receipt.thread) {
            (Some(message), _) => {
                let row = self.records().known_conversation(self.scene.known, message.conversation).await?;
                row.map(|row| row.value)
            }
            (None, Some(thread)) => self.known_conversation(thread).await?.map(|row| row.value),
            (None, None) => None,
        };
        let mut payload = json!({
            "externalId": receipt.external_id, "status": status.as_str(), "at": iso(receipt.at),
        });
        if let (Some(reason), Some(fields)) = (&receipt.reason, payload.as_object_mut()) {
            fields.insert("reason".into(), reason.clone().into());
        }
        Ok(offer(Subject { conversation, message, ..Subject::of(payload) }))
    }
}

fn status(stage: ReceiptStage) -> DeliveryStatus {
    match stage {
        ReceiptStage::Accepted => DeliveryStatus::Sent,
        ReceiptStage::Delivered => DeliveryStatus::Delivered,
        ReceiptStage::Read => DeliveryStatus::Read,
        ReceiptStage::Failed => DeliveryStatus::Failed,
    }
}
