//! Sends what a turn asked for and brings the answer back as data.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use portico_contract::{
    Field, FormPart, HttpAnswer, InboundResponse, Keep, Millis, OutboundRequest, Payload, TransportFailure,
};
use portico_net::{Answer, Body, Client, Request, Segment};
use tracing::warn;

use crate::guard::{self, Allowed};
use crate::{BlobStore, Installation};

/// Bounds of the exchanges with providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// Longest exchange; a request may ask for less.
    pub timeout: Duration,
    /// Largest answer that is handed back as bytes.
    pub answer: usize,
    /// Largest media that is fetched.
    pub media: usize,
    /// Longest fetch of media.
    pub media_time: Duration,
}

impl Default for ExchangeLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            answer: 1 << 20,
            media: 20 << 20,
            media_time: Duration::from_secs(60),
        }
    }
}

/// Answer headers that connectors get to see; cookies and the like stay outside.
const SHOWN: [&str; 10] = [
    "content-type",
    "content-length",
    "content-disposition",
    "retry-after",
    "date",
    "etag",
    "location",
    "x-ratelimit-reset",
    "x-ratelimit-remaining",
    "x-business-use-case-usage",
];

/// Everything needed to send.
pub(crate) struct Sender<'a> {
    pub(crate) installation: &'a Installation,
    pub(crate) client: &'a Client,
    pub(crate) blobs: &'a BlobStore,
    pub(crate) limits: ExchangeLimits,
    pub(crate) now: Millis,
}

impl Sender<'_> {
    /// Sends requests one after the other; stops after the first without a 2xx.
    pub(crate) async fn send_all(&self, requests: &[OutboundRequest]) -> Vec<HttpAnswer> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let outcome = self.send(request).await;
            let goes_on = outcome.as_ref().is_ok_and(InboundResponse::is_success);
            answers.push(HttpAnswer { label: request.label.clone(), outcome });
            if !goes_on {
                break;
            }
        }
        answers
    }

    async fn send(&self, request: &OutboundRequest) -> Result<InboundResponse, TransportFailure> {
        let allowed = guard::allow(self.installation, request).map_err(|(failure, rule)| {
            warn!(installation.id = %self.installation.id, label = %request.label, "a request was refused: {rule}");
            failure
        })?;
        let wire = self.wire(request, allowed).await?;
        let answer = self.client.open(wire).await.map_err(|error| {
            warn!(installation.id = %self.installation.id, label = %request.label, "no answer: {error}");
            TransportFailure::from(error.kind)
        })?;
        self.keep(request.keep, answer).await
    }

    async fn wire(&self, request: &OutboundRequest, allowed: Allowed) -> Result<Request, TransportFailure> {
        let Allowed { url, mut headers, method, body } = allowed;
        let body = match body {
            Payload::Empty => Body::Empty,
            Payload::Text(text) => Body::Bytes(text.into()),
            Payload::Bytes(bytes) => Body::Bytes(bytes),
            Payload::Stored(id) => {
                let (path, len) = self.blob(&id).await?;
                Body::File { path, len }
            }
            Payload::Form(parts) => {
                let boundary = format!("portico-{}", portico_contract::EventId::new());
                let value = format!("multipart/form-data; boundary={boundary}");
                headers.insert(
                    CONTENT_TYPE,
                    HeaderValue::try_from(value).map_err(|_| TransportFailure::Denied)?,
                );
                Body::Segments(self.form(&boundary, parts).await?)
            }
        };
        let stores = request.keep == Keep::Stored || matches!(&body, Body::File { .. } | Body::Segments(_));
        let longest = if stores { self.limits.media_time } else { self.limits.timeout };
        let wanted = request.timeout_ms.map(|wanted| Duration::from_millis(u64::from(wanted)));
        let usual = if stores { longest } else { Duration::from_secs(10) };
        let timeout = wanted.unwrap_or(usual).min(longest);
        let max_answer = if request.keep == Keep::Stored { self.limits.media } else { self.limits.answer };
        Ok(Request { method, url, headers, body, timeout, max_answer, private: false })
    }

    async fn blob(&self, id: &str) -> Result<(std::path::PathBuf, u64), TransportFailure> {
        let known =
            self.blobs.describe(&self.installation.id, id).await.map_err(|_| TransportFailure::Denied)?;
        let path = self.blobs.files().find(id).await;
        known.zip(path).map(|(blob, path)| (path, blob.size)).ok_or(TransportFailure::Denied)
    }

    async fn form(&self, boundary: &str, parts: Vec<FormPart>) -> Result<Vec<Segment>, TransportFailure> {
        let mut segments = Vec::with_capacity(parts.len() * 3 + 1);
        for part in parts {
            let mut head =
                format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"", quoted(&part.name));
            if let Some(filename) = &part.filename {
                head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
            }
            if let Some(media_type) = &part.media_type {
                head.push_str(&format!("\r\ncontent-type: {}", quoted(media_type)));
            }
            head.push_str("\r\n\r\n");
            segments.push(Segment::Bytes(head.into()));
            match part.body {
                Payload::Empty => {}
                Payload::Text(text) => segments.push(Segment::Bytes(text.into())),
                Payload::Bytes(bytes) => segments.push(Segment::Bytes(bytes)),
                Payload::Stored(id) => {
                    let (path, len) = self.blob(&id).await?;
                    segments.push(Segment::File { path, len });
                }
                Payload::Form(_) => return Err(TransportFailure::Denied),
            }
            segments.push(Segment::Bytes(Bytes::from_static(b"\r\n")));
        }
        segments.push(Segment::Bytes(format!("--{boundary}--\r\n").into()));
        Ok(segments)
    }

    async fn keep(&self, keep: Keep, mut answer: Answer) -> Result<InboundResponse, TransportFailure> {
        let status = answer.head.status;
        let headers: Vec<Field> = SHOWN
            .iter()
            .filter_map(|name| Some(Field::new(*name, answer.head.headers.get(*name)?.to_str().ok()?)))
            .collect();
        let body = if keep == Keep::Stored && (200..300).contains(&status) {
            Payload::Stored(self.store(&headers, &mut answer).await?)
        } else {
            let whole = answer.whole().await.map_err(|error| TransportFailure::from(error.kind))?;
            match keep {
                Keep::Nothing => Payload::Empty,
                Keep::Bytes | Keep::Stored => match String::from_utf8(whole.body.to_vec()) {
                    Ok(text) => Payload::Text(text),
                    Err(_) => Payload::Bytes(whole.body),
                },
            }
        };
        Ok(InboundResponse { status, headers, body })
    }

    async fn store(&self, headers: &[Field], answer: &mut Answer) -> Result<String, TransportFailure> {
        let lost = |error: &dyn std::fmt::Display| {
            warn!(installation.id = %self.installation.id, "an answer could not be kept: {error}");
            TransportFailure::UnknownResult
        };
        let mut writer = self.blobs.files().begin().await.map_err(|error| lost(&error))?;
        while let Some(piece) = answer.chunk().await.map_err(|error| TransportFailure::from(error.kind))? {
            writer.write(&piece).await.map_err(|error| lost(&error))?;
        }
        let header =
            |name: &str| headers.iter().find(|field| field.name == name).map(|field| field.value.as_str());
        let media_type = header("content-type").unwrap_or("application/octet-stream");
        let filename = header("content-disposition").and_then(filename_of);
        let blob = self
            .blobs
            .keep(&self.installation.id, writer, media_type, filename, self.now)
            .await
            .map_err(|error| lost(&error))?;
        Ok(blob.id)
    }
}

/// A text inside quotes of a header (RFC 7578, section 5.1.1 escapes as browsers do).
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn filename_of(disposition: &str) -> Option<String> {
    let (_, rest) = disposition.split_once("filename=")?;
    let name =
        rest.strip_prefix('"').map_or_else(|| rest.split(';').next(), |rest| rest.split('"').next())?;
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name).trim();
    (!name.is_empty()).then(|| name.to_owned())
}
