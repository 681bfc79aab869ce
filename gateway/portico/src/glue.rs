//! The seams between crates that don't know one another: what dispatch asks for, outbound gives.

use std::sync::Arc;

use async_trait::async_trait;
use portico_contract::{BotId, ConversationId, EventId, InstallationId};
use portico_dispatch::{Aliases, MediaMeta, Replies, Reply, ReplyError};
use portico_outbound::{MediaLinks, Outbox, ReplyMessage};
use portico_store::records::TagMap;
use portico_turns::{DRAFT_TAG, Installations};

/// A core's replies, into the outbox.
pub(crate) struct IntoOutbox(pub(crate) Arc<Outbox>);

#[async_trait]
impl Replies for IntoOutbox {
    async fn accept(
        &self,
        bot: &BotId,
        conversation: ConversationId,
        replies: Vec<Reply>,
        origin: EventId,
    ) -> Result<(), ReplyError> {
        let mut left: Vec<(usize, ReplyMessage)> = replies
            .into_iter()
            .map(|reply| {
                let tags: TagMap =
                    reply.draft.into_iter().map(|draft| (DRAFT_TAG.to_owned(), draft)).collect();
                let message = ReplyMessage { kind: reply.kind, payload: reply.payload, tags };
                (reply.index, message)
            })
            .collect();
        let mut first = Ok(());
        // The outbox takes all or none. One that can't be sent must not silence the others.
        while !left.is_empty() {
            let messages = left.iter().map(|(_, message)| message.clone()).collect();
            match self.0.replies(bot, conversation, origin, messages).await {
                Ok(_) => break,
                Err(error) if error.status() >= 500 || error.status() == 429 => {
                    // What the store or a full outbox refuses is refused for now.
                    return Err(ReplyError::Unavailable(error.to_string()));
                }
                Err(error) => {
                    let reason = error.to_string();
                    let Some(place) = place(&reason).filter(|place| *place < left.len()) else {
                        return Err(ReplyError::Refused { index: 0, reason });
                    };
                    let (index, _) = left.remove(place);
                    if first.is_ok() {
                        let reason =
                            reason.replacen(&format!("messages[{place}]"), &format!("messages[{index}]"), 1);
                        first = Err(ReplyError::Refused { index, reason });
                    }
                }
            }
        }
        first
    }
}

/// Which message a refusal names: `messages[2].payload.text: …`.
fn place(reason: &str) -> Option<usize> {
    reason.strip_prefix("messages[")?.split_once(']')?.0.parse().ok()
}

/// Public addresses of media.
pub(crate) struct PublicMedia(pub(crate) Arc<MediaLinks>);

impl portico_dispatch::MediaLinks for PublicMedia {
    fn link(&self, installation: &InstallationId, handle: &str, _: &MediaMeta<'_>) -> String {
        self.0.link(installation, handle)
    }
}

/// Aliases of the installations that are set up.
pub(crate) struct KnownAliases(pub(crate) Installations);

impl Aliases for KnownAliases {
    fn alias(&self, installation: &InstallationId) -> Option<Arc<str>> {
        self.0.get(installation).map(|one| one.alias.clone())
    }
}
