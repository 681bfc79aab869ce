//! One keep-alive connection of the load generator.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::event::epoll::{self, EventData, EventFlags};

use super::watch;
use crate::hooks::Ticket;
use crate::wire;

/// An answered request.
pub(super) struct Answer {
    pub(super) ticket: Ticket,
    pub(super) status: u16,
    /// Sending, or the due time.
    pub(super) counted_from: Instant,
    /// Length of the request.
    pub(super) bytes: usize,
}

pub(super) struct Connection {
    address: SocketAddr,
    token: u64,
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    pending: Option<(Ticket, Instant)>,
    /// The server said that it closes: the next request needs a new connection.
    over: bool,
    /// The kernel took only part of a request; it is watched for room.
    stuck: bool,
}

impl Connection {
    pub(super) fn open(poll: &OwnedFd, address: SocketAddr, token: u64) -> Result<Self> {
        let stream = connect(poll, address, token)?;
        Ok(Self {
            address,
            token,
            stream,
            out: Vec::with_capacity(20 * 1024),
            written: 0,
            input: Vec::with_capacity(4096),
            pending: None,
            over: false,
            stuck: false,
        })
    }

    /// The last request, to be replaced by the next.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Sends what stands in the buffer.
    pub(super) fn send(&mut self, poll: &OwnedFd, ticket: Ticket, counted_from: Instant) -> Result<()> {
        if self.over {
            self.reopen(poll)?;
        }
        self.written = 0;
        self.pending = Some((ticket, counted_from));
        self.write(poll)
    }

    fn reopen(&mut self, poll: &OwnedFd) -> Result<()> {
        self.stream = connect(poll, self.address, self.token)?;
        self.input.clear();
        (self.over, self.stuck) = (false, false);
        Ok(())
    }

    fn write(&mut self, poll: &OwnedFd) -> Result<()> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.interest(poll, true)?;
                    return Ok(());
                }
                // The server may close an idle connection at any moment; but not twice.
                Err(_) if self.written == 0 && self.input.is_empty() => self.reopen(poll)?,
                Err(error) => return Err(error).context("a request could not be sent"),
            }
        }
        if self.stuck {
            self.interest(poll, false)?;
        }
        Ok(())
    }

    fn interest(&mut self, poll: &OwnedFd, room: bool) -> Result<()> {
        self.stuck = room;
        let flags = if room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Ok(epoll::modify(poll, &self.stream, EventData::new_u64(self.token), flags)?)
    }

    /// Goes on after the socket became ready; gives the answer once it is whole.
    pub(super) fn ready(&mut self, poll: &OwnedFd) -> Result<Option<Answer>> {
        if self.stuck {
            self.write(poll)?;
        }
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => match self.pending {
                // Closed while idle: the next request opens a new one.
                None => {
                    epoll::delete(poll, &self.stream)?;
                    self.over = true;
                    return Ok(None);
                }
                Some(_) if self.input.is_empty() => {
                    // Closed before it saw the request: send it again, as any client would.
                    self.reopen(poll)?;
                    self.written = 0;
                    self.write(poll)?;
                    return Ok(None);
                }
                Some(_) => bail!("the server closed in the middle of an answer"),
            },
            Ok(count) => self.input.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("an answer could not be read"),
        }
        let Some(whole) = wire::whole(&self.input)? else { return Ok(None) };
        let Some((ticket, counted_from)) = self.pending.take() else { bail!("an answer to no request") };
        self.input.drain(..whole.end);
        self.over = whole.closes;
        Ok(Some(Answer { ticket, status: whole.status, counted_from, bytes: self.out.len() }))
    }
}

fn connect(poll: &OwnedFd, address: SocketAddr, token: u64) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    watch(poll, &stream, token)?;
    Ok(stream)
}
