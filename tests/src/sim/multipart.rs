//! Reads `multipart/form-data` bodies, as uploads of Telegram, WhatsApp and Slack are.

use bytes::Bytes;
use futures_util::stream;

use super::server::RawRequest;

/// One part of a form.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) bytes: Bytes,
}

/// All parts of a request's body, or why they cannot be read.
pub(crate) async fn parts(request: &RawRequest) -> Result<Vec<Part>, String> {
    let content_type = request.header("content-type").unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|error| error.to_string())?;
    let body = request.body.clone();
    let mut form = multer::Multipart::new(stream::iter([Ok::<_, std::io::Error>(body)]), boundary);
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| error.to_string())? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let media_type = field.content_type().map(ToString::to_string);
        let bytes = field.bytes().await.map_err(|error| error.to_string())?;
        parts.push(Part { name, file_name, media_type, bytes });
    }
    Ok(parts)
}
