//! Events made through the API or by the gateway: their rows are there, they are read.

use portico_store::StoreError;
use portico_store::records::{GatewayEvent, Message};

use super::messages::offer;
use super::{Draft, Prepared, Subject};

impl Draft<'_> {
    pub(super) async fn gateway(&mut self, event: &GatewayEvent) -> Result<Prepared, StoreError> {
        let message: Option<Message> = match event.message_id {
            Some(id) => self.records().message(id).await?.map(|row| row.value),
            None => None,
        };
        let conversation = match event.conversation_id.or(message.as_ref().map(|row| row.conversation)) {
            Some(id) => self.records().known_conversation(self.scene.known, id).await?.map(|row| row.value),
            None => None,
        };
        let user = match event.user_id.as_ref().or(message.as_ref().map(|row| &row.user)) {
            Some(id) => self.records().known_user(self.scene.known, id).await?.map(|row| row.value),
            None => None,
        };
        let subject = Subject { conversation, user, message, ..Subject::of(event.payload.clone()) };
        Ok(offer(Subject { kind: event.kind.clone(), ..subject }))
    }
}
