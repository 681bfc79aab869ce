//! The ground of the house: what a connector is, and the nouns it shares with the gateway.
//!
//! A connector speaks one provider. It never opens a socket: each of its jobs takes data and returns a
//! [`Turn`], in which HTTP requests, events, state writes and timers are *described*; the gateway checks
//! them, stores them, sends the requests and calls [`Connector::resume`] with the answers. The same trait
//! stands before built-in, sandboxed and remote connectors, so the gateway knows only one shape.
//!
//! ```text
//! webhook ─▶ InboundRequest ─▶ Connector::webhook ─▶ Turn { effects: [Emit(Event)…], reply, next }
//! outbox  ─▶ OutboundMessage ─▶ Connector::deliver ─▶ Turn { next: Ask(requests) } ─▶ resume ─▶ Delivered
//! ```
//!
//! This crate does no I/O and knows no runtime.

mod connector;
mod content;
mod event;
mod fault;
mod host;
mod http_data;
mod id;
mod manifest;
mod message;
pub mod spelling;
mod tags;
mod turn;

pub use connector::{Catalog, Connector, Context, ParsedConfig, TimerTick};
pub use content::{
    ActionKind, Card, CardAction, Content, ContentError, Location, MEDIA_SCHEME, Media, Options, SelectOption,
};
pub use event::{
    CustomEvent, Deletion, Edit, Event, IdentityChange, InboundMessage, Party, Reaction, Receipt,
    ReceiptStage, Thread,
};
pub use fault::{Fault, FaultCode};
pub use host::{Algorithm, Blob, Blobs, DigestKind, Host, Keyring, KeyringError, Level, Scope, StateValue};
pub use http_data::{
    Field, FormPart, HttpAnswer, InboundRequest, InboundResponse, Keep, OutboundRequest, Payload, Reply,
    Slot, SlotPlace, TransportFailure, Verified,
};
pub use id::{BadId, BotId, ConversationId, EventId, InstallationId, MessageId, RunId, UserId, base32};
pub use manifest::{
    ActionSpec, ChannelSpec, Check, CheckKind, Configuration, Encoding, EventSpec, HostRule, KindLimits,
    Manifest, Pace, Permissions, Rate, SecretSpec, SecretUse, SignalsTo, SignedTimestamp, StateSpec,
    TimerSpec, WebhookSpec,
};
pub use message::{ActionCall, Delivered, MessageRef, OutboundMessage, TELL_SIGNAL};
pub use tags::Tags;
pub use turn::{Ask, Effect, Next, Outcome, StateWrite, TimerSet, Turn, TurnResult};

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = u64;
