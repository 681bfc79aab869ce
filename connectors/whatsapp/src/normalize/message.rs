//! `messages[]` and `message_echoes[]`: what people write, react, change and take back.

use portico_contract::{
    CustomEvent, Deletion, Edit, Event, Fault, InboundMessage, Party, Reaction, Tags, Thread,
};
use portico_kit::split::{Measure, split};

use super::{Kept, Reader, contact, missing, part, party, thread};
use crate::wire::{Contact, Edited, Message, Quote, Reacted, Referral, Revoked};

/// Longest tag value that is taken from a referral.
const TAG_LENGTH: usize = 500;

/// Where a message stands and who wrote it.
pub(super) struct Origin {
    pub thread: Thread,
    pub author: Party,
}

impl Reader<'_> {
    /// One message of a person; `None` when nothing in it concerns a bot.
    pub(super) fn message(
        &self,
        bot: &str,
        contacts: &[Contact<'_>],
        message: &Message<'_>,
        kept: &Kept<'_>,
    ) -> Result<Option<Event>, Fault> {
        if message.id.is_empty() {
            return Err(missing("id"));
        }
        if message.kind.as_str() == "system" {
            return self.system(bot, message, kept).map(Some);
        }
        let origin = origin(bot, contacts, message)?;
        if !message.group_id.is_empty() {
            // A group is not the private conversation with the writer, and answers would go to the wrong place.
            return Ok(Some(self.custom("group_message", message, Some(origin), kept)));
        }
        Ok(Some(match message.kind.as_str() {
            "reaction" => {
                let reacted: Reacted<'_> = part(message.reaction, "reaction")?;
                Event::Reaction(Reaction {
                    event_id: message.id.as_str().to_owned(),
                    external_id: reacted.message_id.owned().ok_or_else(|| missing("reaction.message_id"))?,
                    thread: origin.thread,
                    author: origin.author,
                    added: !reacted.emoji.is_empty(),
                    reaction: reacted.emoji.as_str().to_owned(),
                    at: self.at(message.timestamp.as_str()),
                })
            }
            "edit" => {
                let edited: Edited<'_> = part(message.edit, "edit")?;
                let original =
                    edited.original_message_id.owned().ok_or_else(|| missing("edit.original_message_id"))?;
                match self.content(&edited.message)? {
                    Some(content) => Event::Edit(Edit {
                        event_id: message.id.as_str().to_owned(),
                        external_id: original,
                        thread: origin.thread,
                        author: origin.author,
                        content,
                        at: self.at(message.timestamp.as_str()),
                    }),
                    None => self.custom("unsupported", message, Some(origin), kept),
                }
            }
            "revoke" => {
                let revoked: Revoked<'_> = part(message.revoke, "revoke")?;
                let original = revoked
                    .original_message_id
                    .owned()
                    .ok_or_else(|| missing("revoke.original_message_id"))?;
                Event::Deletion(Deletion {
                    event_id: message.id.as_str().to_owned(),
                    external_id: original,
                    thread: origin.thread,
                    author: Some(origin.author),
                    at: self.at(message.timestamp.as_str()),
                })
            }
            "request_welcome" => self.custom("request_welcome", message, Some(origin), kept),
            _ => match self.content(message)? {
                Some(content) => Event::Message(InboundMessage {
                    external_id: message.id.as_str().to_owned(),
                    dedupe: None,
                    thread: origin.thread,
                    author: origin.author,
                    sent_at: self.at(message.timestamp.as_str()),
                    content,
                    reply_to: message.context.as_ref().and_then(|context| context.id.owned()),
                    tags: tags(message)?,
                }),
                None => self.custom("unsupported", message, Some(origin), kept),
            },
        }))
    }

    /// What a person at the business wrote in the WhatsApp Business app: told, never answered.
    pub(super) fn echo(
        &self,
        bot: &str,
        echo: &Message<'_>,
        kept: &Kept<'_>,
    ) -> Result<Option<Event>, Fault> {
        if echo.id.is_empty() {
            return Err(missing("id"));
        }
        let (to, user_id) = (echo.to.as_str(), echo.to_user_id.as_str());
        if to.is_empty() && user_id.is_empty() {
            return Err(missing("to"));
        }
        let origin = Origin { thread: thread(bot, to, user_id), author: Party::default() };
        Ok(Some(self.custom("message_echo", echo, Some(origin), kept)))
    }

    /// A message without a typed event, whole.
    pub(super) fn custom(
        &self,
        name: &'static str,
        message: &Message<'_>,
        origin: Option<Origin>,
        kept: &Kept<'_>,
    ) -> Event {
        let (thread, author) = origin.map(|origin| (origin.thread, origin.author)).unzip();
        Event::Custom(CustomEvent {
            name: name.into(),
            external_id: message.id.owned(),
            thread,
            author: author.filter(|author| !author.id.is_empty()),
            message: None,
            data: kept.json(),
        })
    }
}

/// Where a message belongs. The number may be absent (people with a username), then the user id is there.
pub(super) fn origin(bot: &str, contacts: &[Contact<'_>], message: &Message<'_>) -> Result<Origin, Fault> {
    let (mut wa_id, mut user_id) = (message.from.as_str(), message.from_user_id.as_str());
    let mut known = contact(contacts, wa_id, user_id);
    if wa_id.is_empty() && user_id.is_empty() {
        // Only a lone contact can be meant by a message that names nobody.
        known = if let [only] = contacts { Some(only) } else { None };
        wa_id = known.map(|contact| contact.wa_id.as_str()).unwrap_or_default();
    }
    if user_id.is_empty() {
        user_id = known.map(|contact| contact.user_id.as_str()).unwrap_or_default();
    }
    if wa_id.is_empty() && user_id.is_empty() {
        return Err(missing("from"));
    }
    Ok(Origin { thread: thread(bot, wa_id, user_id), author: party(wa_id, user_id, known) })
}

fn tags(message: &Message<'_>) -> Result<Tags, Fault> {
    let mut tags = Tags::new().with("id", message.id.as_str());
    if let Some(context) = &message.context {
        quote_tags(&mut tags, context);
    }
    if message.audio.as_ref().is_some_and(|audio| audio.voice == Some(true)) {
        tags.set("voice", "true");
    }
    if message.referral.is_some() {
        let referral: Referral<'_> = part(message.referral, "referral")?;
        tags.set("referralSourceUrl", cut(referral.source_url.as_str()));
        tags.set("referralSourceId", cut(referral.source_id.as_str()));
        tags.set("referralSourceType", cut(referral.source_type.as_str()));
        tags.set("referralHeadline", cut(referral.headline.as_str()));
        tags.set("referralBody", cut(referral.body.as_str()));
        tags.set("referralMediaType", cut(referral.media_type.as_str()));
        let media = if referral.image_url.is_empty() { &referral.video_url } else { &referral.image_url };
        tags.set("referralMediaUrl", cut(media.as_str()));
        tags.set("referralClickId", cut(referral.ctwa_clid.as_str()));
    }
    Ok(tags)
}

fn quote_tags(tags: &mut Tags, quote: &Quote<'_>) {
    tags.set("replyTo", quote.id.as_str());
    if quote.frequently_forwarded == Some(true) {
        tags.set("forwarded", "frequently");
    } else if quote.forwarded == Some(true) {
        tags.set("forwarded", "true");
    }
    if let Some(product) = &quote.referred_product {
        tags.set("productId", product.product_retailer_id.as_str());
        tags.set("catalogId", product.catalog_id.as_str());
    }
}

fn cut(text: &str) -> String {
    if text.len() <= TAG_LENGTH {
        return text.to_owned();
    }
    split(text, TAG_LENGTH, Measure::Chars).into_iter().next().unwrap_or_default()
}
