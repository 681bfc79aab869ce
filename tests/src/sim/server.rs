//! The HTTP floor under every simulator: a listener on 127.0.0.1:0 that can also break its connections.
//!
//! Built on hyper's connection type and not on a router, because a fault must reach the socket: a test of an
//! unknown outcome needs a TCP reset at a chosen moment.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Largest request body that is read; above it the answer is 413.
const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;

/// One request exactly as it arrived.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The HTTP method.
    pub method: Method,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query string without `?`; empty when there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body bytes, undecoded.
    pub body: Bytes,
}

impl RawRequest {
    /// A header as text; `None` when absent or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token of `Authorization: Bearer …`.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The media type of the body, lower case, without parameters; empty when there is no header.
    pub fn media_type(&self) -> String {
        let whole = self.header("content-type").unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Decoded pairs of a query string.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// Decoded pairs of a form body.
    pub fn form_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The parts of the path between slashes, percent-decoded, empty parts left out.
    pub fn segments(&self) -> Vec<String> {
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        self.path.split('/').filter(|part| !part.is_empty()).map(decode).collect()
    }
}

/// What a simulator answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status; an impossible one becomes 500.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Bytes,
    /// Break the connection with a TCP reset in place of answering.
    pub reset: bool,
}

impl Answer {
    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", body.to_string())
    }

    /// An answer of any media type.
    pub fn text(status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { status, headers, body: body.into(), reset: false }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), reset: false }
    }

    /// No answer: the connection is reset.
    pub fn reset() -> Self {
        Self { reset: true, ..Self::empty(0) }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// The future of one answer.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a simulator does with a request.
pub type Handler = Arc<dyn Fn(RawRequest) -> Answering + Send + Sync>;

/// A running listener. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Only when the system has no port to give.
    pub async fn start(handler: Handler) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::serve(listener, handler)
    }

    /// Serves on a listener that the caller has bound, so that handlers may know their own address.
    ///
    /// # Errors
    /// Only when the listener has no local address.
    pub fn serve(listener: TcpListener, handler: Handler) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, handler));
        Ok(Self { address, task })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connections live in the `JoinSet`, so aborting this task ends them all.
async fn accept(listener: TcpListener, handler: Handler) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve_connection(stream, handler.clone())); }
                // Out of descriptors: give running connections a moment to end.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, handler: Handler) {
    let reset = Arc::new(AtomicBool::new(false));
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let wire = Wire { stream, reset: reset.clone() };
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (handler, reset) = (handler.clone(), reset.clone());
        async move {
            let answer = match read(request).await {
                Ok(raw) => handler(raw).await,
                Err(refusal) => refusal,
            };
            if answer.reset {
                reset.store(true, Ordering::Release);
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            Ok::<_, io::Error>(answer.into_response())
        }
    });
    // An error here is the client's disconnect or the reset we made ourselves.
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(wire), service)
        .await
        .unwrap_or_default();
}

async fn read(request: http::Request<Incoming>) -> Result<RawRequest, Answer> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => return Err(Answer::empty(413)),
    };
    Ok(RawRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
}

/// A socket that is reset, not closed, when its flag is up.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            // Zero linger turns the close into RST; if it fails the client sees an end of stream.
            self.stream.set_zero_linger().unwrap_or_default();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
