//! The seams between crates that don't know one another: what dispatch asks for, outbound gives.

use std::sync::Arc;

use async_trait::async_trait;
use portico_contract::{BotId, ConversationId, EventId, InstallationId};
use portico_dispatch::{Aliases, MediaMeta, Replies, Reply, ReplyError};
use portico_outbound::{AcceptError, MediaLinks, Outbox, ReplyMessage};
use portico_store::records::TagMap;
use portico_turns::Installations;

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
        let messages = replies
            .into_iter()
            .map(|reply| ReplyMessage { kind: reply.kind, payload: reply.payload, tags: TagMap::new() })
            .collect();
        match self.0.replies(bot, conversation, origin, messages).await {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }
}

fn refusal(error: AcceptError) -> ReplyError {
    // What the store or a full outbox refuses is refused for now; everything else is the answer's own fault.
    if error.status() >= 500 || error.status() == 429 {
        return ReplyError::Unavailable(error.to_string());
    }
    let reason = error.to_string();
    let index = reason
        .strip_prefix("messages[")
        .and_then(|rest| rest.split(']').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    ReplyError::Refused { index, reason }
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
