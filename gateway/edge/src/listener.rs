//! Listens, and hands connections to the workers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use portico_telemetry::Metrics;
use portico_telemetry::metrics::{Limit, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use crate::hooks::Hooks;

use crate::connection::{self, Held, Shared};
use crate::gate::{Gate, Place};
use crate::hooks::Desk;
use crate::limits::RateLimits;
use crate::options::EdgeOptions;

/// A connection on its way to a worker.
struct Accepted {
    stream: std::net::TcpStream,
    peer: IpAddr,
    place: Place,
}

/// A running edge.
pub struct Edge {
    address: SocketAddr,
    accepting: CancellationToken,
    draining: CancellationToken,
    gate: Arc<Gate>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Edge {
    /// Listens on an address; port 0 takes a free one. Connections wait until [`Edge::start`].
    ///
    /// # Errors
    /// The operating system's, when the address can't be listened on.
    pub fn listen(address: SocketAddr, backlog: u32) -> io::Result<std::net::TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        // A restart must not wait for connections of the last run to fade.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(backlog)?.into_std()
    }

    /// Serves what comes in: webhooks to `hooks`, where there are any, everything else to `router`.
    ///
    /// # Errors
    /// The operating system's, when threads or runtimes can't be made.
    pub fn start(
        socket: std::net::TcpListener,
        options: EdgeOptions,
        hooks: Option<Hooks>,
        router: Router,
        metrics: Arc<Metrics>,
        listener: Listener,
    ) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = if options.workers == 0 { cores } else { options.workers };
        let gate = Gate::new(options.limits.connections, options.limits.connections_per_address);
        let rates = Arc::new(RateLimits::new(&options.limits));
        let (accepting, draining) = (CancellationToken::new(), CancellationToken::new());
        let mut threads = Vec::with_capacity(workers + 1);
        let mut desks = Vec::with_capacity(workers);
        for index in 0..workers {
            let (sender, receiver) = mpsc::unbounded_channel();
            desks.push(sender);
            let worker = Worker {
                receiver,
                options: options.clone(),
                hooks: hooks.clone(),
                router: router.clone(),
                metrics: metrics.clone(),
                rates: rates.clone(),
                draining: draining.clone(),
            };
            threads.push(spawn(format!("{}-{index}", options.name), move || worker.run())?);
        }
        let acceptor = Acceptor {
            socket,
            workers: desks,
            gate: gate.clone(),
            trusted: options.trusted_proxies.clone(),
            metrics,
            listener,
            rates,
            stop: accepting.clone(),
        };
        threads.push(spawn(format!("{}-accept", options.name), move || acceptor.run())?);
        Ok(Self { address, accepting, draining, gate, threads })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.gate.open()
    }

    /// Takes no new connections, lets requests that are under way finish, and closes idle connections.
    /// After `within`, what is still open is cut. Says how many were cut.
    pub async fn drain(self, within: Duration) -> usize {
        self.accepting.cancel();
        self.draining.cancel();
        let end = Instant::now() + within;
        while self.gate.open() > 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let cut = self.gate.open();
        if cut == 0 {
            // The workers end once their connections have.
            for thread in self.threads {
                drop(tokio::task::spawn_blocking(move || thread.join()).await);
            }
        }
        cut
    }
}

/// A thread with a runtime of its own.
fn spawn<F: Future<Output = ()> + 'static>(
    name: String,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name).spawn(move || LocalSet::new().block_on(&runtime, work()))
}

struct Acceptor {
    socket: std::net::TcpListener,
    workers: Vec<mpsc::UnboundedSender<Accepted>>,
    gate: Arc<Gate>,
    trusted: Vec<ipnet::IpNet>,
    metrics: Arc<Metrics>,
    listener: Listener,
    rates: Arc<RateLimits>,
    stop: CancellationToken,
}

impl Acceptor {
    async fn run(self) {
        let listener = match TcpListener::from_std(self.socket) {
            Ok(listener) => listener,
            Err(error) => {
                warn!("the listener was lost: {error}");
                return;
            }
        };
        let open = self.metrics.connections(self.listener);
        let mut tidy = tokio::time::interval(Duration::from_secs(60));
        let mut next = 0;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let peer = peer.ip().to_canonical();
                        let counted = !self.trusted.iter().any(|net| net.contains(&peer));
                        let place = match self.gate.enter(peer, counted) {
                            Ok(place) => place,
                            Err(limit) => {
                                self.metrics.limits.inc(limit);
                                continue;
                            }
                        };
                        open.set(i64::try_from(self.gate.open()).unwrap_or(i64::MAX));
                        drop(stream.set_nodelay(true));
                        let Ok(stream) = stream.into_std() else { continue };
                        let worker = &self.workers[next % self.workers.len()];
                        next = next.wrapping_add(1);
                        drop(worker.send(Accepted { stream, peer, place }));
                    }
                    Err(error) => {
                        // Out of descriptors, mostly: wait for some to come back.
                        self.metrics.limits.inc(Limit::Connections);
                        warn!("no connection can be accepted: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                _ = tidy.tick() => self.rates.tidy(),
            }
        }
    }
}

struct Worker {
    receiver: mpsc::UnboundedReceiver<Accepted>,
    options: EdgeOptions,
    hooks: Option<Hooks>,
    router: Router,
    metrics: Arc<Metrics>,
    rates: Arc<RateLimits>,
    draining: CancellationToken,
}

impl Worker {
    async fn run(mut self) {
        let limits = Arc::new(self.options.limits.clone());
        let desk = self.hooks.map(|hooks| Desk {
            hooks,
            rates: self.rates.clone(),
            limits: limits.clone(),
            metrics: self.metrics.clone(),
        });
        let shared = Rc::new(Shared {
            desk,
            router: self.router,
            limits: limits.clone(),
            rates: self.rates,
            metrics: self.metrics,
            trusted_proxies: self.options.trusted_proxies,
            draining: self.draining.clone(),
        });
        let tls = self.options.tls.map(TlsAcceptor::from);
        let tasks = tokio_util::task::TaskTracker::new();
        // The channel closes when the acceptor has stopped.
        while let Some(Accepted { stream, peer, place }) = self.receiver.recv().await {
            let Ok(stream) = TcpStream::from_std(stream) else { continue };
            let (shared, tls) = (shared.clone(), tls.clone());
            let held = Held { _place: place, _worker: tasks.token() };
            tasks.spawn_local(async move {
                match tls {
                    None => connection::serve(shared, stream, peer, false, held).await,
                    Some(tls) => {
                        let handshake = tls.accept(stream);
                        match tokio::time::timeout(shared.limits.tls_handshake, handshake).await {
                            Ok(Ok(stream)) => {
                                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                                connection::serve(shared, stream, peer, http2, held).await;
                            }
                            Ok(Err(error)) => debug!("a TLS handshake failed: {error}"),
                            Err(_) => debug!("a TLS handshake took too long"),
                        }
                    }
                }
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}
