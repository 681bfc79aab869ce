//! One HTTP/2 connection of a client that writes what it likes and takes note of all that comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::frames::{
    ACK, DATA, END_STREAM, GOAWAY, HEADERS, NAMES, PING, PREFACE, RESET, SETTINGS, frame, setting, status,
};
use super::stage::Stage;

/// What came back on one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Heads of answers; more than one is one too many.
    pub(super) statuses: Vec<u16>,
    /// Its body was ended.
    pub(super) ended: bool,
    /// The code of its reset.
    pub(super) reset: Option<&'static str>,
}

/// What came back on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) streams: BTreeMap<u32, Answer>,
    /// The code with which the other side went away.
    pub(super) goaway: Option<&'static str>,
    pub(super) closed: bool,
    pub(super) pongs: usize,
}

impl Heard {
    pub(super) fn stream(&self, id: u32) -> Answer {
        self.streams.get(&id).cloned().unwrap_or_default()
    }

    /// Nothing more is to come on a stream.
    pub(super) fn is_over(&self, id: u32) -> bool {
        let answer = self.stream(id);
        answer.ended || answer.reset.is_some() || self.is_lost()
    }

    /// Nothing more is to come at all.
    pub(super) fn is_lost(&self) -> bool {
        self.closed || self.goaway.is_some_and(|code| code != "NO_ERROR")
    }
}

/// The client's side.
pub(super) struct Line {
    stream: TlsStream<TcpStream>,
    got: Vec<u8>,
    pub(super) heard: Heard,
}

fn name(code: &[u8]) -> &'static str {
    let code = code.try_into().map_or(u32::MAX, u32::from_be_bytes);
    NAMES.get(code as usize).copied().unwrap_or("another code")
}

impl Line {
    /// Connects and says nothing.
    pub(super) async fn silent(stage: &Stage) -> Self {
        let stream = stage.connect(&[b"h2"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self { stream, got: Vec::new(), heard: Heard::default() }
    }

    /// Connects and begins, with a table of no entries so that statuses can be read.
    pub(super) async fn open(stage: &Stage) -> Self {
        let mut line = Self::silent(stage).await;
        line.send(&[PREFACE, &frame(SETTINGS, 0, 0, &setting(1, 0))].concat()).await;
        line
    }

    /// Writes. The other side may have closed: that is one way of refusing.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        matches!(timeout(Duration::from_secs(10), write).await, Ok(Ok(())))
    }

    /// Listens until it is enough, the other side is gone, or `patience` is at its end.
    pub(super) async fn listen(&mut self, patience: Duration, enough: impl Fn(&Heard) -> bool) -> &Heard {
        let end = Instant::now() + patience;
        let mut piece = vec![0; 16 * 1024];
        while !self.heard.closed && !enough(&self.heard) {
            match timeout_at(end, self.stream.read(&mut piece)).await {
                Ok(Ok(0) | Err(_)) => self.heard.closed = true,
                Ok(Ok(count)) => {
                    self.got.extend_from_slice(&piece[..count]);
                    self.understand().await;
                }
                Err(_) => break,
            }
        }
        &self.heard
    }

    async fn understand(&mut self) {
        while let Some((head, rest)) = self.got.split_first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some(payload) = rest.get(..length) else { return };
            let (kind, flags) = (head[3], head[4]);
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let payload = payload.to_vec();
            self.got.drain(..9 + length);
            let heard = &mut self.heard;
            match kind {
                HEADERS => {
                    let answer = heard.streams.entry(id).or_default();
                    answer.statuses.push(status(&payload).unwrap_or(0));
                    answer.ended |= flags & END_STREAM != 0;
                }
                DATA => heard.streams.entry(id).or_default().ended |= flags & END_STREAM != 0,
                RESET => heard.streams.entry(id).or_default().reset = Some(name(&payload)),
                GOAWAY => heard.goaway = Some(name(payload.get(4..8).unwrap_or_default())),
                PING if flags & ACK != 0 => heard.pongs += 1,
                SETTINGS if flags & ACK == 0 => {
                    let ack = frame(SETTINGS, ACK, 0, &[]);
                    self.send(&ack).await;
                }
                _ => {}
            }
        }
    }
}
