//! What a message says, by kind.
//!
//! Files are named by their id only: their address holds the bot's token, so the gateway serves them under an
//! address of its own and asks the action `media` for the bytes.

use portico_contract::{Content, Fault, FaultCode, Location, Media};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::{Attachment, Message, PhotoSize, Place, Text};

/// The content of a message that is no text; `None` when it is of no known kind.
///
/// The order matters: an animation sets `document` too, a venue sets `location` too.
pub(super) fn content(m: &Message<'_>) -> Result<Option<Content>, Fault> {
    let caption = m.caption.as_ref();
    if let Some(largest) = m.photo.as_ref().and_then(|sizes| largest(sizes)) {
        let media = Media { size: largest.file_size, title: owned(caption), ..Media::held(&largest.file_id) };
        // Telegram turns every photo into a JPEG.
        return Ok(Some(Content::Image(Media { mime_type: Some("image/jpeg".into()), ..media })));
    }
    if let Some(voice) = &m.voice {
        return Ok(Some(Content::Audio(attached(voice, caption, Some("audio/ogg")))));
    }
    if let Some(audio) = &m.audio {
        return Ok(Some(Content::Audio(attached(audio, caption, None))));
    }
    if let Some(animation) = &m.animation {
        return Ok(Some(Content::Video(attached(animation, caption, Some("video/mp4")))));
    }
    if let Some(video) = m.video.as_ref().or(m.video_note.as_ref()) {
        return Ok(Some(Content::Video(attached(video, caption, Some("video/mp4")))));
    }
    if let Some(document) = &m.document {
        return Ok(Some(Content::File(attached(document, caption, None))));
    }
    if let Some(sticker) = &m.sticker {
        let mime = |text: &str| Some(text.to_owned());
        let media = Media {
            title: owned(sticker.emoji.as_ref()),
            size: sticker.file_size,
            ..Media::held(&sticker.file_id)
        };
        return Ok(Some(if sticker.is_video {
            Content::Video(Media { mime_type: mime("video/webm"), ..media })
        } else if sticker.is_animated {
            Content::File(Media { mime_type: mime("application/x-tgsticker"), ..media })
        } else {
            Content::Image(Media { mime_type: mime("image/webp"), ..media })
        }));
    }
    if let Some(venue) = &m.venue {
        return Ok(Some(location(
            venue.location,
            owned(venue.title.as_ref()),
            owned(venue.address.as_ref()),
        )));
    }
    if let Some(place) = m.location {
        return Ok(Some(location(place, None, None)));
    }
    if let Some(contact) = &m.contact {
        let mut data = json!({ "phoneNumber": contact.phone_number, "firstName": contact.first_name });
        data["lastName"] = contact.last_name.as_ref().map_or(Value::Null, |name| name.as_str().into());
        data["userId"] = contact.user_id.map_or(Value::Null, |id| id.to_string().into());
        data["vcard"] = contact.vcard.as_ref().map_or(Value::Null, |card| card.as_str().into());
        if let Some(fields) = data.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        return Ok(Some(Content::Custom { kind: "contact".into(), data }));
    }
    let rest: [(&str, Option<&RawValue>); 13] = [
        ("dice", m.dice),
        ("poll", m.poll),
        ("game", m.game),
        ("story", m.story),
        ("paidMedia", m.paid_media),
        ("livePhoto", m.live_photo),
        ("invoice", m.invoice),
        ("checklist", m.checklist),
        ("giveaway", m.giveaway),
        ("giveawayWinners", m.giveaway_winners),
        ("richMessage", m.rich_message),
        ("usersShared", m.users_shared),
        ("chatShared", m.chat_shared),
    ];
    for (kind, value) in rest {
        if let Some(value) = value {
            return Ok(Some(Content::Custom { kind: kind.into(), data: raw(value)? }));
        }
    }
    Ok(None)
}

/// A part of the update as it is.
pub(super) fn raw(value: &RawValue) -> Result<Value, Fault> {
    serde_json::from_str(value.get())
        .map_err(|error| Fault::new(FaultCode::Unreadable, format!("message: {error}")))
}

fn owned(text: Option<&Text<'_>>) -> Option<String> {
    text.map(|text| text.0.to_string()).filter(|text| !text.is_empty())
}

fn largest<'a, 'b>(sizes: &'b [PhotoSize<'a>]) -> Option<&'b PhotoSize<'a>> {
    sizes.iter().max_by_key(|size| u64::from(size.width) * u64::from(size.height))
}

fn attached(file: &Attachment<'_>, caption: Option<&Text<'_>>, usual: Option<&str>) -> Media {
    Media {
        title: owned(caption).or_else(|| owned(file.title.as_ref())),
        mime_type: owned(file.mime_type.as_ref()).or_else(|| usual.map(str::to_owned)),
        filename: owned(file.file_name.as_ref()),
        size: file.file_size,
        ..Media::held(&file.file_id)
    }
}

fn location(place: Place, title: Option<String>, address: Option<String>) -> Content {
    Content::Location(Location { latitude: place.latitude, longitude: place.longitude, address, title })
}
