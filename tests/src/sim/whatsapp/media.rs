//! Media: upload, lookup, links that live five minutes and need the token, and what a message may name.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::WhatsApp;
use super::graph::{GraphError, optional_text};
use crate::sim::multipart;
use crate::sim::provider::random_hex;
use crate::sim::server::{Answer, RawRequest};

const LINK_LIFE: Duration = Duration::from_secs(5 * 60);
const MIB: usize = 1024 * 1024;

/// One stored file.
#[derive(Clone, Debug)]
pub(super) struct Media {
    pub(super) mime_type: String,
    pub(super) bytes: Bytes,
}

impl WhatsApp {
    pub(super) fn add_media(&self, mime_type: &str, bytes: Bytes) -> String {
        let mut state = self.state.lock();
        let id = format!("9{:014}", state.media.len() + 1);
        state.media.insert(id.clone(), Media { mime_type: mime_type.to_owned(), bytes });
        id
    }

    /// `POST /{phone_number_id}/media`.
    pub(super) async fn upload(&self, request: &RawRequest) -> Result<Value, GraphError> {
        let parts = multipart::parts(request).await.map_err(|why| GraphError::of(100, why))?;
        let field = |name: &str| {
            let part = parts.iter().find(|part| part.name == name && part.file_name.is_none());
            part.map(|part| String::from_utf8_lossy(&part.bytes).into_owned())
        };
        if field("messaging_product").as_deref() != Some("whatsapp") {
            return Err(GraphError::of(100, "The parameter messaging_product is required."));
        }
        let file = parts.iter().find(|part| part.name == "file" && part.file_name.is_some());
        let file = file.ok_or_else(|| GraphError::of(100, "The parameter file is required."))?;
        // The file's own type decides; `type` must not be missing where the file has none.
        let whole = file.media_type.clone().or_else(|| field("type"));
        let whole = whole.ok_or_else(|| GraphError::of(100, "The parameter type is required."))?;
        let kind = kind_of(&whole).ok_or_else(|| {
            GraphError::of(
                100,
                format!("Param file must be a file with one of the supported types, not {whole}"),
            )
        })?;
        if file.bytes.len() > max_bytes(kind, &whole) {
            return Err(GraphError::of(
                131_053,
                format!("{} bytes are too many for {whole}", file.bytes.len()),
            ));
        }
        let id = self.add_media(&whole, file.bytes.clone());
        self.record("media", "", &id, json!({"mime_type": whole, "file_name": file.file_name}), false);
        Ok(json!({"id": id}))
    }

    /// `GET` and `DELETE /{media_id}`.
    pub(super) fn media_info(&self, id: &str, request: &RawRequest) -> Result<Value, GraphError> {
        let mut state = self.state.lock();
        if request.method == Method::DELETE {
            state.media.remove(id);
            return Ok(json!({"success": true}));
        }
        let Some(media) = state.media.get(id).cloned() else {
            return Err(GraphError::no_object("GET", id));
        };
        let token = random_hex(16);
        let until = self.provider.clock().now() + LINK_LIFE;
        state.links.insert(token.clone(), (id.to_owned(), until));
        Ok(json!({
            "messaging_product": "whatsapp", "id": id, "url": format!("{}/media-files/{token}", self.url),
            "mime_type": media.mime_type, "sha256": hex::encode(Sha256::digest(&media.bytes)),
            "file_size": media.bytes.len(),
        }))
    }

    /// A media link: the bytes with the token, 401 without, 404 after five minutes.
    pub(super) fn download(&self, token: &str, request: &RawRequest) -> Answer {
        if request.bearer() != Some(self.options.access_token.as_str()) {
            return Answer::empty(401);
        }
        let now = self.provider.clock().now();
        let state = self.state.lock();
        let live = state.links.get(token).filter(|(_, until)| now < *until);
        match live.and_then(|(id, _)| state.media.get(id)) {
            Some(media) => Answer::text(200, &media.mime_type, media.bytes.clone()),
            None => Answer::empty(404),
        }
    }

    /// A media object of a message: `link` or `id`, and what its kind allows beside it.
    pub(super) fn check_media(&self, kind: &str, part: &Value) -> Result<(), GraphError> {
        let link = optional_text(part, "link", 2048)?;
        let id = optional_text(part, "id", 256)?;
        match (link, id) {
            (Some(_), Some(_)) => return Err(GraphError::of(100, "Only one of id and link may be given")),
            (None, None) => return Err(GraphError::of(131_008, format!("{kind} needs id or link"))),
            (Some(link), None) => {
                let ok = url::Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
                if !ok {
                    return Err(GraphError::of(100, format!("{kind}.link is not a valid URL")));
                }
                if self.state.lock().refused_links.iter().any(|part| link.contains(part.as_str())) {
                    return Err(GraphError::of(131_053, "Unable to download the media from the link"));
                }
            }
            (None, Some(id)) => {
                let state = self.state.lock();
                let media = state.media.get(id);
                let media =
                    media.ok_or_else(|| GraphError::of(100, format!("Media id {id} is not known")))?;
                let stored = kind_of(&media.mime_type).unwrap_or("document");
                if kind != "document" && stored != kind {
                    return Err(GraphError::of(131_053, format!("{} is no {kind}", media.mime_type)));
                }
            }
        }
        let caption = optional_text(part, "caption", 1024)?;
        if caption.is_some() && (kind == "audio" || kind == "sticker") {
            return Err(GraphError::of(100, format!("{kind} takes no caption")));
        }
        if part.get("filename").is_some() && kind != "document" {
            return Err(GraphError::of(100, format!("{kind} takes no filename")));
        }
        Ok(())
    }
}

/// The message type that a media type belongs to; `None` for one that is not supported.
fn kind_of(mime_type: &str) -> Option<&'static str> {
    let bare = mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match bare.as_str() {
        "image/jpeg" | "image/png" => "image",
        "image/webp" => "sticker",
        "audio/aac" | "audio/amr" | "audio/mpeg" | "audio/mp4" | "audio/ogg" => "audio",
        "video/mp4" | "video/3gpp" => "video",
        "text/plain"
        | "application/pdf"
        | "application/msword"
        | "application/vnd.ms-excel"
        | "application/vnd.ms-powerpoint" => "document",
        other if other.starts_with("application/vnd.openxmlformats-officedocument.") => "document",
        _ => return None,
    })
}

fn max_bytes(kind: &str, mime_type: &str) -> usize {
    match kind {
        "image" => 5 * MIB,
        "audio" | "video" => 16 * MIB,
        "sticker" if mime_type.contains("webp") => 500 * 1024,
        _ => 100 * MIB,
    }
}
