//! From rows to what a connector gets: the thread, the person, and the message that is answered.
//!
//! A message names the message that it answers by the tag `replyTo`, or by `metadata.replyTo` in its payload:
//! one of Portico's message ids, or the provider's own id as it is. Addresses of Portico's own media and files
//! pass as they are: they are public addresses like any other.

use portico_contract::{
    Content, ConversationId, Event, EventId, Fault, FaultCode, MessageId, MessageRef, OutboundMessage, Party,
    Tags, Thread,
};
use portico_store::records::{Conversation, Message, Records, TagMap};
use portico_store::{EventKind, StoreError};
use portico_turns::Installation;

use crate::accept::REPLY_TO;

/// Tags as a connector sees them: its own, without the prefix.
pub(crate) fn own_tags(alias: &str, stored: &TagMap) -> Tags {
    stored
        .iter()
        .filter_map(|(name, value)| {
            let own = name.strip_prefix(alias)?.strip_prefix(':')?;
            Some((own.to_owned(), value.clone()))
        })
        .collect()
}

/// The thread of a conversation.
pub(crate) fn thread(installation: &Installation, conversation: &Conversation) -> Thread {
    Thread {
        channel: conversation.channel.clone().into(),
        key: conversation.key.clone(),
        tags: own_tags(&installation.alias, &conversation.tags),
    }
}

/// What the connector is given to deliver.
pub(crate) async fn outbound(
    records: &Records,
    installation: &Installation,
    conversation: &Conversation,
    message: &Message,
    parts: Vec<Content>,
    attempt: u32,
) -> Result<OutboundMessage, StoreError> {
    Ok(OutboundMessage {
        id: message.id,
        thread: thread(installation, conversation),
        recipient: recipient(records, installation, conversation).await?,
        parts,
        reply_to: reply_to(records, installation, message).await?,
        tags: own_tags(&installation.alias, &message.tags),
        attempt,
    })
}

async fn recipient(
    records: &Records,
    installation: &Installation,
    conversation: &Conversation,
) -> Result<Option<Party>, StoreError> {
    let Some(id) = &conversation.recipient else { return Ok(None) };
    let Some(user) = records.user(id).await? else { return Ok(None) };
    let user = user.value;
    let tags = own_tags(&installation.alias, &user.tags);
    Ok(user.party.map(|id| Party { id, name: user.name, picture_url: user.picture_url, is_bot: false, tags }))
}

async fn reply_to(
    records: &Records,
    installation: &Installation,
    message: &Message,
) -> Result<Option<String>, StoreError> {
    let prefixed = format!("{}:{REPLY_TO}", installation.alias);
    let named = message.tags.get(REPLY_TO).or_else(|| message.tags.get(&prefixed)).map(String::as_str);
    let named = named.or_else(|| message.payload.get("metadata")?.get(REPLY_TO)?.as_str());
    let Some(named) = named.filter(|named| !named.is_empty()) else { return Ok(None) };
    let Ok(id) = MessageId::parse(named) else { return Ok(Some(named.to_owned())) };
    let Some(answered) = records.message(id).await? else { return Ok(None) };
    if answered.value.conversation != message.conversation {
        return Ok(None);
    }
    Ok(external_ids(records, installation, &answered.value).await?.into_iter().next())
}

/// The provider's ids of a message. What came in is known by its event, and later by the tag `id`.
pub(crate) async fn external_ids(
    records: &Records,
    installation: &Installation,
    message: &Message,
) -> Result<Vec<String>, StoreError> {
    if let Some(delivery) = message.delivery.as_ref().filter(|delivery| !delivery.external_ids.is_empty()) {
        return Ok(delivery.external_ids.clone());
    }
    let brought = records.store().event(EventId(message.id.0)).await?;
    if let Some(event) =
        brought.filter(|event| event.kind == EventKind::Connector && event.bot == *records.bot())
        && let Ok(Event::Message(inbound)) = serde_json::from_slice(&event.body)
    {
        return Ok(vec![inbound.external_id]);
    }
    Ok(message.tags.get(&format!("{}:id", installation.alias)).cloned().into_iter().collect())
}

/// An earlier message, as an action gets it.
pub(crate) async fn message_ref(
    records: &Records,
    installation: &Installation,
    message: &Message,
) -> Result<MessageRef, StoreError> {
    Ok(MessageRef {
        external_ids: external_ids(records, installation, message).await?,
        tags: own_tags(&installation.alias, &message.tags),
        content: message.content().ok(),
    })
}

/// Parts that the conversation's channel carries.
pub(crate) fn parts(
    installation: &Installation,
    conversation: &Conversation,
    content: Content,
) -> Result<Vec<Content>, Fault> {
    let channels = &installation.connector.manifest().channels;
    let unknown = || {
        Fault::new(
            FaultCode::Unsupported,
            format!("the integration has no channel named '{}'", conversation.channel),
        )
    };
    let channel = channels.get(&conversation.channel).ok_or_else(unknown)?;
    let parts = crate::fit::fit(content, channel)
        .map_err(|unfit| Fault::new(FaultCode::Unsupported, unfit.to_string()).at("/type"))?;
    if parts.is_empty() {
        return Err(
            Fault::new(FaultCode::BadInput, "the message says nothing: it has no items").at("/payload/items")
        );
    }
    Ok(parts)
}

/// Whether a conversation is one of an installation.
pub(crate) fn belongs(installation: &Installation, conversation: &Conversation) -> bool {
    conversation.installation.as_ref() == Some(&installation.id)
}

/// Sixty-four bits of a conversation's id; they are a digest's, so they tell conversations apart.
pub(crate) fn short(conversation: ConversationId) -> u64 {
    conversation.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
}
