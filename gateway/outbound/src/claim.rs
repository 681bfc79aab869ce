//! A message that is kept together with the claim by which it is found again: get-or-create.

use portico_contract::MessageId;
use portico_store::Change;
use portico_store::records::{Direction, Message};

use crate::AcceptError;
use crate::accept::{NewMessage, Outbox};
use crate::draft::draft;

impl Outbox {
    /// As [`Outbox::accept`] for an outgoing message and [`Outbox::incoming`] for an incoming one; `claim` is
    /// made in the same commit, from the id of the new message.
    ///
    /// # Errors
    /// [`AcceptError`]; its `Store` with `Conflict` when somebody else made the claim. Nothing was stored then.
    pub async fn claimed(
        &self,
        new: NewMessage,
        direction: Direction,
        claim: impl FnOnce(MessageId) -> Change,
    ) -> Result<Message, AcceptError> {
        let draft = draft(&new, direction, portico_contract::EventId::new())?;
        let claim = claim(draft.message.id);
        let stored = self.store_all(&new.bot, vec![draft], new.once, &[claim]).await?;
        stored.into_iter().next().ok_or(AcceptError::NotFound)
    }
}
