//! Pictures, sounds, films and files: by link where the provider can fetch it, else by upload.

use portico_contract::{Fault, MEDIA_SCHEME, Media};
use portico_kit::split::{Measure, split};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{BODY, Draft, Renderer, Slot, bad_input, insert};

/// What media is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MediaKind {
    Image,
    Audio,
    Video,
    Document,
    Sticker,
}

impl MediaKind {
    /// The provider's name of the kind.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// Largest file that the provider takes, in bytes.
    pub(crate) fn max_bytes(self) -> u64 {
        match self {
            Self::Image => 5 << 20,
            Self::Audio | Self::Video => 16 << 20,
            Self::Document => 100 << 20,
            Self::Sticker => 500 << 10,
        }
    }
}

/// Longest file name that is shown, in characters.
const NAME: usize = 240;

impl Renderer<'_> {
    pub(super) fn media(&mut self, kind: MediaKind, media: &Media, place: &str) -> Result<(), Fault> {
        let caption = media.title.as_deref().map(|title| self.words(title)).unwrap_or_default();
        // Sounds and stickers have no caption.
        let mut captions = match kind {
            MediaKind::Audio | MediaKind::Sticker => Vec::new(),
            _ => split(caption.trim(), BODY, Measure::Utf16),
        }
        .into_iter();
        let (mut body, slot) = self.source(kind, &media.url, place)?;
        insert(&mut body, "caption", captions.next().as_deref());
        if kind == MediaKind::Document {
            insert(&mut body, "filename", Some(&filename(media)));
        }
        let pointer = format!("/{}", kind.as_str());
        self.drafts.push(Draft {
            body: json!({ "type": kind.as_str(), kind.as_str(): body }),
            uploads: slot.map(|slot| Slot { pointer, ..slot }).into_iter().collect(),
        });
        self.pieces_of_caption(captions.collect());
        Ok(())
    }

    fn pieces_of_caption(&mut self, rest: Vec<String>) {
        if !rest.is_empty() {
            self.pieces(rest);
        }
    }

    /// `{"link": …}` of an address, and the upload that replaces it where the provider can't fetch by itself.
    pub(super) fn source(
        &self,
        kind: MediaKind,
        url: &str,
        place: &str,
    ) -> Result<(Value, Option<Slot>), Fault> {
        let url = url.trim();
        let slot = Slot { pointer: String::new(), url: url.to_owned(), kind };
        if let Some(handle) = url.strip_prefix(MEDIA_SCHEME) {
            if handle.is_empty() {
                return Err(bad_input(place, "the media address names nothing"));
            }
            return Ok((json!({}), Some(slot)));
        }
        let address = url::Url::parse(url)
            .ok()
            .filter(|address| matches!(address.scheme(), "http" | "https") && address.has_host())
            .ok_or_else(|| bad_input(place, "the media address must be an absolute http or https address"))?;
        let upload = self.config.upload_media || self.own_origin.as_ref() == Some(&address.origin());
        Ok((json!({ "link": url }), upload.then_some(slot)))
    }
}

/// The name that a file is shown under: its own, else its title, with the address's extension where it has none.
fn filename(media: &Media) -> String {
    let given = media.filename.as_deref().or(media.title.as_deref()).unwrap_or_default();
    let given = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let given: String = given.chars().filter(|letter| !letter.is_control()).take(NAME).collect();
    let name = if given.trim().is_empty() { "file" } else { given.trim() };
    if has_extension(name) {
        return name.to_owned();
    }
    let path = url::Url::parse(&media.url).map(|url| url.path().to_owned()).unwrap_or_default();
    match path.rsplit('/').next().and_then(|last| last.rsplit_once('.')) {
        Some((_, extension)) if is_extension(extension) => format!("{name}.{extension}"),
        _ => name.to_owned(),
    }
}

fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && is_extension(extension))
}

fn is_extension(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The media type of bytes whose server did not say, by the extension of their address.
pub(crate) fn guess_type(url: &str, kind: MediaKind) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let extension =
        path.rsplit('/').next().and_then(|last| last.rsplit_once('.')).map(|(_, extension)| extension);
    match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "mp4" => "video/mp4",
        "3gp" => "video/3gpp",
        "aac" => "audio/aac",
        "amr" => "audio/amr",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "ppt" => "application/vnd.ms-powerpoint",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => match kind {
            MediaKind::Image => "image/jpeg",
            MediaKind::Audio => "audio/mpeg",
            MediaKind::Video => "video/mp4",
            MediaKind::Document => "application/octet-stream",
            MediaKind::Sticker => "image/webp",
        },
    }
}
