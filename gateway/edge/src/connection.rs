//! One connection: HTTP over it, and a watch on how long each phase takes.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::IntoResponse;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use portico_problem::{Kind, Problem};
use portico_telemetry::Metrics;
use portico_telemetry::metrics::{Limit, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service;

use crate::answer::Answer;
use crate::client_address::{ClientAddress, client_address};
use crate::gate::Place;
use crate::hooks::{self, Desk};
use crate::limits::RateLimits;
use crate::options::Limits;
use crate::watch::{self, Phase, Watch};

/// What all connections of an edge share.
pub(crate) struct Shared {
    pub(crate) desk: Option<Desk>,
    pub(crate) router: Router,
    pub(crate) limits: Arc<Limits>,
    pub(crate) rates: Arc<RateLimits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Stop taking new requests; finish what is under way.
    pub(crate) draining: CancellationToken,
}

/// What a connection holds as long as its stream is open: also when it has changed its protocol, and another task
/// serves it.
pub(crate) struct Held {
    /// Its place among the connections.
    pub(crate) _place: Place,
    /// Keeps the worker's thread.
    pub(crate) _worker: TaskTrackerToken,
}

/// A stream that tells the watch when bytes arrive.
struct Watched<S> {
    stream: TokioIo<S>,
    watch: Arc<Watch>,
    _held: Held,
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads a piece of a head, and looks at its line ends before the parser does.
    fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut space = [0; 2048];
        let room = space.len().min(buf.remaining());
        let mut piece = ReadBuf::new(&mut space[..room]);
        std::task::ready!(Pin::new(self.stream.inner_mut()).poll_read(cx, &mut piece))?;
        let bytes = piece.filled_mut();
        self.watch.lines().check(bytes);
        buf.put_slice(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Read for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = match self.watch.lines().are_watched() {
            true => self.poll_read_head(cx, buf),
            false => Pin::new(&mut self.stream).poll_read(cx, buf),
        };
        if read.is_ready() {
            self.watch.bytes_arrived();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Write for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

/// Serves a connection until it ends, its time runs out, or the edge is drained.
///
/// A request whose answer is 101 takes the stream over (`hyper::upgrade::on`); who asked for it serves it on this
/// worker's thread, and minds the drain and the time.
pub(crate) async fn serve<S>(shared: Rc<Shared>, stream: S, peer: IpAddr, http2: bool, held: Held)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Arc::new(Watch::new(http2));
    let io = Watched { stream: TokioIo::new(stream), watch: watch.clone(), _held: held };
    let service = {
        let (shared, watch) = (shared.clone(), watch.clone());
        hyper::service::service_fn(move |request: Request<Incoming>| {
            let (shared, watch) = (shared.clone(), watch.clone());
            async move {
                let (nth, under_way) = watch.begins(http2 || !request.body().is_end_stream());
                let more = watch::allowance(&request);
                watch.allow(more);
                let mut response = answer(&shared, request, peer, more).await;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    watch.lines().pass();
                    return Ok(response);
                }
                if watch::is_endless(&response) {
                    // Ends when its body does.
                    response = response.map(|body| watch.endless(body, under_way));
                } else {
                    drop(under_way);
                }
                let last = nth >= shared.limits.requests_per_connection || shared.draining.is_cancelled();
                match http2 {
                    // Streams that are open are still answered.
                    true if last => watch.spent().notify_one(),
                    false if last => {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    // Says nothing over HTTP/2, where only the stream is over.
                    true => drop(response.headers_mut().remove(CONNECTION)),
                    false => {}
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let limits = &shared.limits;
    if http2 {
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.http2.streams)
            .initial_stream_window_size(limits.http2.stream_window)
            .initial_connection_window_size(limits.http2.connection_window)
            .max_header_list_size(limits.http2.header_list)
            .max_pending_accept_reset_streams(limits.http2.pending_resets)
            .max_frame_size(limits.http2.frame);
        let connection = builder.serve_connection(io, service);
        let mut connection = pin!(connection);
        watched(&shared, &watch, async |stop| match stop {
            Some(()) => {
                connection.as_mut().graceful_shutdown();
                None
            }
            None => {
                // How it ended is the other side's affair.
                drop(connection.as_mut().await);
                Some(())
            }
        })
        .await;
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(limits.headers)
            .max_buf_size(limits.head_bytes.max(8192))
            .half_close(false)
            .pipeline_flush(true);
        let connection = builder.serve_connection(io, service).with_upgrades();
        let mut connection = pin!(connection);
        watched(&shared, &watch, async |stop| match stop {
            Some(()) => {
                connection.as_mut().graceful_shutdown();
                None
            }
            None => {
                // How it ended is the other side's affair.
                drop(connection.as_mut().await);
                Some(())
            }
        })
        .await;
    }
}

/// Runs a connection (`step(None)`) under its deadlines, and asks it to finish (`step(Some(()))`) when the
/// edge is drained. Returning drops the connection.
async fn watched(shared: &Shared, watch: &Watch, mut step: impl AsyncFnMut(Option<()>) -> Option<()>) {
    let mut draining = false;
    // A phase that begins while a longer one is slept through has its own deadline: look up in time for it.
    let nap = shared.limits.first_byte.min(shared.limits.head_time);
    loop {
        let deadline = watch.deadline(&shared.limits).min(Instant::now() + nap);
        tokio::select! {
            biased;
            ended = step(None) => {
                debug_assert!(ended.is_some());
                return;
            }
            () = shared.draining.cancelled(), if !draining => {
                draining = true;
                step(Some(())).await;
                // An idle keep-alive connection is asked to close and may; a stranger's that never spoke
                // must not hold up the end.
                if watch.phase() == Phase::First {
                    return;
                }
            }
            () = watch.spent().notified(), if !draining => {
                draining = true;
                step(Some(())).await;
            }
            () = tokio::time::sleep_until(deadline.into()) => {
                if watch.deadline(&shared.limits) > Instant::now() {
                    continue;
                }
                match watch.phase() {
                    // A request that is on its way must not fall into a closed connection without a word.
                    Phase::Idle if watch.speaks_frames() && !draining => {
                        draining = true;
                        watch.leaves();
                        step(Some(())).await;
                    }
                    Phase::Idle | Phase::Leaving => return,
                    Phase::First | Phase::Head | Phase::Request => {
                        shared.metrics.refusals.inc(Refusal::TooSlow);
                        return;
                    }
                }
            }
        }
    }
}

/// Answers one request.
async fn answer(
    shared: &Shared,
    mut request: Request<Incoming>,
    peer: IpAddr,
    more: Duration,
) -> Response<Answer> {
    let address = client_address(peer, request.headers(), &shared.trusted_proxies);
    if let Err(problem) = sane(&request, &shared.limits) {
        shared.metrics.refusals.inc(Refusal::Malformed);
        return hooks::close(Answer::routed(problem.into_response()));
    }
    if let Err(wait) = shared.rates.address(address) {
        shared.metrics.limits.inc(Limit::Requests);
        return hooks::too_many("too many requests from this address", wait);
    }
    if let Some(desk) = &shared.desk
        && request.uri().path().starts_with(hooks::PREFIX)
    {
        return desk.answer(request, address).await;
    }
    request.extensions_mut().insert(ClientAddress(address));
    let call = shared.router.clone().call(request);
    match tokio::time::timeout(shared.limits.request_time.max(Duration::from_secs(1)) + more, call).await {
        Ok(Ok(response)) => Answer::routed(response),
        Ok(Err(never)) => match never {},
        Err(_) => {
            Answer::routed(Problem::new(Kind::OperationTimeout, "the request took too long").into_response())
        }
    }
}

/// What hyper lets through and we don't: a host that is missing, said twice or in two ways, a target that is
/// too long.
fn sane(request: &Request<Incoming>, limits: &Limits) -> Result<(), Problem> {
    let bad = |what: &str| Err(Problem::new(Kind::InvalidPayload, format!("malformed request: {what}")));
    if request.version() <= http::Version::HTTP_11 {
        let mut hosts = request.headers().get_all(http::header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(_), Some(_)) => return bad("two host headers"),
            (None, _) if request.version() == http::Version::HTTP_11 => return bad("no host header"),
            (Some(host), None) if !is_host(host.as_bytes()) => return bad("the host header names no host"),
            _ => {}
        }
    } else if let Some(fault) = authority_fault(request) {
        return bad(fault);
    }
    let target = request.uri().path().len() + request.uri().query().map_or(0, |query| query.len() + 1);
    if target > limits.target_bytes {
        return bad("the address line is too long");
    }
    if request.method() == http::Method::CONNECT || request.method() == http::Method::TRACE {
        return bad("the method is not taken here");
    }
    Ok(())
}

/// HTTP/2 names the host in `:authority`, and may say it again in `host` (RFC 9113, 8.3.1). Readers that differ
/// in which of the two they believe would see two different requests.
fn authority_fault(request: &Request<Incoming>) -> Option<&'static str> {
    if !request.uri().scheme_str().is_none_or(|scheme| scheme == "https" || scheme == "http") {
        return Some("the scheme is neither https nor http");
    }
    let mut hosts = request.headers().get_all(http::header::HOST).iter();
    let (authority, host) = (request.uri().authority().map(http::uri::Authority::as_str), hosts.next());
    if hosts.next().is_some() {
        return Some("two host headers");
    }
    match (authority, host.map(HeaderValue::as_bytes)) {
        (None, None) => Some("no authority"),
        (Some(""), _) | (None, Some(b"")) => Some("the authority is empty"),
        (Some(authority), _) if !is_host(authority.as_bytes()) => Some("the authority names no host"),
        (None, Some(host)) if !is_host(host) => Some("the host header names no host"),
        (Some(authority), Some(host)) if !authority.as_bytes().eq_ignore_ascii_case(host) => {
            Some("the host header names another host than the authority")
        }
        _ => None,
    }
}

/// A name or an address, perhaps with a port; or nothing, where a target has no host.
fn is_host(text: &[u8]) -> bool {
    if text.is_empty() || is_plain_host(text) {
        return true;
    }
    let Ok(host) = http::uri::Authority::try_from(text) else { return false };
    let port = host.as_str().rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    !host.as_str().contains('@') && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// A name or an IPv4 address, perhaps with a port: what nearly all send, told without a copy.
fn is_plain_host(text: &[u8]) -> bool {
    let (name, port) = match text.iter().position(|byte| *byte == b':') {
        Some(colon) => (&text[..colon], text.get(colon + 1..)),
        None => (text, None),
    };
    let is_port = |port: &[u8]| str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok());
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        && port.is_none_or(is_port)
}

/// Spawns HTTP/2's streams on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(async move { drop(future.await) }));
    }
}
