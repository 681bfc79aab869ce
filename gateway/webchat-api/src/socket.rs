//! The WebSocket: one task per connection, which reads, shows and keeps time by itself.
//!
//! What is to be written waits in a short queue; while it is full nothing is taken from the conversations, so a slow
//! reader's backlog is the store's, and costs no memory here. One who takes nothing at all for a while is cut with
//! 1013, and resumes.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use portico_contract::ConversationId;
use portico_live::Heard;
use portico_problem::{Kind, Problem};
use portico_telemetry::metrics::Road;
use tokio::time::{Instant, Sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::caller::origin_of;
use crate::errors::Refused;
use crate::follow::{Following, Start};
use crate::frame::{self, BadFrame, ClientFrame, Close, MAX_FRAME, ServerFrame};
use crate::greet::{Greeted, greet};
use crate::seats::{Order, Seat};
use crate::shared::Api;
use crate::show;
use crate::visit::{Outcome, Visit};

/// The protocol's name.
const PROTOCOL: &str = "portico.v1";
/// Frames and bytes that may wait to be written before nothing more is taken from the conversations.
const QUEUE: usize = 32;
const QUEUE_BYTES: usize = 32 * 1024;
/// How long a goodbye may take; and one to somebody slow, who has to read what is on its way first.
const GOODBYE: Duration = Duration::from_secs(1);
const SLOW_GOODBYE: Duration = Duration::from_secs(10);
/// Frames of a client in one heartbeat; more is no chat.
const MOST_FRAMES: u32 = 2000;
/// Numbers of own messages whose echo is left out.
const SAID: usize = 16;

type Ws = WebSocketStream<TokioIo<Upgraded>>;

/// Takes a WebSocket.
pub(crate) async fn get(State(api): State<Api>, mut request: Request) -> Response {
    let origin = origin_of(request.headers()).map(ToOwned::to_owned);
    let address = (api.address)(request.extensions());
    let key = match handshake(&request) {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A client that goes before it begins is nobody's concern.
        let Ok(upgraded) = upgrade.await else { return };
        let mut config = WebSocketConfig::default();
        config.read_buffer_size = 4096;
        config.write_buffer_size = 0;
        // A bound, no reservation: the largest message of a bot must fit.
        config.max_write_buffer_size = 4 << 20;
        config.max_message_size = Some(MAX_FRAME);
        config.max_frame_size = Some(MAX_FRAME);
        let ws = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        Socket::new(api, ws).serve(origin, address).await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    match HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        Ok(accept) => drop(headers.insert(SEC_WEBSOCKET_ACCEPT, accept)),
        Err(_) => {
            return Problem::new(Kind::InvalidPayload, "malformed request: sec-websocket-key")
                .into_response();
        }
    }
    response
}

/// The key of a right handshake (RFC 6455, 4.2.1).
fn handshake(request: &Request) -> Result<String, Problem> {
    let headers = request.headers();
    let upgrade = |message: &str| {
        let problem = Problem::new(Kind::InvalidPayload, message).answered_with(StatusCode::UPGRADE_REQUIRED);
        problem.header(UPGRADE, HeaderValue::from_static("websocket"))
    };
    if request.method() != Method::GET
        || !lists(headers, &CONNECTION, "upgrade")
        || !lists(headers, &UPGRADE, "websocket")
    {
        return Err(upgrade("this address speaks WebSocket"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let problem = upgrade("only version 13 of WebSocket is spoken");
        return Err(problem.header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    if !lists(headers, &SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        let problem = Problem::new(Kind::BreakingChanges, "offer the sub-protocol portico.v1");
        return Err(problem.with("close", Close::Version.code()));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).filter(|key| key.len() == 24);
    key.map(ToOwned::to_owned)
        .ok_or_else(|| Problem::new(Kind::InvalidPayload, "malformed request: sec-websocket-key"))
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

/// One connection.
struct Socket {
    api: Api,
    ws: Ws,
    /// Waits to be written.
    out: VecDeque<Message>,
    out_bytes: usize,
    /// What was handed to the stream may still wait there.
    unflushed: bool,
    following: Following,
    seat: Option<Seat>,
    said: VecDeque<(ConversationId, u64)>,
    /// The one timer.
    alarm: Pin<Box<Sleep>>,
    /// Since when nothing came.
    silent_since: Instant,
    pinged: bool,
    /// Since when something waits to be written and nothing was.
    stuck_since: Option<Instant>,
    frames: u32,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// What happened.
enum Happened {
    /// The client sent a text.
    Text(Utf8Bytes),
    /// The client sent something else that counts as a sign of life.
    Life,
    /// The connection is over; perhaps it is said why.
    Over(Option<Close>),
    Heard(ConversationId, Heard),
    Ordered(Order),
    Leaving,
    Alarm,
}

impl Socket {
    fn new(api: Api, ws: Ws) -> Box<Self> {
        let leaving = Box::pin(api.leaving.clone().cancelled_owned());
        let alarm = Box::pin(tokio::time::sleep(api.times.hello));
        Box::new(Self {
            api,
            ws,
            out: VecDeque::new(),
            out_bytes: 0,
            unflushed: false,
            following: Following::default(),
            seat: None,
            said: VecDeque::new(),
            alarm,
            silent_since: Instant::now(),
            pinged: false,
            stuck_since: None,
            frames: 0,
            leaving,
        })
    }

    async fn serve(mut self: Box<Self>, origin: Option<String>, address: Option<IpAddr>) {
        // Steps that are taken once live on the heap, and end with it: a connection that only waits shall be small.
        let greeted = Box::pin(self.hello(origin, address)).await;
        let refused = match greeted {
            Ok(visit) => self.talk(visit).await,
            Err(refused) => {
                refused.iter().for_each(|refused| self.api.count_refused(refused));
                refused
            }
        };
        self.following.clear();
        if let Some(refused) = refused {
            Box::pin(self.say_goodbye(&refused)).await;
        }
    }

    /// Waits for the first frame and lets the visitor in. `Err(None)`: the client is gone.
    async fn hello(
        &mut self,
        origin: Option<String>,
        address: Option<IpAddr>,
    ) -> Result<Box<Visit>, Option<Refused>> {
        // Pages that no channel lets in are told before they say anything.
        if origin.as_deref().is_some_and(|origin| !self.api.is_known_origin(origin)) {
            return Err(Some(Refused::new(Close::Origin)));
        }
        let text = loop {
            match self.next().await {
                Happened::Text(text) => break text,
                Happened::Life => {}
                Happened::Over(close) => return Err(close.map(Refused::new)),
                Happened::Leaving => return Err(Some(self.deploy())),
                Happened::Alarm => return Err(Some(Refused::new(Close::Timeout))),
                // Nobody listens and nobody is seated yet.
                Happened::Heard(..) | Happened::Ordered(_) => {}
            }
        };
        let hello = match frame::read(&text) {
            Ok(ClientFrame::Hello(hello)) => hello,
            Err(BadFrame::Version) => return Err(Some(Refused::new(Close::Version))),
            Ok(_) | Err(_) => return Err(Some(Refused::new(Close::BadFrame))),
        };
        let greeted = greet(&self.api, *hello, origin.as_deref(), address).await;
        let Greeted { visit, welcome, follow } = greeted.map_err(Some)?;
        self.seat = Some(self.api.sit(&visit, address, Road::WebSocket).map_err(Some)?);
        self.put(&welcome);
        self.show(&visit, follow);
        self.silent_since = Instant::now();
        self.set_alarm();
        Ok(Box::new(visit))
    }

    /// Everything after the welcome, until the end.
    async fn talk(&mut self, mut visit: Box<Visit>) -> Option<Refused> {
        loop {
            match self.next().await {
                Happened::Text(text) => {
                    self.frames += 1;
                    if self.frames > MOST_FRAMES {
                        return Some(Refused::later(Close::Rate, Duration::from_secs(60)));
                    }
                    let outcome = Box::pin(visit.answer(frame::read(&text))).await;
                    if let Some(refused) = self.take(&visit, outcome) {
                        return Some(refused);
                    }
                }
                Happened::Life => {}
                Happened::Over(close) => return close.map(Refused::new),
                Happened::Heard(conversation, heard) => {
                    if let Some(refused) = self.hear(&visit, conversation, heard).await {
                        return Some(refused);
                    }
                }
                Happened::Ordered(Order::Close(close)) => return Some(Refused::new(close)),
                Happened::Ordered(Order::Follow(conversation, after)) => {
                    if !self.following.has(conversation) {
                        let start = Start { conversation, after, last: after, reset: false };
                        self.show(&visit, vec![start]);
                    }
                }
                Happened::Leaving => return Some(self.deploy()),
                Happened::Alarm => {
                    if let Some(refused) = self.keep_time() {
                        if refused.close == Close::Slow {
                            visit.channel.metrics.slow.inc();
                        }
                        return Some(refused);
                    }
                }
            }
        }
    }

    /// What an answered frame leads to.
    fn take(&mut self, visit: &Visit, outcome: Outcome) -> Option<Refused> {
        if outcome.moved {
            self.following.clear();
            self.said.clear();
            if let Some(seat) = &mut self.seat {
                seat.change(&visit.session.id, visit.channel.limits.session_sockets);
            }
            if let Some(left) = &outcome.left {
                self.api.seats.tell(left, Order::Close(Close::Leaving));
            }
        }
        if let Some(said) = outcome.said {
            if self.said.len() == SAID {
                self.said.pop_front();
            }
            self.said.push_back(said);
        }
        outcome.frames.iter().for_each(|frame| self.put(frame));
        for start in outcome.follow {
            self.following.begin(&self.api, &visit.channel, &start);
        }
        if let Some(start) = outcome.also
            && !self.following.has(start.conversation)
        {
            self.following.begin(&self.api, &visit.channel, &start);
        }
        outcome.close
    }

    fn show(&mut self, visit: &Visit, follow: Vec<Start>) {
        for start in follow {
            if let Some(reset) = start.reset_frame() {
                self.put(&reset);
            }
            self.following.begin(&self.api, &visit.channel, &start);
        }
    }

    async fn hear(&mut self, visit: &Visit, conversation: ConversationId, heard: Heard) -> Option<Refused> {
        match heard {
            Heard::Item(item) => {
                if self.said.contains(&(conversation, item.seq)) {
                    return None;
                }
                let encoded = show::item(&self.api, &visit.channel, conversation, &item, &visit.user);
                let bytes = Box::pin(encoded).await;
                self.put_encoded(bytes);
            }
            Heard::Signal(signal) => {
                if let Some(frame) = show::signal(conversation, &signal, &visit.user, visit.deltas) {
                    self.put(&frame);
                }
            }
            // Signals were lost; items go on from the store, at the pace of who reads.
            Heard::Lagged => {}
            Heard::Reset { from } => self.put(&ServerFrame::Reset { conv: conversation.to_string(), from }),
            // The history of a conversation that is gone is not found.
            Heard::Ended => self.put(&ServerFrame::Reset { conv: conversation.to_string(), from: 1 }),
        }
        None
    }

    fn put(&mut self, frame: &ServerFrame) {
        self.write(Message::text(frame.to_json()));
    }

    fn put_encoded(&mut self, frame: Bytes) {
        // Encoded by us, from text.
        if let Ok(text) = Utf8Bytes::try_from(frame) {
            self.write(Message::Text(text));
        }
    }

    fn write(&mut self, message: Message) {
        self.out_bytes += message.len();
        self.out.push_back(message);
    }

    /// The goodbye of a gateway that leaves: each client is told another moment to come back.
    fn deploy(&self) -> Refused {
        let mut random = [0; 2];
        // Without randomness all come back at once, which is no more than a nuisance.
        let spread = if getrandom::fill(&mut random).is_ok() { u16::from_le_bytes(random) % 5000 } else { 0 };
        Refused::later(Close::Leaving, Duration::from_millis(u64::from(spread)))
    }

    fn set_alarm(&mut self) {
        let heartbeat = self.api.times.heartbeat;
        let silence = self.silent_since + if self.pinged { heartbeat * 5 / 2 } else { heartbeat };
        let stuck = self.stuck_since.map(|since| since + self.api.times.write);
        let due = stuck.map_or(silence, |stuck| stuck.min(silence));
        self.alarm.as_mut().reset(due);
    }

    /// The alarm rang: somebody is silent, or does not read.
    fn keep_time(&mut self) -> Option<Refused> {
        let heartbeat = self.api.times.heartbeat;
        let now = Instant::now();
        self.frames = 0;
        if self.stuck_since.is_some_and(|since| now >= since + self.api.times.write) {
            return Some(Refused::new(Close::Slow));
        }
        if now >= self.silent_since + heartbeat * 5 / 2 {
            return Some(Refused::new(Close::Idle));
        }
        if now >= self.silent_since + heartbeat && !self.pinged {
            self.pinged = true;
            self.write(Message::Ping(Bytes::new()));
        }
        self.set_alarm();
        None
    }

    /// Waits for what comes next, and writes meanwhile.
    async fn next(&mut self) -> Happened {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        if self.poll_write(cx).is_err() {
            return Poll::Ready(Happened::Over(None));
        }
        if let Some(seat) = &self.seat
            && let Poll::Ready(order) = seat.orders.poll_next(cx)
        {
            return Poll::Ready(Happened::Ordered(order));
        }
        if self.leaving.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Happened::Leaving);
        }
        if self.alarm.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Happened::Alarm);
        }
        if let Poll::Ready(said) = Pin::new(&mut self.ws).poll_next(cx) {
            return Poll::Ready(self.read(said));
        }
        if self.out.len() < QUEUE
            && self.out_bytes < QUEUE_BYTES
            && let Poll::Ready((conversation, heard)) = self.following.poll_next(cx)
        {
            return Poll::Ready(Happened::Heard(conversation, heard));
        }
        Poll::Pending
    }

    fn read(&mut self, said: Option<Result<Message, WsError>>) -> Happened {
        if matches!(said, Some(Ok(_))) {
            self.silent_since = Instant::now();
            self.pinged = false;
        }
        match said {
            Some(Ok(Message::Text(text))) => Happened::Text(text),
            Some(Ok(Message::Binary(_))) => Happened::Over(Some(Close::BadFrame)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Happened::Life,
            Some(Ok(Message::Close(_))) | None => Happened::Over(None),
            Some(Err(error)) => Happened::Over(match error {
                WsError::Capacity(CapacityError::MessageTooLong { .. }) => Some(Close::FrameSize),
                WsError::Utf8(_) => Some(Close::NotUtf8),
                WsError::Protocol(_) => Some(Close::Protocol),
                _ => None,
            }),
        }
    }

    /// Hands over as much as goes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), WsError> {
        let mut moved = false;
        while !self.out.is_empty() {
            match Pin::new(&mut self.ws).poll_ready(cx)? {
                Poll::Ready(()) => {}
                Poll::Pending => break,
            }
            if let Some(message) = self.out.pop_front() {
                self.out_bytes = self.out_bytes.saturating_sub(message.len());
                Pin::new(&mut self.ws).start_send(message)?;
                self.unflushed = true;
                moved = true;
            }
        }
        if self.unflushed && Pin::new(&mut self.ws).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        let waits = self.unflushed || !self.out.is_empty();
        match (waits, self.stuck_since) {
            (false, Some(_)) => {
                self.stuck_since = None;
                self.out.shrink_to(0);
            }
            (true, Some(_)) if moved => self.stuck_since = Some(Instant::now()),
            (true, None) => {
                self.stuck_since = Some(Instant::now());
                self.set_alarm();
            }
            _ => {}
        }
        Ok(())
    }

    /// Says why, closes, and waits a moment for the other side.
    async fn say_goodbye(&mut self, refused: &Refused) {
        if refused.close == Close::Slow {
            // What waits would not be read in time; the resume brings it.
            self.out.clear();
            self.out_bytes = 0;
        }
        if let Some(bye) = refused.bye() {
            self.put(&bye);
        }
        let close = CloseFrame { code: CloseCode::from(refused.close.code()), reason: Utf8Bytes::default() };
        self.write(Message::Close(Some(close)));
        // Whether it arrives is the other side's affair.
        let within = if refused.close == Close::Slow { SLOW_GOODBYE } else { GOODBYE };
        drop(timeout(within, std::future::poll_fn(|cx| self.poll_goodbye(cx))).await);
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_write(cx).is_err() {
            return Poll::Ready(());
        }
        // Reads until the other side has closed too; what it says no longer counts.
        loop {
            match Pin::new(&mut self.ws).poll_next(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) if self.out.is_empty() && !self.unflushed => {
                    return Poll::Ready(());
                }
                Poll::Ready(
                    Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed | WsError::Io(_))) | None,
                ) => {
                    return Poll::Ready(());
                }
                Poll::Ready(Some(Err(_))) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
