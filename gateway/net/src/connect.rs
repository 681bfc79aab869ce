//! From a host to a connection: one lookup, each address checked, the first that answers taken, then TLS.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::guard::{self, Reach};
use crate::{NetError, NetErrorKind, Resolve};

/// Head start of one address over the next (RFC 8305 recommends 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// Most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, NetError>> + Send>>;

/// Makes TCP connections to checked addresses.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) reach: Reach,
    /// Where tests send what passed the guard, so that none talks to the internet.
    #[cfg(test)]
    pub(crate) instead: Option<SocketAddr>,
}

impl Dialer {
    pub(crate) async fn dial(self, uri: Uri) -> Result<TokioIo<TcpStream>, NetError> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| {
                NetError::new(NetErrorKind::Unresolved, format!("'{host}' could not be resolved: {error}"))
            })?,
        };
        if found.is_empty() {
            return Err(NetError::new(NetErrorKind::Unresolved, format!("'{host}' has no address")));
        }
        let mut refusal = None;
        let allowed: Vec<IpAddr> = found
            .into_iter()
            .filter(|ip| match guard::forbidden(*ip, self.reach) {
                Some(what) => {
                    refusal = Some(what);
                    false
                }
                None => true,
            })
            .collect();
        if let (true, Some(what)) = (allowed.is_empty(), refusal) {
            tracing::warn!(host, "an outbound connection was refused: '{host}' is {what}");
            return Err(guard::refused(host, what));
        }
        let stream = self.first_of(interleave(allowed), port).await.map_err(|error| {
            NetError::new(NetErrorKind::Connect, format!("no connection to '{host}' port {port}: {error}"))
        })?;
        // Small requests must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY could not be set: {error}");
        }
        Ok(TokioIo::new(stream))
    }

    /// The first address to answer; each has a head start over the next.
    async fn first_of(&self, addresses: Vec<IpAddr>, port: u16) -> io::Result<TcpStream> {
        let mut waiting = addresses.into_iter().take(MOST_ADDRESSES).map(|ip| SocketAddr::new(ip, port));
        let mut running = FuturesUnordered::new();
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address");
        loop {
            if running.is_empty() {
                match waiting.next() {
                    Some(address) => running.push(self.open(address)),
                    None => return Err(failure),
                }
            }
            tokio::select! {
                biased;
                Some(result) = running.next() => match result {
                    Ok(stream) => return Ok(stream),
                    Err(error) => {
                        failure = error;
                        if let Some(address) = waiting.next() {
                            running.push(self.open(address));
                        }
                    }
                },
                () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => {
                    if let Some(address) = waiting.next() {
                        running.push(self.open(address));
                    }
                }
            }
        }
    }

    async fn open(&self, address: SocketAddr) -> io::Result<TcpStream> {
        #[cfg(test)]
        let address = self.instead.unwrap_or(address);
        TcpStream::connect(address).await
    }
}

/// Both families in turn, beginning with the resolver's favourite, so that one that is dead costs one head start.
fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut same, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|ip| ip.is_ipv4() == first.is_ipv4());
    let mut mixed = Vec::with_capacity(same.len() + other.len());
    let (mut same, mut other) = (same.drain(..), other.drain(..));
    loop {
        let pair = (same.next(), other.next());
        if pair == (None, None) {
            return mixed;
        }
        mixed.extend(pair.0);
        mixed.extend(pair.1);
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = NetError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NetError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A [`Dialer`] and TLS, within one time limit.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) https: HttpsConnector<Dialer>,
    pub(crate) timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = NetError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NetError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = uri.host().unwrap_or_default().to_owned();
        let (connecting, limit) = (self.https.call(uri), self.timeout);
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(Ok(stream)) => Ok(stream),
                // What is not the dialer's own word comes from the handshake.
                Ok(Err(error)) => Err(match error.downcast::<NetError>() {
                    Ok(error) => *error,
                    Err(error) => {
                        NetError::new(NetErrorKind::Tls, format!("TLS with '{host}' failed: {error}"))
                    }
                }),
                Err(_) => Err(NetError::new(
                    NetErrorKind::Connect,
                    format!("no connection to '{host}' within {} ms", limit.as_millis()),
                )),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_none_is_lost() {
        let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(
            interleave(ips(&["2a00::1", "2a00::2", "2a00::3", "9.9.9.9", "9.9.9.8"])),
            ips(&["2a00::1", "9.9.9.9", "2a00::2", "9.9.9.8", "2a00::3"])
        );
        assert_eq!(interleave(ips(&["9.9.9.9", "9.9.9.8"])), ips(&["9.9.9.9", "9.9.9.8"]));
        assert!(interleave(Vec::new()).is_empty());
    }
}
