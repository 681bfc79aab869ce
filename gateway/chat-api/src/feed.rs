//! What a stream says next: items in order, signals, and a sign of life while nothing happens.
//!
//! The listener sees to order; here an API's form of each item is made, and the stream is ended when its holder
//! may not listen any more, its key's time is over, or the gateway goes down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_contract::ConversationId;
use portico_live::{Bounds, Heard, Listener, Shown, Signal};
use portico_problem::Problem;
use portico_telemetry::metrics::{Held, LiveMetrics, Road};
use portico_turns::Installation;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::front::Surface;
use crate::pace::Seat;
use crate::shared::Holder;
use crate::{Api, problems, sse};

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

/// A signal of a type.
pub(crate) fn signal(kind: &str, data: Value) -> Value {
    json!({ "type": kind, "data": data })
}

/// Data as an object, which the clients insist on.
pub(crate) fn object(data: &Value) -> Value {
    match data {
        Value::Object(_) => data.clone(),
        other => json!({ "value": other }),
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

/// Who opens a stream.
pub(crate) struct Opener {
    pub(crate) surface: Surface,
    pub(crate) at: Arc<Installation>,
    pub(crate) holder: Holder,
    pub(crate) address: u128,
    /// When the holder's key ends, in seconds since 1970.
    pub(crate) until: Option<u64>,
}

/// What a stream holds while it is open.
struct Seated {
    _user: Seat<Holder>,
    _address: Seat<u128>,
    _counted: Held,
}

/// A stream.
pub(crate) struct Feed {
    listener: Listener,
    wire: Box<dyn Wire>,
    stop: CancellationToken,
    /// How long nothing may be said.
    quiet: Duration,
    /// When the holder's key ends, in seconds since 1970.
    until: Option<u64>,
    /// Said before anything that is heard.
    pub(crate) waiting: VecDeque<Value>,
    seats: Option<Seated>,
    metrics: Arc<LiveMetrics>,
    /// How long its reader may take nothing.
    pub(crate) patience: Duration,
    /// Heard, and not made into signals yet: making them may be broken off.
    heard: Option<Heard>,
    ended: bool,
}

/// What comes next.
pub(crate) enum Frame {
    /// A signal.
    Signal(Value),
    /// A sign of life.
    Ping,
}

impl Feed {
    /// What happens in a conversation from now on.
    ///
    /// # Errors
    /// `RateLimited` when the holder or the address has too many streams open, and the store's.
    pub(crate) async fn open(
        api: &Api,
        opener: Opener,
        conversation: ConversationId,
        wire: impl Wire + 'static,
    ) -> Result<Self, Problem> {
        let Opener { surface, at, holder, address, until } = opener;
        let metrics = api.metrics.live(at.id.as_str());
        let seats = Seated {
            _user: api.user_seats.take(holder, api.limits.user_streams)?,
            _address: api.address_seats[surface.index()].take(address, api.address_streams(surface))?,
            _counted: metrics.open(Road::Listen),
        };
        // First listen, then look how far the stream is: what comes between is not lost.
        let listener = api.live.listen(&at, conversation, Bounds::default());
        let head = api.live.head(&at, conversation).await.map_err(problems::live)?;
        Ok(Self {
            listener: listener.after(head.last),
            wire: Box::new(wire),
            stop: api.stop.clone(),
            quiet: sse::QUIET,
            until,
            waiting: VecDeque::new(),
            seats: Some(seats),
            metrics,
            patience: api.limits.slow_reader,
            heard: None,
            ended: false,
        })
    }

    /// The same over a WebSocket, which may be silent for so long.
    pub(crate) fn over_socket(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        if let Some(seats) = &mut self.seats {
            seats._counted = self.metrics.open(Road::ListenSocket);
        }
        self
    }

    /// Counts that its reader read nothing for too long.
    pub(crate) fn count_slow(&self) {
        self.metrics.slow.inc();
    }

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
