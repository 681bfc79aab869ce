//! What a stream says next: items in order, signals, and a sign of life while nothing happens.
//!
//! The listener sees to order; here an API's form of each item is made, and the stream is ended when its holder
//! may not listen any more, its key's time is over, or the gateway goes down.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use portico_live::{Heard, Listener, Shown, Signal};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::pace::Seat;
use crate::shared::Holder;

/// What an API makes of something heard.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Signals, in order.
    pub(crate) signals: Vec<Value>,
    /// Whether nothing may follow.
    pub(crate) last: bool,
}

impl From<Vec<Value>> for Said {
    fn from(signals: Vec<Value>) -> Self {
        Self { signals, last: false }
    }
}

/// An API's forms.
#[async_trait]
pub(crate) trait Wire: Send {
    /// The signals of an item.
    async fn item(&mut self, shown: &Shown) -> Said;

    /// The signals of something that nobody keeps.
    async fn signal(&mut self, signal: &Signal) -> Said;
}

/// The seats that a stream holds while it is open.
pub(crate) type Seated = (Seat<Holder>, Seat<u128>);

/// A stream.
pub(crate) struct Feed {
    pub(crate) listener: Listener,
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) stop: CancellationToken,
    /// How long nothing may be said.
    pub(crate) quiet: Duration,
    /// When the holder's key ends, in seconds since 1970.
    pub(crate) until: Option<u64>,
    /// Said before anything that is heard.
    pub(crate) waiting: VecDeque<Value>,
    pub(crate) seats: Option<Seated>,
    /// Heard, and not made into signals yet: making them may be broken off.
    pub(crate) heard: Option<Heard>,
    pub(crate) ended: bool,
}

/// What comes next.
pub(crate) enum Frame {
    /// A signal.
    Signal(Value),
    /// A sign of life.
    Ping,
}

impl Feed {
    /// Waits for what comes next; `None` at the end. May be dropped while it waits: nothing is lost by that.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let ping = Instant::now() + self.quiet;
        let end = self.until.map(|until| {
            Instant::now()
                + Duration::from_secs(until.saturating_sub(crate::shared::seconds()).min(86_400 * 365))
        });
        loop {
            if let Some(signal) = self.waiting.pop_front() {
                return Some(Frame::Signal(signal));
            }
            if self.ended {
                // Others may sit down even while the other side reads what is left.
                self.seats = None;
                return None;
            }
            let heard = match self.heard.take() {
                Some(heard) => heard,
                None => tokio::select! {
                    biased;
                    () = self.stop.cancelled() => Heard::Ended,
                    () = sleep_until(end.unwrap_or(ping)), if end.is_some_and(|end| end <= ping) => Heard::Ended,
                    heard = self.listener.next() => heard,
                    () = sleep_until(ping) => return Some(Frame::Ping),
                },
            };
            self.heard = Some(heard.clone());
            let said = match &heard {
                Heard::Item(shown) => self.wire.item(shown).await,
                Heard::Signal(signal) => self.wire.signal(signal).await,
                // These clients have no word for either: after a break they list the messages.
                Heard::Lagged | Heard::Reset { .. } => Said::default(),
                Heard::Ended => Said { signals: Vec::new(), last: true },
            };
            self.heard = None;
            self.waiting.extend(said.signals);
            self.ended |= said.last;
        }
    }
}
