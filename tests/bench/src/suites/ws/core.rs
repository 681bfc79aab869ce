//! The far end of a visitor's message: a core that remembers what came, and answers each message where it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use parking_lot::Mutex;

use crate::core::Arrival;
use crate::hooks::MessageId;
use crate::server::{Reply, Server};
use crate::suites::ingest::PATIENCE;

/// What stands before the id of a message in its answer.
pub(super) const ANSWER: &[u8] = b"answer ";

/// A running core.
pub(super) struct Core {
    server: Server,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    answers: Arc<AtomicBool>,
}

impl Core {
    pub(super) fn start(cpu: usize) -> Result<Self> {
        let arrivals: Arc<Mutex<Vec<Arrival>>> = Arc::default();
        let (answers, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (book, answering, holding) = (arrivals.clone(), answers.clone(), held.clone());
        let handler = move |_: &[u8], body: &[u8]| {
            // Others are those with which a conversation begins.
            let Some(id) = MessageId::find(body) else { return Reply::Done };
            book.lock().push(Arrival { id, at: Instant::now() });
            match (holding.load(Ordering::Relaxed), answering.load(Ordering::Relaxed)) {
                (true, _) => Reply::Later,
                (false, true) => Reply::Now(answer(id)),
                (false, false) => Reply::Done,
            }
        };
        Ok(Self { server: Server::start(cpu, held, Box::new(handler))?, arrivals, answers })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Holds back, or lets go.
    pub(super) fn hold(&self, on: bool) {
        self.server.hold(on);
    }

    /// Whether messages are answered.
    pub(super) fn answers(&self, on: bool) {
        self.answers.store(on, Ordering::Relaxed);
    }

    /// Waits until so many have arrived, and takes them.
    pub(super) fn take(&self, count: usize) -> Result<Vec<Arrival>> {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let now = self.arrivals.lock().len();
            if now >= count {
                return Ok(std::mem::take(&mut *self.arrivals.lock()));
            }
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                bail!("the core got {now} of {count} messages, and nothing for {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

fn answer(id: MessageId) -> Vec<u8> {
    let mut text = br#"{"messages":[{"type":"text","payload":{"text":""#.to_vec();
    text.extend_from_slice(ANSWER);
    id.mark(&mut text);
    text.extend_from_slice(br#""}}]}"#);
    let mut out = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len()
    )
    .into_bytes();
    out.extend_from_slice(&text);
    out
}
