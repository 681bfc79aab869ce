//! The bot's side of a webchat: messages over the runtime API, on one connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::sockets::PATIENCE;
use crate::sockets::dialect::mark;

/// A bot that speaks into one conversation.
pub(super) struct Bot {
    stream: TcpStream,
    input: Vec<u8>,
    conversation: String,
    /// Messages without an answer yet.
    pub(super) owed: u64,
    /// Letters that follow the mark of each message.
    pub(super) pad: usize,
}

impl Bot {
    pub(super) fn new(address: SocketAddr, conversation: String) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, input: Vec::new(), conversation, owed: 0, pad: 0 })
    }

    /// Says a message with a mark; its answer is read by [`Bot::settle`].
    pub(super) fn say(&mut self, number: u64) -> Result<()> {
        let text = format!("{}{}", mark(number), "x".repeat(self.pad));
        let body = json!({
            "conversationId": self.conversation, "userId": "bench-0", "type": "text",
            "payload": { "text": text }, "tags": {},
        });
        let body = body.to_string();
        let request = format!(
            "POST /v1/chat/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer bench-token-{:032}\r\n\
             x-bot-id: bench-0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            0,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).context("the bot can't speak")?;
        self.owed += 1;
        Ok(())
    }

    /// Reads the answers that have come; with `all`, waits until there is one to each message.
    pub(super) fn settle(&mut self, all: bool) -> Result<()> {
        let begin = Instant::now();
        let mut piece = [0; 16 * 1024];
        loop {
            while let Some(whole) = crate::wire::whole(&self.input)? {
                if !(200..300).contains(&whole.status) {
                    let text = self.input.get(whole.body..whole.end).unwrap_or_default();
                    bail!("the bot was answered {}: {}", whole.status, String::from_utf8_lossy(text));
                }
                self.input.drain(..whole.end);
                self.owed = self.owed.saturating_sub(1);
            }
            if self.owed == 0 {
                return Ok(());
            }
            match self.stream.read(&mut piece) {
                Ok(0) => bail!("the bot's connection was closed"),
                Ok(got) => self.input.extend_from_slice(piece.get(..got).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !all {
                        return Ok(());
                    }
                    if begin.elapsed() > PATIENCE {
                        bail!("{} messages of the bot were not answered", self.owed);
                    }
                    std::thread::sleep(Duration::from_micros(50));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
