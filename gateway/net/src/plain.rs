//! Connections without TLS: HTTP/1.1, kept and used again, each driven by the task whose request is on it.
//!
//! A bot core beside the gateway is called once per event. A connection with a task of its own costs such a call two
//! changes of task and two wake-ups; here the caller polls its connection itself, so that the answer wakes whoever
//! waits for it. Hosts over TLS, which may speak HTTP/2, go through hyper-util's pools.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Uri};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::body::Outgoing;
use crate::client::{IDLE_FOR, IDLE_PER_HOST};
use crate::connect::Dialer;
use crate::{NetError, NetErrorKind};

/// How often connections that grew too old are closed.
const SWEEP: Duration = Duration::from_secs(5);

type Driver = Connection<TokioIo<TcpStream>, Outgoing>;

/// The socket and what hyper knows of it; nothing once it has come to its end.
struct Socket(Option<Pin<Box<Driver>>>);

impl Socket {
    /// Moves bytes both ways. With its end it is dropped, by which a request that was not sent and a body that is not
    /// complete learn of it; how it ended hyper tells them, too.
    fn drive(&mut self, context: &mut Context<'_>) {
        if self.0.as_mut().is_some_and(|socket| socket.as_mut().poll(context).is_ready()) {
            self.0 = None;
        }
    }
}

/// A connection.
struct Line {
    sender: SendRequest<Outgoing>,
    socket: Socket,
    since: Instant,
}

impl Line {
    /// Whether it can take the next request.
    fn is_free(&mut self) -> bool {
        if !self.sender.is_ready() {
            // The end of an answer is noticed here; nobody waits for it.
            self.socket.drive(&mut Context::from_waker(Waker::noop()));
        }
        self.sender.is_ready()
    }
}

/// One host and port, with its idle connections.
pub(crate) struct Host {
    /// Its address, for the dialer.
    address: Uri,
    /// What the `host` header says.
    pub(crate) header: HeaderValue,
    idle: Mutex<Vec<Line>>,
}

impl Host {
    /// The connection that was used last: what is not needed grows old and goes.
    fn take(&self) -> Option<Line> {
        let mut idle = locked(&self.idle);
        let line = idle.pop()?;
        if line.since.elapsed() < IDLE_FOR {
            return Some(line);
        }
        // All others are older still.
        idle.clear();
        None
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why there is no answer.
pub(crate) enum Lost {
    /// There was no connection.
    Unreached(NetError),
    /// It broke off.
    Broken(hyper::Error),
}

/// All hosts that a [`Dialer`] reaches without TLS.
pub(crate) struct Plain {
    dialer: Dialer,
    connect_timeout: Duration,
    hosts: Mutex<HashMap<Box<str>, Arc<Host>>>,
    sweeps: AtomicBool,
}

impl Plain {
    pub(crate) fn new(dialer: Dialer, connect_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { dialer, connect_timeout, hosts: Mutex::default(), sweeps: AtomicBool::new(false) })
    }

    /// The host of an address.
    pub(crate) fn host(&self, address: &Uri) -> Result<Arc<Host>, NetError> {
        let name = address.host().unwrap_or_default();
        let header = match address.port_u16() {
            None | Some(80) => name.to_owned(),
            Some(port) => format!("{name}:{port}"),
        };
        let mut hosts = locked(&self.hosts);
        if let Some(host) = hosts.get(header.as_str()) {
            return Ok(host.clone());
        }
        let value = HeaderValue::from_str(&header)
            .map_err(|_| NetError::denied("the host's name holds characters that a header can't"))?;
        let host = Arc::new(Host { address: address.clone(), header: value, idle: Mutex::default() });
        hosts.insert(header.into(), host.clone());
        Ok(host)
    }

    /// Sends a request whose address is of origin form, and waits for the head of the answer. `reached` is set once
    /// there is a connection.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        host: &Arc<Host>,
        mut message: http::Request<Outgoing>,
        reached: &mut bool,
    ) -> Result<http::Response<Reading>, Lost> {
        loop {
            let (mut line, fresh) = match host.take() {
                Some(line) => (line, false),
                None => (self.connect(host).await.map_err(Lost::Unreached)?, true),
            };
            *reached = true;
            // Nothing but the connection makes it go on, and that is polled first: it needs no waker of its own, and
            // no share of the task's budget, without which a waker would have to be told to come again.
            let mut answer = pin!(tokio::task::unconstrained(line.sender.try_send_request(message)));
            let socket = &mut line.socket;
            let answer = poll_fn(|context| {
                socket.drive(context);
                answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            });
            match answer.await {
                Ok(answer) => {
                    let lease = Lease { line, host: host.clone(), plain: self.clone() };
                    return Ok(answer.map(|body| Reading { body, lease: Some(lease) }));
                }
                Err(mut error) => match error.take_message() {
                    // The other side closed it while it lay idle, and the request never left.
                    Some(back) if !fresh => message = back,
                    _ => return Err(Lost::Broken(error.into_error())),
                },
            }
        }
    }

    async fn connect(&self, host: &Host) -> Result<Line, NetError> {
        let name = || host.address.host().unwrap_or_default();
        let connecting = self.dialer.clone().dial(host.address.clone());
        let stream = tokio::time::timeout(self.connect_timeout, connecting).await.map_err(|_| {
            let limit = self.connect_timeout.as_millis();
            NetError::new(NetErrorKind::Connect, format!("no connection to '{}' within {limit} ms", name()))
        })??;
        let (sender, socket) = Builder::new().max_headers(128).handshake(stream).await.map_err(|error| {
            NetError::new(NetErrorKind::Connect, format!("no connection to '{}': {error}", name()))
        })?;
        Ok(Line { sender, socket: Socket(Some(Box::pin(socket))), since: Instant::now() })
    }

    fn keep(self: &Arc<Self>, host: &Host, mut line: Line) {
        if !line.is_free() {
            return;
        }
        line.since = Instant::now();
        let mut idle = locked(&host.idle);
        if idle.len() < IDLE_PER_HOST {
            idle.push(line);
        }
        drop(idle);
        if !self.sweeps.load(Ordering::Relaxed) && !self.sweeps.swap(true, Ordering::Relaxed) {
            self.sweep();
        }
    }

    /// Closes what grew too old, until nothing is left.
    fn sweep(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return self.sweeps.store(false, Ordering::Relaxed);
        };
        let swept = Sweeping(Arc::downgrade(self));
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(plain) = swept.0.upgrade() else { return };
                let mut hosts = locked(&plain.hosts);
                hosts.retain(|_, host| {
                    let mut idle = locked(&host.idle);
                    let old = idle.iter().take_while(|line| line.since.elapsed() + SWEEP >= IDLE_FOR).count();
                    idle.drain(..old);
                    !idle.is_empty() || Arc::strong_count(host) > 1
                });
                if hosts.values().all(|host| locked(&host.idle).is_empty()) {
                    return;
                }
            }
        });
    }
}

/// The sweep of a client's connections; once it has ended, the next connection that is kept starts another.
struct Sweeping(std::sync::Weak<Plain>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(plain) = self.0.upgrade() {
            plain.sweeps.store(false, Ordering::Relaxed);
        }
    }
}

/// A connection that an answer is read from.
struct Lease {
    line: Line,
    host: Arc<Host>,
    plain: Arc<Plain>,
}

/// The body of an answer, with the connection that it comes over, which is kept once it was read to its end.
pub(crate) struct Reading {
    body: Incoming,
    lease: Option<Lease>,
}

impl From<Incoming> for Reading {
    fn from(body: Incoming) -> Self {
        Self { body, lease: None }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.body.fmt(f)
    }
}

impl Reading {
    fn give_back(&mut self) {
        if let Some(Lease { line, host, plain }) = self.lease.take() {
            plain.keep(&host, line);
        }
    }
}

impl http_body::Body for Reading {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, lease } = &mut *self;
        let body = Pin::new(body);
        let next = match lease {
            None => body.poll_frame(context),
            Some(lease) => {
                // Most bodies came with their head.
                let body = body.get_mut();
                match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => {
                        lease.line.socket.drive(context);
                        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
                    }
                    ready => ready,
                }
            }
        };
        if matches!(next, Poll::Ready(None)) {
            self.give_back();
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // An answer that is not read to its end takes its connection along.
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}
