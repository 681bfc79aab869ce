//! A small server on one thread: the null core and the provider stub. It answers from memory and may hold
//! its answers back.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use crate::machine::pin;
use crate::wire;

/// What a request gets.
pub(crate) enum Reply {
    /// These bytes: a whole response.
    Now(Vec<u8>),
    /// 200 without a body.
    Done,
    /// 200 without a body, once [`Server::hold`] is off again.
    Later,
}

/// Answers a request, given head and body.
pub(crate) type Handler = Box<dyn FnMut(&[u8], &[u8]) -> Reply + Send>;

/// A running server; it ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    held: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const DONE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LISTENER: u64 = u64::MAX;

struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    /// Answers held back.
    owed: usize,
}

impl Server {
    /// Starts one on a free port of loopback.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub(crate) fn start(cpu: usize, held: Arc<AtomicBool>, handler: Handler) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, holding) = (stop.clone(), held.clone());
        let work = move || {
            // On a machine with fewer processors than planned it runs wherever it may.
            let _anywhere = pin(cpu);
            // What breaks the loop shows as connections that end, which fails the round.
            let _broken = run(&listener, &ended, &holding, handler);
        };
        let thread = std::thread::Builder::new().name("bench-server".into()).spawn(work)?;
        Ok(Self { address, stop, held, thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether answers are held back.
    pub(crate) fn hold(&self, on: bool) {
        self.held.store(on, Ordering::Relaxed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A broken thread has been seen by whoever called it.
            let _broken = thread.join();
        }
    }
}

fn run(listener: &TcpListener, stop: &AtomicBool, held: &AtomicBool, mut handler: Handler) -> Result<()> {
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut peers: HashMap<u64, Peer> = HashMap::new();
    let mut next = 0;
    let mut events: Vec<Event> = Vec::with_capacity(256);
    while !stop.load(Ordering::Relaxed) {
        let owing = peers.values().any(|peer| peer.owed > 0);
        if owing && !held.load(Ordering::Relaxed) {
            peers.retain(|_, peer| {
                let owed = std::mem::take(&mut peer.owed);
                peer.stream.write_all(&DONE.repeat(owed)).is_ok()
            });
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: if owing { 2_000_000 } else { 50_000_000 } };
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                accept(listener, &poll, &mut peers, &mut next)?;
                continue;
            }
            let Some(peer) = peers.get_mut(&token) else { continue };
            if serve(peer, &mut handler).is_err() {
                peers.remove(&token);
            }
        }
    }
    Ok(())
}

fn accept(
    listener: &TcpListener,
    poll: &OwnedFd,
    peers: &mut HashMap<u64, Peer>,
    next: &mut u64,
) -> Result<()> {
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        *next += 1;
        epoll::add(poll, &stream, EventData::new_u64(*next), EventFlags::IN)?;
        peers.insert(*next, Peer { stream, input: Vec::with_capacity(32 * 1024), owed: 0 });
    }
    Ok(())
}

/// Reads what came and answers what is whole.
fn serve(peer: &mut Peer, handler: &mut Handler) -> Result<()> {
    let mut piece = [0; 32 * 1024];
    let got = match peer.stream.read(&mut piece) {
        Ok(0) => anyhow::bail!("closed"),
        Ok(got) => got,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    peer.input.extend_from_slice(piece.get(..got).unwrap_or_default());
    let mut begin = 0;
    loop {
        let rest = peer.input.get(begin..).unwrap_or_default();
        let Some(whole) = wire::whole(rest)? else { break };
        let (head, body) = rest.split_at(whole.body);
        let body = body.get(..whole.end - whole.body).context("a body of another length")?;
        begin += whole.end;
        match handler(head, body) {
            Reply::Now(bytes) => peer.stream.write_all(&bytes)?,
            Reply::Done => peer.stream.write_all(DONE)?,
            Reply::Later => peer.owed += 1,
        }
    }
    peer.input.drain(..begin);
    Ok(())
}
