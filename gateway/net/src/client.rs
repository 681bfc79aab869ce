//! The outbound client: a request in, an answer or the reason for none out.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::body::Outgoing;
use crate::connect::{Connector, Dialer};
use crate::guard::{Policy, Reach};
use crate::plain::{Host, Lost, Plain};
use crate::{Answer, Body, NetError, NetErrorKind, Resolve, Response, ResponseHead, SystemResolver, tls};

/// Idle connections kept to one host: as many as a busy bot core answers at a time on a large machine.
pub(crate) const IDLE_PER_HOST: usize = 1024;

/// How long an idle connection is kept; below the 60 s after which common servers close theirs, because a
/// request on a connection that is being closed has an unknown result.
pub(crate) const IDLE_FOR: Duration = Duration::from_secs(50);

/// Headers that frame the message or belong to the connection: the client writes them itself.
const OWN_HEADERS: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// How the client behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Whether private addresses, plain HTTP and any port may be reached by every request. Default no.
    pub allow_private_networks: bool,
    /// `host` or `host:port` that may be private, plain HTTP and at any port. Default none.
    pub allowed_hosts: Vec<String>,
    /// Time for lookup, connection and TLS together. Default 5 s.
    pub connect_timeout: Duration,
    /// `user-agent` of requests that bring none. Default `portico/<version>`.
    pub user_agent: String,
    /// Certificate authorities trusted besides the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            allow_private_networks: false,
            allowed_hosts: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            user_agent: concat!("portico/", env!("CARGO_PKG_VERSION")).into(),
            extra_roots: Vec::new(),
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Absolute address. Its fragment is not sent.
    pub url: Url,
    /// Headers; those that frame the message (`host`, `content-length`…) are left out and written anew.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
    /// Time for the whole exchange, the answer's body included.
    pub timeout: Duration,
    /// Most bytes of the answer's body.
    pub max_answer: usize,
    /// Whether the operator named this very target, so that it may be private.
    pub private: bool,
}

impl Request {
    /// A request with no headers or body, 10 s, 1 MiB, to a public address.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            timeout: Duration::from_secs(10),
            max_answer: 1024 * 1024,
            private: false,
        }
    }
}

/// The outbound client. Clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

type Pool = legacy::Client<Connector, Outgoing>;

struct Inner {
    policy: Policy,
    user_agent: HeaderValue,
    // Two pools: a connection made for a named target must never serve a request that may only reach
    // public addresses, though both say the same host.
    public: Pool,
    private: Pool,
    // The same for what is reached without TLS.
    plain_public: Arc<Plain>,
    plain_private: Arc<Plain>,
}

/// An address that is called often: checked and taken apart once, by [`Client::target`].
#[derive(Clone)]
pub struct Target {
    reach: Reach,
    /// The absolute address; for a plain host its path and query alone.
    uri: Uri,
    /// For messages to operators.
    name: Arc<str>,
    /// Where TLS is not spoken.
    plain: Option<Arc<Host>>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Paths may hold secrets.
        f.debug_struct("Target").field("host", &self.name).field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// What is sent to a [`Target`].
#[derive(Clone, Debug)]
pub struct Call {
    /// HTTP method.
    pub method: Method,
    /// Headers, without those that frame the message (`host`, `content-length`…).
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
    /// Time for the whole exchange, the answer's body included.
    pub timeout: Duration,
    /// Most bytes of the answer's body.
    pub max_answer: usize,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("policy", &self.inner.policy).finish_non_exhaustive()
    }
}

impl Client {
    /// A client on the system's resolver.
    ///
    /// # Errors
    /// A certificate of `extra_roots` or the user agent is malformed.
    pub fn new(options: ClientOptions) -> Result<Self, NetError> {
        Self::with_resolver(options, Arc::new(SystemResolver::default()))
    }

    /// A client on another resolver.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_resolver(options: ClientOptions, resolver: Arc<dyn Resolve>) -> Result<Self, NetError> {
        let dialer = |reach| Dialer {
            resolver: resolver.clone(),
            reach,
            #[cfg(test)]
            instead: None,
        };
        Self::assemble(&options, dialer(Reach::Public), dialer(Reach::Private))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the client that the rule sends everybody to")]
    pub(crate) fn assemble(
        options: &ClientOptions,
        public: Dialer,
        private: Dialer,
    ) -> Result<Self, NetError> {
        let config = tls::client_config(&options.extra_roots)?;
        let plain = |dialer: &Dialer| Plain::new(dialer.clone(), options.connect_timeout);
        let (plain_public, plain_private) = (plain(&public), plain(&private));
        let pool = |dialer: Dialer| {
            let https = HttpsConnectorBuilder::new()
                .with_tls_config(config.clone())
                .https_or_http()
                .enable_all_versions()
                .wrap_connector(dialer);
            legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(IDLE_PER_HOST)
                .http1_max_headers(128)
                .http2_adaptive_window(true)
                .http2_keep_alive_interval(Duration::from_secs(20))
                .http2_max_header_list_size(64 * 1024)
                .build(Connector { https, timeout: options.connect_timeout })
        };
        let user_agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| NetError::denied("the user agent holds characters that a header can't"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                policy: Policy::new(options.allow_private_networks, &options.allowed_hosts),
                user_agent,
                public: pool(public),
                private: pool(private),
                plain_public,
                plain_private,
            }),
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// Any status is an answer, 3xx too: redirects are not followed.
    ///
    /// # Errors
    /// A [`NetError`] whose kind tells whether the request can have been received.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        self.open(request).await?.whole().await
    }

    /// Sends a request and hands each piece of the answer's body to `sink`, in order.
    ///
    /// For large bodies. `sink` gets the body of any status: use [`Client::open`] to look at the status first.
    ///
    /// # Errors
    /// As [`Client::send`]; a failure of `sink` is an `UnknownResult`, since the request was sent.
    pub async fn fetch_to(
        &self,
        request: Request,
        mut sink: impl FnMut(Bytes) -> io::Result<()>,
    ) -> Result<ResponseHead, NetError> {
        let mut answer = self.open(request).await?;
        while let Some(piece) = answer.chunk().await? {
            sink(piece).map_err(|error| {
                NetError::new(NetErrorKind::UnknownResult, format!("the answer could not be kept: {error}"))
            })?;
        }
        Ok(answer.head)
    }

    /// Sends a request and returns once the answer's head is there.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn open(&self, request: Request) -> Result<Answer, NetError> {
        let Request { method, url, headers, body, timeout, max_answer, private } = request;
        let target = self.target(url, private)?;
        self.call(&target, Call { method, headers: framed_by_us(headers), body, timeout, max_answer }).await
    }

    /// Checks an address and takes it apart, for many calls.
    ///
    /// # Errors
    /// `Denied`, as for [`Client::open`].
    pub fn target(&self, url: Url, private: bool) -> Result<Target, NetError> {
        let reach = self.inner.policy.check(&url, private)?;
        let is_plain = url.scheme() == "http";
        let uri = Uri::from_maybe_shared(Bytes::from(String::from(url)))
            .map_err(|error| NetError::denied(format!("the address can't be sent: {error}")))?;
        let name = uri.host().unwrap_or_default().into();
        if !is_plain {
            return Ok(Target { reach, uri, name, plain: None });
        }
        let plain = Some(self.plain(reach).host(&uri)?);
        let path = uri.into_parts().path_and_query.map(Uri::from).unwrap_or_default();
        Ok(Target { reach, uri: path, name, plain })
    }

    fn plain(&self, reach: Reach) -> &Arc<Plain> {
        match reach {
            Reach::Public => &self.inner.plain_public,
            Reach::Private => &self.inner.plain_private,
        }
    }

    /// As [`Client::open`], to a target that was looked at before.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn call(&self, target: &Target, call: Call) -> Result<Answer, NetError> {
        let Call { method, mut headers, body, timeout, max_answer } = call;
        let deadline = Instant::now() + timeout;
        if let Some((_, error)) = body.missing_file().await {
            return Err(NetError::denied(format!("a file of the body can't be read: {error}")));
        }
        headers.entry(header::USER_AGENT).or_insert_with(|| self.inner.user_agent.clone());
        let mut message = http::Request::new(Outgoing::from(body));
        *message.method_mut() = method;
        *message.uri_mut() = target.uri.clone();
        let name = &target.name;
        let late = |sent: bool| {
            let kind = if sent { NetErrorKind::TimedOut } else { NetErrorKind::Connect };
            let what = if sent { "no answer" } else { "no connection" };
            NetError::new(kind, format!("{what} of '{name}' within {} ms", timeout.as_millis()))
        };
        if let Some(host) = &target.plain {
            headers.insert(header::HOST, host.header.clone());
            *message.headers_mut() = headers;
            let mut reached = false;
            let exchange = self.plain(target.reach).exchange(host, message, &mut reached);
            return match timeout_at(deadline, exchange).await {
                Ok(Ok(message)) => Answer::new(message, max_answer, deadline, name.clone()),
                Ok(Err(Lost::Unreached(error))) => Err(error),
                Ok(Err(Lost::Broken(error))) => Err(broken_off(&error, name)),
                Err(_) => Err(late(reached)),
            };
        }
        *message.headers_mut() = headers;
        let taken = capture_connection(&mut message);
        let pool = match target.reach {
            Reach::Public => &self.inner.public,
            Reach::Private => &self.inner.private,
        };
        match timeout_at(deadline, pool.request(message)).await {
            Ok(Ok(message)) => Answer::new(message.map(Into::into), max_answer, deadline, name.clone()),
            Ok(Err(error)) => Err(explain(&error, name)),
            Err(_) => Err(late(taken.connection_metadata().is_some())),
        }
    }
}

/// Without the headers that the client writes itself.
fn framed_by_us(mut headers: HeaderMap) -> HeaderMap {
    for name in &OWN_HEADERS {
        headers.remove(name);
    }
    headers
}

/// hyper's own sentences hold no part of the request.
fn broken_off(error: &hyper::Error, host: &str) -> NetError {
    let mut reason: &dyn std::error::Error = error;
    while let Some(cause) = reason.source() {
        reason = cause;
    }
    let message = format!("the exchange with '{host}' broke off: {reason}");
    NetError::new(NetErrorKind::UnknownResult, message)
}

fn explain(error: &legacy::Error, host: &str) -> NetError {
    let mut source = error.source();
    let mut reason = None;
    while let Some(cause) = source {
        if let Some(own) = cause.downcast_ref::<NetError>() {
            return own.clone();
        }
        // hyper's own sentences hold no part of the request.
        reason = Some(cause.to_string());
        source = cause.source();
    }
    let kind = if error.is_connect() { NetErrorKind::Connect } else { NetErrorKind::UnknownResult };
    NetError::new(
        kind,
        format!("the exchange with '{host}' broke off: {}", reason.as_deref().unwrap_or("no reason")),
    )
}
