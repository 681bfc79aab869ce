//! Frames of `portico.v1` as they are read and written: one JSON object each, at most 64 KiB.
//!
//! Unknown types and unknown fields are passed over, so an older gateway understands a newer client. A frame that
//! can be answered by its id is refused by a `nack`; one that can't ends the connection with 4400.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portico_contract::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Largest frame in bytes, either way.
pub(crate) const MAX_FRAME: usize = 64 * 1024;
/// Most conversations that one hello or sync may name.
const MAX_CURSORS: usize = 50;

/// Conversation to the highest contiguous number that was received.
pub(crate) type Cursors = BTreeMap<String, u64>;

/// Where a visitor is, told where the channel wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct PageInfo {
    pub(crate) url: String,
    pub(crate) title: String,
    #[serde(rename = "ref")]
    pub(crate) referrer: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Hello {
    pub(crate) v: u64,
    pub(crate) ch: String,
    #[serde(default)]
    pub(crate) tok: Option<String>,
    #[serde(default)]
    pub(crate) jwt: Option<String>,
    #[serde(default)]
    pub(crate) cur: Cursors,
    #[serde(default)]
    pub(crate) loc: Option<String>,
    #[serde(default)]
    pub(crate) page: Option<PageInfo>,
    #[serde(default)]
    pub(crate) caps: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendFrame {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) conv: Option<String>,
    pub(crate) msg: Map<String, Value>,
    #[serde(default)]
    pub(crate) reply_to: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct EventFrame {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) conv: Option<String>,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) data: Value,
}

/// A change of the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct UserPatch {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) picture_url: Option<String>,
    pub(crate) data: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct UserFrame {
    pub(crate) id: String,
    pub(crate) data: UserPatch,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct AuthFrame {
    pub(crate) id: String,
    pub(crate) jwt: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConvOp {
    New,
    Open,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct ConvFrame {
    pub(crate) id: String,
    pub(crate) op: ConvOp,
    #[serde(default)]
    pub(crate) conv: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct ReadFrame {
    pub(crate) conv: String,
    pub(crate) seq: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct TypingFrame {
    pub(crate) conv: String,
    pub(crate) on: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct SyncFrame {
    pub(crate) cur: Cursors,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientFrame {
    Hello(Box<Hello>),
    Send(SendFrame),
    Event(EventFrame),
    User(UserFrame),
    Auth(AuthFrame),
    Conv(ConvFrame),
    Seen,
    Read(ReadFrame),
    Typing(TypingFrame),
    Sync(SyncFrame),
    Ping,
    /// Of a later version; passed over.
    Unknown,
}

/// Why a frame is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// It can be refused by its id.
    Nack {
        /// The frame's id.
        id: String,
    },
    /// Nothing can be said about it: 4400.
    Close,
    /// Another version of the protocol: 4426.
    Version,
}

/// Whether a text may be a client's id for a frame.
pub(crate) fn is_client_id(id: &str) -> bool {
    (8..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Reads one frame.
///
/// # Errors
/// [`BadFrame`] says how it is refused.
pub(crate) fn read(text: &str) -> Result<ClientFrame, BadFrame> {
    from_value(serde_json::from_str(text).map_err(|_| BadFrame::Close)?)
}

/// As [`read`], for a frame that stood in a list.
///
/// # Errors
/// As [`read`].
pub(crate) fn from_value(value: Value) -> Result<ClientFrame, BadFrame> {
    let Value::Object(fields) = value else { return Err(BadFrame::Close) };
    let Some(Value::String(kind)) = fields.get("t") else { return Err(BadFrame::Close) };
    let id = fields.get("id").and_then(Value::as_str).filter(|id| is_client_id(id)).map(ToOwned::to_owned);
    let bad = || id.clone().map_or(BadFrame::Close, |id| BadFrame::Nack { id });
    let kind = kind.clone();
    let other_version =
        kind == "hello" && fields.get("v").is_some_and(|v| v.is_u64() && v.as_u64() != Some(1));
    let frame = parse(&kind, Value::Object(fields));
    match frame {
        _ if other_version => Err(BadFrame::Version),
        Some(frame) if is_well(&frame) => Ok(frame),
        _ => Err(bad()),
    }
}

fn parse(kind: &str, value: Value) -> Option<ClientFrame> {
    fn of<T: for<'de> Deserialize<'de>>(value: Value) -> Option<T> {
        serde_json::from_value(value).ok()
    }
    Some(match kind {
        "hello" => ClientFrame::Hello(Box::new(of(value)?)),
        "send" => ClientFrame::Send(of(value)?),
        "event" => ClientFrame::Event(of(value)?),
        "user" => ClientFrame::User(of(value)?),
        "auth" => ClientFrame::Auth(of(value)?),
        "conv" => ClientFrame::Conv(of(value)?),
        "seen" => of::<ReadFrame>(value).map(|_| ClientFrame::Seen)?,
        "read" => ClientFrame::Read(of(value)?),
        "typing" => ClientFrame::Typing(of(value)?),
        "sync" => ClientFrame::Sync(of(value)?),
        "ping" => ClientFrame::Ping,
        _ => ClientFrame::Unknown,
    })
}

/// What types alone don't say.
fn is_well(frame: &ClientFrame) -> bool {
    match frame {
        ClientFrame::Hello(hello) => !hello.ch.is_empty() && hello.cur.len() <= MAX_CURSORS,
        ClientFrame::Send(send) => {
            let kind = send.msg.get("type").and_then(Value::as_str);
            is_client_id(&send.id)
                && kind
                    .is_some_and(|kind| kind != "text" || send.msg.get("text").is_some_and(Value::is_string))
        }
        ClientFrame::Event(event) => is_client_id(&event.id) && !event.name.is_empty(),
        ClientFrame::User(user) => is_client_id(&user.id),
        ClientFrame::Auth(auth) => is_client_id(&auth.id),
        ClientFrame::Conv(conv) => is_client_id(&conv.id) && (conv.op == ConvOp::New || conv.conv.is_some()),
        ClientFrame::Sync(sync) => sync.cur.len() <= MAX_CURSORS,
        _ => true,
    }
}

/// Why a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub(crate) enum NackCode {
    Rate,
    TooLarge,
    Bad,
    Blocked,
    Closed,
    Auth,
}

/// Why the gateway ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ByeCode {
    Deploy,
    Idle,
    Auth,
    Limit,
}

/// The visitor, as the gateway knows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(Deserialize))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Visitor {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture_url: Option<String>,
    pub(crate) verified: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) data: BTreeMap<String, String>,
}

/// What a client must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Deserialize))]
pub(crate) struct WireLimits {
    pub(crate) frame: usize,
    pub(crate) text: usize,
    pub(crate) file: u64,
}

/// What the gateway says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(Deserialize))]
#[serde(tag = "t", rename_all = "lowercase")]
pub(crate) enum ServerFrame {
    Welcome {
        v: u8,
        sid: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        tok: Option<String>,
        user: Visitor,
        #[serde(skip_serializing_if = "Option::is_none")]
        conv: Option<String>,
        cur: Cursors,
        hb: u64,
        limits: WireLimits,
    },
    Ack {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conv: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ts: Option<Millis>,
    },
    Nack {
        id: String,
        code: NackCode,
        /// Milliseconds; absent: never.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry: Option<u64>,
    },
    Ev {
        conv: String,
        seq: u64,
        kind: Cow<'static, str>,
        data: Value,
    },
    Delta {
        conv: String,
        mid: String,
        n: u64,
        s: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        full: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        end: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    Typing {
        conv: String,
        on: bool,
        by: String,
    },
    Cmd {
        conv: String,
        name: String,
        data: Value,
        /// Seconds.
        ttl: u64,
    },
    Pong,
    Reset {
        conv: String,
        from: u64,
    },
    Bye {
        code: ByeCode,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry: Option<u64>,
    },
}

impl ServerFrame {
    /// An ack that only says that something was stored.
    pub(crate) fn ack(id: String) -> Self {
        Self::Ack { id, mid: None, conv: None, seq: None, ts: None }
    }

    /// A refusal for good.
    pub(crate) fn nack(id: String, code: NackCode) -> Self {
        Self::Nack { id, code, retry: None }
    }

    /// The frame as JSON.
    pub(crate) fn to_json(&self) -> String {
        // Texts, numbers and JSON values always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Codes with which a WebSocket is closed; the fallbacks carry the same numbers in their errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Close {
    /// The frame is none.
    BadFrame = 4400,
    /// The token is not good; drop it, and say hello without.
    Token = 4401,
    /// The page may not use the channel.
    Origin = 4403,
    /// There is no such channel.
    Channel = 4404,
    /// The first frame did not come.
    Timeout = 4408,
    /// Too many connections of the session; this is the oldest.
    Crowded = 4409,
    /// The session or channel ended.
    Ended = 4410,
    /// A frame is too large.
    FrameSize = 4413,
    /// The version is not spoken here.
    Version = 4426,
    /// Too often; come back later.
    Rate = 4429,
    /// Nothing came for too long.
    Idle = 1001,
    /// Broken framing (RFC 6455).
    Protocol = 1002,
    /// A text that is no UTF-8.
    NotUtf8 = 1007,
    /// Something went wrong here.
    Failure = 1011,
    /// The gateway leaves.
    Leaving = 1012,
    /// The reader is too slow.
    Slow = 1013,
}

impl Close {
    /// The number on the wire.
    pub(crate) fn code(self) -> u16 {
        self as u16
    }
}
