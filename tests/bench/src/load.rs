//! The load generator: one thread, plain sockets, one request at a time on each connection.
//!
//! `closed` keeps every connection busy and finds the rate; `open` sends at due times fixed beforehand and
//! counts latency from them, whatever the server does.

mod connection;
mod tally;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use self::connection::Connection;
pub(crate) use self::tally::{Proof, Tally};
use crate::hooks::Deck;
use crate::sched::Cpu;

/// Connections to one server.
pub(crate) struct Load {
    poll: OwnedFd,
    connections: Vec<Connection>,
    events: Vec<Event>,
}

/// How long an answer may take before the round is given up.
const PATIENCE: Duration = Duration::from_secs(20);

impl Load {
    /// Connects.
    ///
    /// # Errors
    /// When a connection is refused.
    pub(crate) fn connect(address: SocketAddr, count: usize) -> Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for token in 0..count {
            connections.push(Connection::open(&poll, address, token as u64)?);
        }
        Ok(Self { poll, connections, events: Vec::with_capacity(count.max(1)) })
    }

    /// Keeps every connection busy for a while; what is under way then is awaited.
    ///
    /// # Errors
    /// When a connection breaks or an answer is not HTTP.
    pub(crate) fn closed(&mut self, deck: &mut Deck, lasting: Duration) -> Result<Tally> {
        let begin = Instant::now();
        self.drive(deck, |now| now < begin + lasting)
    }

    /// Sends a number of requests, as fast as they are answered.
    ///
    /// # Errors
    /// As [`Load::closed`].
    pub(crate) fn count(&mut self, deck: &mut Deck, requests: u64) -> Result<Tally> {
        let mut left = requests;
        self.drive(deck, |_| {
            let more = left > 0;
            left = left.saturating_sub(1);
            more
        })
    }

    /// Keeps every connection busy until one breaks, as it does when the server is killed; gives what was
    /// answered until then.
    pub(crate) fn until_broken(&mut self, deck: &mut Deck, lasting: Duration) -> Tally {
        let (mut tally, begin) = (Tally::new(), Instant::now());
        // The break is what is waited for.
        let _broken = self.drive_into(&mut tally, deck, |now| now < begin + lasting);
        tally
    }

    fn drive(&mut self, deck: &mut Deck, more: impl FnMut(Instant) -> bool) -> Result<Tally> {
        let mut tally = Tally::new();
        self.drive_into(&mut tally, deck, more)?;
        Ok(tally)
    }

    fn drive_into(
        &mut self,
        tally: &mut Tally,
        deck: &mut Deck,
        mut more: impl FnMut(Instant) -> bool,
    ) -> Result<()> {
        let cpu = Cpu::of(std::process::id());
        let begin = Instant::now();
        let mut under_way = 0;
        for at in 0..self.connections.len() {
            if more(begin) {
                self.send(at, deck, Instant::now())?;
                under_way += 1;
            }
        }
        while under_way > 0 {
            self.wait(Some(PATIENCE))?;
            let events = std::mem::take(&mut self.events);
            for event in &events {
                let at = event.data.u64() as usize;
                let Some(answered) =
                    self.connections.get_mut(at).map(|one| one.ready(&self.poll)).transpose()?
                else {
                    continue;
                };
                let Some(answer) = answered else { continue };
                let now = Instant::now();
                tally.record(&answer, now);
                if more(now) {
                    self.send(at, deck, now)?;
                } else {
                    under_way -= 1;
                }
            }
            self.events = events;
        }
        tally.finish(begin.elapsed(), Cpu::of(std::process::id()).since(&cpu).total());
        Ok(())
    }

    /// Sends at a steady rate. A request that finds no free connection waits, and its time counts.
    ///
    /// # Errors
    /// As [`Load::closed`].
    pub(crate) fn open(&mut self, deck: &mut Deck, rate: f64, lasting: Duration) -> Result<Tally> {
        let mut tally = Tally::new();
        let cpu = Cpu::of(std::process::id());
        let total = (rate * lasting.as_secs_f64()) as u64;
        let mut free: VecDeque<usize> = (0..self.connections.len()).collect();
        let begin = Instant::now() + Duration::from_millis(5);
        let due = |n: u64| begin + Duration::from_secs_f64(n as f64 / rate);
        let (mut sent, mut answered) = (0, 0);
        let mut quiet_since = Instant::now();
        while answered < total {
            let now = Instant::now();
            while sent < total && due(sent) <= now {
                let Some(at) = free.pop_front() else { break };
                let at_due = due(sent);
                // Lag is our own lateness; waiting for a connection is the server's.
                let lag = if free.is_empty() { Duration::ZERO } else { Instant::now() - at_due };
                tally.lag(lag);
                self.send(at, deck, at_due)?;
                sent += 1;
            }
            // Never sleeps: a timer would wake it too late.
            self.wait(Some(Duration::ZERO))?;
            let events = std::mem::take(&mut self.events);
            for event in &events {
                let at = event.data.u64() as usize;
                let Some(Some(answer)) =
                    self.connections.get_mut(at).map(|one| one.ready(&self.poll)).transpose()?
                else {
                    continue;
                };
                tally.record(&answer, Instant::now());
                answered += 1;
                free.push_back(at);
                quiet_since = Instant::now();
            }
            self.events = events;
            if quiet_since.elapsed() > PATIENCE {
                bail!("no answer for {} s", PATIENCE.as_secs());
            }
        }
        tally.finish(begin.elapsed(), Cpu::of(std::process::id()).since(&cpu).total());
        Ok(tally)
    }

    fn send(&mut self, at: usize, deck: &mut Deck, counted_from: Instant) -> Result<()> {
        let Some(connection) = self.connections.get_mut(at) else { bail!("there is no connection {at}") };
        let ticket = deck.next(at, connection.buffer());
        connection.send(&self.poll, ticket, counted_from)
    }

    fn wait(&mut self, patience: Option<Duration>) -> Result<()> {
        let limit = patience
            .map(|time| Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() });
        self.events.clear();
        self.events.reserve(self.connections.len());
        match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut self.events), limit.as_ref()) {
            Ok(0) if patience.is_some_and(|time| !time.is_zero()) => {
                bail!("no answer for {} s", PATIENCE.as_secs())
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Registers a socket.
fn watch(poll: &OwnedFd, stream: &std::net::TcpStream, token: u64) -> Result<()> {
    Ok(epoll::add(poll, stream, EventData::new_u64(token), EventFlags::IN)?)
}
