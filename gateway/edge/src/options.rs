//! What an edge is made of; the defaults are those of the limits table.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustls::ServerConfig;

/// So many in so long, with room for a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
    /// How many may come at once after a pause.
    pub burst: u32,
}

/// Limits of HTTP/2 connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Streams at once.
    pub streams: u32,
    /// Window of a stream in bytes.
    pub stream_window: u32,
    /// Window of a connection in bytes.
    pub connection_window: u32,
    /// Bytes of headers.
    pub header_list: u32,
    /// Resets that may be pending.
    pub pending_resets: usize,
    /// Bytes of a frame.
    pub frame: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            header_list: 16 * 1024,
            pending_resets: 20,
            frame: 16 * 1024,
        }
    }
}

/// Limits of connections, requests and addresses.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address (IPv6: of one /64).
    pub connections_per_address: usize,
    /// Time for a TLS handshake.
    pub tls_handshake: Duration,
    /// Time until the first byte.
    pub first_byte: Duration,
    /// Time for a whole head.
    pub head_time: Duration,
    /// Time for a whole body.
    pub body_time: Duration,
    /// Least pace of a body after 3 s, bytes per second.
    pub body_pace: u64,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// Time for a whole request.
    pub request_time: Duration,
    /// Requests on one connection.
    pub requests_per_connection: u32,
    /// Bytes of an HTTP/1 head.
    pub head_bytes: usize,
    /// Headers of an HTTP/1 head.
    pub headers: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// HTTP/2.
    pub http2: Http2,
    /// Webhook body, where the connector does not need more.
    pub webhook_body: usize,
    /// Webhooks of one installation.
    pub installation: Quota,
    /// Requests of one address, of any kind; `None`: no limit.
    pub address: Option<Quota>,
    /// Unsigned or forged requests of one address.
    pub failures: Quota,
    /// How long an address above that is turned away.
    pub failure_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            connections: 10_000,
            connections_per_address: 256,
            tls_handshake: 5 * second,
            first_byte: 5 * second,
            head_time: 10 * second,
            body_time: 15 * second,
            body_pace: 1024,
            keep_alive: 60 * second,
            request_time: 30 * second,
            requests_per_connection: 10_000,
            head_bytes: 16 * 1024,
            headers: 64,
            target_bytes: 4 * 1024,
            http2: Http2::default(),
            webhook_body: 1024 * 1024,
            installation: Quota { count: 1000, per: second, burst: 5000 },
            address: None,
            failures: Quota { count: 30, per: 60 * second, burst: 30 },
            failure_pause: 300 * second,
        }
    }
}

/// One edge.
#[derive(Clone)]
pub struct EdgeOptions {
    /// TLS, where this edge ends it.
    pub tls: Option<Arc<ServerConfig>>,
    /// Worker threads; 0 means one for each core.
    pub workers: usize,
    /// Name of the threads and of the listener in metrics.
    pub name: &'static str,
    /// Limits.
    pub limits: Limits,
    /// Networks whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl std::fmt::Debug for EdgeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeOptions").field("name", &self.name).finish_non_exhaustive()
    }
}
