//! A second load generator, for what `load` can't do: TLS, and requests that are no webhooks. A closed loop of
//! keep-alive connections on one thread. It costs more than `load`, so its figures are compared with its own only.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use crate::sched::Cpu;
use crate::wire;

/// Who is called, and how.
pub(crate) struct Call<'a> {
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    /// With TLS, by this configuration.
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
    pub(crate) connections: usize,
    pub(crate) warm: Duration,
    pub(crate) window: Duration,
}

/// What a window found.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Answers within the window, by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// 2xx of the warm-up and of what was under way at the end, too.
    pub(crate) accepted: u64,
    /// CPU of the server in the window.
    pub(crate) spent: Cpu,
    pub(crate) seconds: f64,
}

impl Measured {
    /// Answers within the window.
    pub(crate) fn requests(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Of 200 to 299.
    pub(crate) fn good(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    /// Whether all of them are 2xx.
    ///
    /// # Errors
    /// With all statuses.
    pub(crate) fn all_good(&self) -> Result<()> {
        if self.requests() == 0 || self.good() < self.requests() {
            bail!("answers other than planned: {:?}", self.statuses);
        }
        Ok(())
    }
}

/// The name in the bench's certificate.
pub(crate) const NAME: &str = "localhost";

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Calls until warm-up and window are over; `next` writes the request of a connection into an empty buffer.
///
/// # Errors
/// When a connection can't be made or breaks, or an answer is not HTTP.
pub(crate) fn call(plan: &Call<'_>, next: impl FnMut(usize, &mut Vec<u8>) + 'static) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let counts: Rc<RefCell<BTreeMap<u16, u64>>> = Rc::default();
        let (next, stop) = (Rc::new(RefCell::new(next)), Rc::new(Cell::new(false)));
        let mut tasks = Vec::new();
        for number in 0..plan.connections {
            let mut stream = connect(plan).await?;
            let (next, counts, stop) = (next.clone(), counts.clone(), stop.clone());
            tasks.push(tokio::task::spawn_local(async move {
                let (mut out, mut input) = (Vec::new(), Vec::new());
                while !stop.get() {
                    out.clear();
                    (next.borrow_mut())(number, &mut out);
                    let status = exchange(&mut *stream, &out, &mut input).await?;
                    *counts.borrow_mut().entry(status).or_default() += 1;
                }
                anyhow::Ok(())
            }));
        }
        tokio::time::sleep(plan.warm).await;
        let (before, cpu, begin) = (counts.borrow().clone(), Cpu::of(plan.pid), Instant::now());
        tokio::time::sleep(plan.window).await;
        let (after, spent) = (counts.borrow().clone(), Cpu::of(plan.pid).since(&cpu));
        let seconds = begin.elapsed().as_secs_f64();
        stop.set(true);
        for task in tasks {
            task.await??;
        }
        let statuses = after
            .into_iter()
            .map(|(status, count)| (status, count - before.get(&status).copied().unwrap_or(0)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let accepted = counts.borrow().range(200..300).map(|(_, count)| count).sum();
        Ok(Measured { statuses, accepted, spent, seconds })
    })
}

async fn connect(plan: &Call<'_>) -> Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(plan.address).await.context("no connection")?;
    stream.set_nodelay(true)?;
    Ok(match plan.tls {
        None => Box::new(stream),
        Some(config) => {
            let connector = TlsConnector::from(config.clone());
            Box::new(connector.connect(ServerName::try_from(NAME)?, stream).await.context("no TLS")?)
        }
    })
}

async fn exchange(stream: &mut dyn Stream, out: &[u8], input: &mut Vec<u8>) -> Result<u16> {
    stream.write_all(out).await?;
    stream.flush().await?;
    loop {
        if stream.read_buf(input).await? == 0 {
            bail!("the server closed in the middle");
        }
        if let Some(whole) = wire::whole(input)? {
            input.drain(..whole.end);
            return Ok(whole.status);
        }
    }
}
