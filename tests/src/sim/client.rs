//! A plain HTTP client for simulators and tests: one connection per request, no redirects, no retries.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

/// Longest time for one whole exchange.
const DEADLINE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends one request to an `http://` address and reads the whole answer.
///
/// # Errors
/// The URL is not `http`, the connection fails or is broken, or 30 s pass.
pub async fn send(method: Method, url: &str, headers: &[(String, String)], body: Bytes) -> io::Result<Reply> {
    tokio::time::timeout(DEADLINE, exchange(method, url, headers, body))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {url} within 30 s")))?
}

/// Sends JSON with POST; `headers` come on top of the content type.
///
/// # Errors
/// As [`send`].
pub async fn post_json(url: &str, headers: &[(String, String)], body: &Value) -> io::Result<Reply> {
    let mut all = vec![("content-type".to_owned(), "application/json".to_owned())];
    all.extend_from_slice(headers);
    send(Method::POST, url, &all, Bytes::from(body.to_string())).await
}

/// Reads an address with GET.
///
/// # Errors
/// As [`send`].
pub async fn get(url: &str, headers: &[(String, String)]) -> io::Result<Reply> {
    send(Method::GET, url, headers, Bytes::new()).await
}

async fn exchange(method: Method, url: &str, headers: &[(String, String)], body: Bytes) -> io::Result<Reply> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let url = Url::parse(url).map_err(|error| invalid(format!("{url}: {error}")))?;
    if url.scheme() != "http" {
        return Err(invalid(format!("{url}: only http addresses can be reached from a test")));
    }
    let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
    let port = url.port().unwrap_or(80);
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::builder().method(method).uri(target).header("host", format!("{host}:{port}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body)).map_err(|error| invalid(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    driver.abort();
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
}
