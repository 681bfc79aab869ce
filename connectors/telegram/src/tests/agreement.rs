//! The borrowed wire types read what teloxide's types read.

use portico_suite::Fixtures;
use teloxide_core::types::{MediaKind, Message, MessageKind, Update, UpdateKind};

use crate::wire;

/// What teloxide-core 0.13 does not read: it insists on media in the message that an external reply is about.
const UNREAD_BY_TELOXIDE: [&str; 1] = ["reply_external"];

fn file_of(message: &Message) -> Option<String> {
    let MessageKind::Common(common) = &message.kind else { return None };
    let id = match &common.media_kind {
        MediaKind::Photo(media) => media
            .photo
            .iter()
            .max_by_key(|size| u64::from(size.width) * u64::from(size.height))?
            .file
            .id
            .clone(),
        MediaKind::Voice(media) => media.voice.file.id.clone(),
        MediaKind::Audio(media) => media.audio.file.id.clone(),
        MediaKind::Video(media) => media.video.file.id.clone(),
        MediaKind::VideoNote(media) => media.video_note.file.id.clone(),
        MediaKind::Animation(media) => media.animation.file.id.clone(),
        MediaKind::Document(media) => media.document.file.id.clone(),
        MediaKind::Sticker(media) => media.sticker.file.id.clone(),
        _ => return None,
    };
    Some(id.0)
}

fn own_file(m: &wire::Message<'_>) -> Option<String> {
    if let Some(sizes) = &m.photo {
        let largest = sizes.iter().max_by_key(|size| u64::from(size.width) * u64::from(size.height))?;
        return Some(largest.file_id.to_string());
    }
    let attachments = [&m.voice, &m.audio, &m.animation, &m.video, &m.video_note, &m.document];
    let attached = attachments.into_iter().flatten().next().map(|file| file.file_id.to_string());
    attached.or_else(|| m.sticker.as_ref().map(|sticker| sticker.file_id.to_string()))
}

fn same_message(name: &str, theirs: &Message, own: &wire::Message<'_>) {
    assert_eq!(own.chat.id, theirs.chat.id.0, "{name}: chat");
    assert_eq!(own.message_id, i64::from(theirs.id.0), "{name}: message");
    assert_eq!(own.date, theirs.date.timestamp(), "{name}: date");
    assert_eq!(own.text.as_ref().map(wire::Text::as_str), theirs.text(), "{name}: text");
    assert_eq!(own.caption.as_ref().map(wire::Text::as_str), theirs.caption(), "{name}: caption");
    assert_eq!(own_file(own), file_of(theirs), "{name}: file");
    let (user, their_user) = (own.from.as_ref(), theirs.from.as_ref());
    assert_eq!(user.map(|user| user.id.unsigned_abs()), their_user.map(|user| user.id.0), "{name}: author");
    assert_eq!(own.is_topic_message, theirs.is_topic_message, "{name}: topic");
    if own.is_topic_message {
        assert_eq!(own.topic(), theirs.thread_id.map(|id| i64::from(id.0.0)), "{name}: topic id");
    }
}

/// Compares one update; whether there was something to compare.
pub(super) fn same(name: &str, body: &[u8]) -> bool {
    let theirs: Update = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    let own: wire::Update<'_> =
        serde_json::from_slice(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    let own_message = [
        &own.message,
        &own.edited_message,
        &own.channel_post,
        &own.edited_channel_post,
        &own.business_message,
        &own.edited_business_message,
    ]
    .into_iter()
    .flatten()
    .next();
    match (&theirs.kind, own_message) {
        (
            UpdateKind::Message(message)
            | UpdateKind::EditedMessage(message)
            | UpdateKind::ChannelPost(message)
            | UpdateKind::EditedChannelPost(message)
            | UpdateKind::BusinessMessage(message)
            | UpdateKind::EditedBusinessMessage(message),
            Some(own),
        ) => same_message(name, message, own),
        (UpdateKind::CallbackQuery(query), _) => {
            let own = own.callback_query.as_ref().unwrap_or_else(|| panic!("{name}: no query"));
            assert_eq!(own.id, query.id.0);
            assert_eq!(own.data.as_ref().map(wire::Text::as_str), query.data.as_deref());
            let pressed =
                query.message.as_ref().map(|message| (message.chat().id.0, i64::from(message.id().0)));
            assert_eq!(
                own.message.as_ref().map(|message| (message.chat.id, message.message_id)),
                pressed,
                "{name}"
            );
        }
        (UpdateKind::MessageReaction(change), _) => {
            let own = own.message_reaction.as_ref().unwrap_or_else(|| panic!("{name}: no reaction"));
            assert_eq!(
                (own.chat.id, own.message_id),
                (change.chat.id.0, i64::from(change.message_id.0)),
                "{name}"
            );
            assert_eq!(
                (own.old_reaction.len(), own.new_reaction.len()),
                (change.old_reaction.len(), change.new_reaction.len())
            );
        }
        (UpdateKind::MyChatMember(change), _) => {
            let own = own.my_chat_member.as_ref().unwrap_or_else(|| panic!("{name}: no change"));
            assert_eq!(
                (own.chat.id, own.from.id.unsigned_abs()),
                (change.chat.id.0, change.from.id.0),
                "{name}"
            );
        }
        _ => return false,
    }
    true
}

#[test]
fn own_fixtures_are_read_alike() {
    let mut compared = 0;
    for case in Fixtures::of(env!("CARGO_MANIFEST_DIR")).inbound() {
        if case.name.starts_with("unreadable") || UNREAD_BY_TELOXIDE.contains(&case.name.as_str()) {
            continue;
        }
        compared += usize::from(same(&case.name, &case.request.body));
    }
    assert!(compared >= 50, "only {compared} fixtures could be compared");
}
