//! What a visitor is shown over HTTP: the same frames as over a socket, pulled one by one.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use portico_contract::{ConversationId, UserId};
use portico_live::Heard;
use portico_telemetry::metrics::Road;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::channel::Channel;
use crate::errors::Refused;
use crate::follow::{Following, Start};
use crate::frame::{Close, ServerFrame};
use crate::seats::{Order, Seat};
use crate::shared::Api;
use crate::show;
use crate::visit::Visit;

/// One visitor's frames.
pub(crate) struct Feed {
    api: Api,
    channel: Arc<Channel>,
    viewer: UserId,
    deltas: bool,
    following: Following,
    seat: Seat,
    out: VecDeque<Told>,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

/// A frame, and the item of a stream that it shows, if it does.
pub(crate) struct Told {
    pub(crate) frame: Bytes,
    pub(crate) item: Option<(ConversationId, u64)>,
}

/// Something that may become a frame.
enum Happened {
    Heard(ConversationId, Heard),
    Ordered(Order),
    Leaving,
}

impl Feed {
    /// The frames of a visitor from certain places on, after some that are there already.
    ///
    /// # Errors
    /// `Rate` when the address has too many connections.
    pub(crate) fn new(
        api: &Api,
        visit: &Visit,
        first: Option<&ServerFrame>,
        follow: Vec<Start>,
        address: Option<IpAddr>,
        road: Road,
    ) -> Result<Self, Refused> {
        let mut feed = Self {
            api: api.clone(),
            channel: visit.channel.clone(),
            viewer: visit.user.clone(),
            deltas: visit.deltas,
            following: Following::default(),
            seat: api.sit(visit, address, road)?,
            out: VecDeque::new(),
            leaving: Box::pin(api.leaving.clone().cancelled_owned()),
            ended: false,
        };
        first.into_iter().for_each(|frame| feed.put(frame));
        for start in follow {
            if let Some(reset) = start.reset_frame() {
                feed.put(&reset);
            }
            feed.following.begin(&feed.api, &feed.channel, &start);
        }
        Ok(feed)
    }

    fn put(&mut self, frame: &ServerFrame) {
        self.out.push_back(Told { frame: frame.to_json().into(), item: None });
    }

    /// The next frame; `None` after the last. `Err`: nothing came within the time.
    pub(crate) async fn next(&mut self, within: Duration) -> Result<Option<Told>, ()> {
        let until = tokio::time::Instant::now() + within;
        loop {
            if let Some(told) = self.out.pop_front() {
                return Ok(Some(told));
            }
            if self.ended {
                return Ok(None);
            }
            // Only the waiting is cut short; what was heard is always shown.
            let happened = tokio::time::timeout_at(until, std::future::poll_fn(|cx| self.poll(cx))).await;
            match happened.map_err(|_| ())? {
                Happened::Heard(conversation, heard) => self.hear(conversation, heard).await,
                Happened::Ordered(Order::Follow(conversation, after)) => {
                    if !self.following.has(conversation) {
                        let start = Start { conversation, after, last: after, reset: false };
                        self.following.begin(&self.api, &self.channel, &start);
                    }
                }
                Happened::Ordered(Order::Close(close)) => self.end(&Refused::new(close)),
                Happened::Leaving => self.end(&Refused::later(Close::Leaving, Duration::from_secs(2))),
            }
        }
    }

    fn end(&mut self, refused: &Refused) {
        if let Some(bye) = refused.bye() {
            self.put(&bye);
        }
        self.following.clear();
        self.ended = true;
    }

    async fn hear(&mut self, conversation: ConversationId, heard: Heard) {
        match heard {
            Heard::Item(item) => {
                let frame = show::item(&self.api, &self.channel, conversation, &item, &self.viewer).await;
                self.out.push_back(Told { frame, item: Some((conversation, item.seq)) });
            }
            Heard::Signal(signal) => {
                if let Some(frame) = show::signal(conversation, &signal, &self.viewer, self.deltas) {
                    self.put(&frame);
                }
            }
            // Signals were lost; items go on from the store, at the pace of who reads.
            Heard::Lagged => {}
            Heard::Reset { from } => self.put(&ServerFrame::Reset { conv: conversation.to_string(), from }),
            Heard::Ended => self.put(&ServerFrame::Reset { conv: conversation.to_string(), from: 1 }),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        if let Poll::Ready(order) = self.seat.orders.poll_next(cx) {
            return Poll::Ready(Happened::Ordered(order));
        }
        if self.leaving.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Happened::Leaving);
        }
        self.following.poll_next(cx).map(|(conversation, heard)| Happened::Heard(conversation, heard))
    }
}
