//! Many WebSocket clients on one thread: plain sockets and one epoll, as `load` has them for webhooks.
//!
//! Each group of clients calls from a loopback address of its own, as visitors do, so that limits that a gateway
//! keeps for an address need not be lifted, and ports don't run out.

pub(crate) mod dialect;
pub(crate) mod frames;
mod open;
pub(crate) mod rounds;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;
use serde_json::Value;

use self::dialect::Dialect;
use self::frames::{PING, PONG, TEXT};
use self::open::open;

/// Clients that are let in at once.
const AT_ONCE: usize = 64;
/// How long anything may take before the round is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a client heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    Text(&'a [u8]),
    Pong,
    /// The connection is over, by this code; 1006 without a word.
    Closed(u16),
}

/// Who is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) dialect: Dialect,
    /// Bytes that a client's kernel takes before it is read; `None`: as it comes.
    pub(crate) window: Option<usize>,
}

struct Socket {
    stream: TcpStream,
    dialect: Dialect,
    /// The beginning of a frame whose rest is to come.
    input: Vec<u8>,
    is_open: bool,
}

/// Some clients, numbered as they were opened.
pub(crate) struct Sockets {
    poll: OwnedFd,
    all: Vec<Socket>,
    events: Vec<Event>,
    piece: Vec<u8>,
}

impl Sockets {
    /// Nobody yet.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn new() -> Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { poll, all: Vec::new(), events: Vec::with_capacity(1024), piece: vec![0; 64 * 1024] })
    }

    /// How many there are, with those that are over.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Connects clients and shakes hands with the server; nothing is said yet.
    ///
    /// # Errors
    /// When one is refused.
    pub(crate) fn connect(&mut self, target: &Target, count: usize) -> Result<Range<usize>> {
        let first = self.all.len();
        for number in first..first + count {
            let stream = open(target, number).with_context(|| format!("client {number}"))?;
            epoll::add(&self.poll, &stream, EventData::new_u64(number as u64), EventFlags::IN)?;
            let (dialect, input) = (target.dialect, Vec::new());
            self.all.push(Socket { stream, dialect, input, is_open: true });
        }
        Ok(first..first + count)
    }

    /// Connects clients, greets as `greeting` says for each (counted from 0), and waits until each is let in; gives
    /// what each was told then.
    ///
    /// # Errors
    /// When one is refused or not let in.
    pub(crate) fn enter(
        &mut self,
        target: &Target,
        count: usize,
        greeting: impl Fn(usize) -> Option<String>,
    ) -> Result<Vec<Value>> {
        let mut told = vec![Value::Null; count];
        let base = self.all.len();
        let mut done = 0;
        while done < count {
            let some = self.connect(target, AT_ONCE.min(count - done))?;
            let mut waiting = 0;
            for at in some.clone() {
                if let Some(text) = greeting(at - base) {
                    self.say(at, &text)?;
                    waiting += 1;
                }
            }
            done += some.len();
            if waiting == 0 {
                continue;
            }
            self.until(|at, heard, _| {
                match heard {
                    Heard::Text(text) if some.contains(&at) && target.dialect.lets_in(text) => {
                        waiting -= 1;
                        if let Some(place) = told.get_mut(at - base) {
                            // Socket.IO's is no JSON, and of no interest.
                            *place = serde_json::from_slice(text).unwrap_or_default();
                        }
                    }
                    Heard::Closed(code) => bail!("client {at} was not let in: closed with {code}"),
                    _ => {}
                }
                Ok(waiting == 0)
            })?;
        }
        Ok(told)
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the connection broke.
    pub(crate) fn say(&mut self, at: usize, text: &str) -> Result<()> {
        self.frame(at, TEXT, text.as_bytes())
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// As [`Sockets::say`].
    pub(crate) fn frame(&mut self, at: usize, kind: u8, payload: &[u8]) -> Result<()> {
        let mut out = Vec::with_capacity(payload.len() + 16);
        frames::put(&mut out, kind, payload);
        self.bytes(at, &out)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// As [`Sockets::say`].
    pub(crate) fn bytes(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let socket = self.all.get_mut(at).context("no such client")?;
        write(&mut socket.stream, bytes).with_context(|| format!("client {at} can't speak"))
    }

    /// Reads nothing more of some clients, or does again.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn deaf(&mut self, some: Range<usize>, on: bool) -> Result<()> {
        for at in some {
            let Some(socket) = self.all.get(at).filter(|socket| socket.is_open) else { continue };
            match on {
                true => epoll::delete(&self.poll, &socket.stream)?,
                false => {
                    let data = EventData::new_u64(at as u64);
                    epoll::add(&self.poll, &socket.stream, data, EventFlags::IN)?;
                }
            }
        }
        Ok(())
    }

    /// Listens until `hear` says that it is done. What `hear` writes is sent to whom it heard.
    ///
    /// # Errors
    /// Its own, and when nobody hears anything for [`PATIENCE`].
    pub(crate) fn until(
        &mut self,
        mut hear: impl FnMut(usize, Heard<'_>, &mut Vec<u8>) -> Result<bool>,
    ) -> Result<()> {
        let mut done = false;
        loop {
            let some = self.listen(PATIENCE, |at, heard, out| {
                done |= hear(at, heard, out)?;
                Ok(())
            })?;
            if done {
                return Ok(());
            }
            if !some {
                bail!("nothing was heard for {} s", PATIENCE.as_secs());
            }
        }
    }

    /// Listens for as long as this, whatever is heard.
    ///
    /// # Errors
    /// Those of `hear`.
    pub(crate) fn during(
        &mut self,
        time: Duration,
        mut hear: impl FnMut(usize, Heard<'_>, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.listen(left, &mut hear)?;
        }
    }

    /// Takes what has come, or waits for it; says whether anything came. What `hear` writes is sent to whom it heard.
    ///
    /// # Errors
    /// Those of `hear`, and when a server does not speak WebSocket.
    pub(crate) fn listen(
        &mut self,
        wait: Duration,
        mut hear: impl FnMut(usize, Heard<'_>, &mut Vec<u8>) -> Result<()>,
    ) -> Result<bool> {
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut out = Vec::new();
        for event in &self.events {
            let at = event.data.u64() as usize;
            let Some(socket) = self.all.get_mut(at) else { continue };
            out.clear();
            let over = take(socket, &mut self.piece, |heard, out| hear(at, heard, out), &mut out)?;
            if !out.is_empty() && over.is_none() {
                write(&mut socket.stream, &out).with_context(|| format!("client {at} can't answer"))?;
            }
            if let Some(code) = over {
                socket.is_open = false;
                epoll::delete(&self.poll, &socket.stream)?;
                hear(at, Heard::Closed(code), &mut out)?;
            }
        }
        Ok(!self.events.is_empty())
    }
}

/// Reads once and tells what is whole; gives the code when the connection is over.
fn take(
    socket: &mut Socket,
    piece: &mut [u8],
    mut hear: impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result<()>,
    out: &mut Vec<u8>,
) -> Result<Option<u16>> {
    let got = match socket.stream.read(piece) {
        Ok(0) => return Ok(Some(1006)),
        Ok(got) => got,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
        Err(_) => return Ok(Some(1006)),
    };
    let fresh = piece.get(..got).unwrap_or_default();
    let mut kept = std::mem::take(&mut socket.input);
    let mut rest = match kept.is_empty() {
        true => fresh,
        false => {
            kept.extend_from_slice(fresh);
            &kept
        }
    };
    while let Some(frame) = frames::read(rest)? {
        match frame.kind {
            TEXT => match socket.dialect.heartbeat(frame.payload) {
                Some(answer) => frames::put(out, TEXT, answer),
                None => hear(Heard::Text(frame.payload), out)?,
            },
            PING => frames::put(out, PONG, frame.payload),
            PONG => hear(Heard::Pong, out)?,
            _ => return Ok(Some(frames::close_code(frame.payload))),
        }
        rest = rest.get(frame.end..).unwrap_or_default();
    }
    // Ten thousand clients that wait shall hold nothing.
    socket.input = rest.to_vec();
    Ok(None)
}

fn write(stream: &mut TcpStream, mut bytes: &[u8]) -> Result<()> {
    let begin = Instant::now();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock && begin.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
