//! What a message says: its text and its files.

use portico_contract::{Content, Media};
use portico_kit::markup::slack_mrkdwn;

use crate::config::SlackConfig;
use crate::wire::{Attachment, Event, File, number};

/// Begins a media handle that is a file's id, where Slack gave no address yet.
pub(crate) const BY_ID: &str = "id:";

/// The message's content: a text, a file, or several of them as a bloc. `None` when nothing can be shown.
pub(super) fn of(config: &SlackConfig, event: &Event<'_>) -> Option<Content> {
    let files = event.files.as_deref().unwrap_or_default();
    let text = readable(&event.text);
    if files.is_empty() && !text.trim().is_empty() {
        return Some(Content::text(text));
    }
    let mut parts = Vec::with_capacity(1 + files.len());
    if !text.trim().is_empty() {
        parts.push(Content::text(text));
    }
    parts.extend(files.iter().filter_map(|file| media(config, file)));
    if parts.is_empty() {
        let quoted = quoted(event.attachments.as_deref().unwrap_or_default());
        return Some(Content::text(quoted))
            .filter(|_| event.attachments.is_some())
            .filter(|content| !matches!(content, Content::Text { text, .. } if text.is_empty()));
    }
    if parts.len() > 1 { Some(Content::Bloc { items: parts }) } else { parts.pop() }
}

/// Slack's text as a person reads it. Most texts have nothing to decode.
pub(super) fn readable(text: &str) -> String {
    if text.bytes().any(|byte| matches!(byte, b'<' | b'&')) {
        slack_mrkdwn::decode(text)
    } else {
        text.to_owned()
    }
}

/// Text of forwarded messages and other attachments.
fn quoted(attachments: &[Attachment<'_>]) -> String {
    let mut all = String::new();
    for attachment in attachments {
        let text = [&attachment.text, &attachment.fallback, &attachment.from_url]
            .into_iter()
            .find_map(|text| text.some());
        if let Some(text) = text {
            if !all.is_empty() {
                all.push_str("\n\n");
            }
            all.push_str(&readable(text));
        }
    }
    all.trim().to_owned()
}

/// A file; `None` when it is deleted or hidden from the workspace.
fn media(config: &SlackConfig, file: &File<'_>) -> Option<Content> {
    if matches!(&*file.mode, "tombstone" | "hidden_by_limit") {
        return None;
    }
    let address = file.url_private_download.some().or(file.url_private.some());
    let mut media = match address.filter(|_| &*file.file_access != "check_file_info") {
        // Slack's own files want the bot token, which the gateway adds when the file is read.
        Some(address) if config.is_slack(address) => Media::held(address),
        Some(address) if address.starts_with("https://") || address.starts_with("http://") => {
            Media::at(address)
        }
        _ => Media::held(&format!("{BY_ID}{}", file.id.some()?)),
    };
    media.filename = file.name.owned();
    media.title = file.title.owned().filter(|title| Some(title) != media.filename.as_ref());
    media.mime_type = file.mimetype.owned();
    media.size = number(file.size);
    let kind = file.mimetype.split('/').next().unwrap_or_default();
    Some(match kind {
        _ if &*file.subtype == "slack_audio" => Content::Audio(media),
        "image" => Content::Image(media),
        "audio" => Content::Audio(media),
        "video" => Content::Video(media),
        _ => Content::File(media),
    })
}
