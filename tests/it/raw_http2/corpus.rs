//! Requests that are right, signature included, but for one thing; and how each of them is refused.

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH, RESET,
    SETTINGS, WINDOW, block, frame, integer, setting,
};
use super::stage::Draft;

/// How something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its stream is reset with this code; the connection serves others.
    Reset(&'static str),
    /// Its stream is answered with this status; the connection serves others.
    Status(u16),
    /// The connection is ended with this code.
    Goaway(&'static str),
    /// The connection is closed without a word.
    Closed,
    /// One of these, by what is noticed first.
    Any(&'static [Refusal]),
}

/// One way to be wrong.
pub(super) struct Case {
    pub(super) name: String,
    /// After preface and settings.
    pub(super) bytes: Vec<u8>,
    pub(super) refusal: Refusal,
}

const PROTOCOL: Refusal = Refusal::Reset("PROTOCOL_ERROR");
const BAD: Refusal = Refusal::Status(400);
/// The parser tells no faults of packing or of a frame's size apart from others, as it may.
const GONE: Refusal = Refusal::Goaway("PROTOCOL_ERROR");
const SIZE: Refusal = Refusal::Goaway("FRAME_SIZE_ERROR");

/// All of them. `draft` makes the right request of a case, for the conversation of that name.
pub(super) fn corpus(draft: impl Fn(&str) -> Draft) -> Vec<Case> {
    let mut all = Vec::new();
    heads(&draft, &mut all);
    lengths(&draft, &mut all);
    packing(&draft, &mut all);
    framing(&draft, &mut all);
    all
}

type All = Vec<Case>;

fn add(all: &mut All, name: impl Into<String>, bytes: Vec<u8>, refusal: Refusal) {
    all.push(Case { name: name.into(), bytes, refusal });
}

/// Fields that may not be, in a block that is well packed.
fn heads(draft: &impl Fn(&str) -> Draft, all: &mut All) {
    let mut case = |name: &str, refusal: Refusal, edit: &dyn Fn(Draft) -> Draft| {
        add(all, name, edit(draft(name)).on(1), refusal);
    };

    // Pseudo headers.
    for name in [":method", ":scheme", ":path"] {
        case(&format!("no {name}"), PROTOCOL, &|right| right.without(name));
    }
    case("no :authority and no host", BAD, &|right| right.without(":authority"));
    for (name, value) in
        [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/webhooks/hook")]
    {
        case(&format!("{name} twice"), PROTOCOL, &|right| right.after(name, value));
        case(&format!("{name} after a header"), PROTOCOL, &|right| right.without(name).with(name, value));
        let refusal = if name == ":method" { GONE } else { PROTOCOL };
        case(&format!("{name} with a line end"), refusal, &|right| {
            right.but(name, format!("{value}\r\nx: y"))
        });
        case(&format!("{name} with a zero"), refusal, &|right| right.but(name, format!("{value}\0")));
        case(&format!("{name} with a blank"), refusal, &|right| right.but(name, format!("{value} x")));
    }
    case("an unknown pseudo header", GONE, &|right| right.after(":host", "localhost"));
    case("a pseudo header of answers", PROTOCOL, &|right| right.after(":status", "200"));
    case("a pseudo header without a name", GONE, &|right| right.after(":", "x"));
    case(":protocol without a tunnel", PROTOCOL, &|right| right.after(":protocol", "websocket"));
    for path in ["", "webhooks/hook", "http://localhost/webhooks/hook", "/webhooks/hook HTTP/1.1\r\nhost: x"]
    {
        case(&format!("path '{}'", path.escape_debug()), PROTOCOL, &|right| right.but(":path", path));
    }
    case("a path beyond its limit", BAD, &|right| {
        right.but(":path", format!("/webhooks/hook?{}", "a".repeat(5_000)))
    });
    case("the path *", Refusal::Status(405), &|right| right.but(":path", "*"));
    for method in ["", "PO ST", "POST\t", "P(ST"] {
        case(&format!("method '{}'", method.escape_debug()), GONE, &|right| right.but(":method", method));
    }
    case("TRACE", BAD, &|right| right.but(":method", "TRACE"));
    let tunnel = |right: Draft| right.but(":method", "CONNECT").without(":path").without(":scheme");
    case("CONNECT", BAD, &|right| tunnel(right).without("content-length"));
    case("CONNECT with a length", Refusal::Closed, &tunnel);
    case("CONNECT with a path", PROTOCOL, &|right| right.but(":method", "CONNECT"));
    case("a tunnel that is not offered", PROTOCOL, &|right| {
        right.but(":method", "CONNECT").after(":protocol", "websocket")
    });
    for (scheme, refusal) in
        [("", BAD), ("1http", BAD), ("ws", BAD), ("file", BAD), ("ht tp", PROTOCOL), ("https://x", PROTOCOL)]
    {
        case(&format!("scheme '{scheme}'"), refusal, &|right| right.but(":scheme", scheme));
    }

    // Who is meant.
    case("a host other than the authority", BAD, &|right| right.with("host", "elsewhere"));
    case("a host with another port", BAD, &|right| right.with("host", "localhost:80"));
    case("two hosts", BAD, &|right| right.with("host", "localhost").with("host", "localhost"));
    case("two hosts and no authority", BAD, &|right| {
        right.without(":authority").with("host", "localhost").with("host", "elsewhere")
    });
    case("a host that is none", BAD, &|right| right.without(":authority").with("host", "a/b"));
    case("an empty host", BAD, &|right| right.without(":authority").with("host", ""));
    case("an empty authority", PROTOCOL, &|right| right.but(":authority", ""));
    case("an authority with a name before it", BAD, &|right| right.but(":authority", "ada@localhost"));
    case("an authority with a port beyond all", BAD, &|right| right.but(":authority", "localhost:99999"));
    for authority in ["localhost/x", "local host", "[::1", "a\\b", "localhost?x", "localhost#x"] {
        case(&format!("authority '{}'", authority.escape_debug()), PROTOCOL, &|right| {
            right.but(":authority", authority)
        });
    }

    // What belongs to a connection, and to HTTP/1.
    for (name, value) in [
        ("connection", "close"),
        ("connection", "keep-alive, x-portico-signature"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "h2c"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
        ("te", "chunked"),
    ] {
        case(&format!("{name}: {value}"), PROTOCOL, &|right| right.with(name, value));
    }
    case("a coding", Refusal::Status(415), &|right| right.with("content-encoding", "gzip"));

    // Names and values.
    for name in
        ["X-Upper", "Host", "Content-Length", "x y", "x\0y", "x\r\ny", "x:y", "", "ä", "x\u{7f}", "x(", "x\t"]
    {
        case(&format!("a header named '{}'", name.escape_debug()), GONE, &|right| right.with(name, "1"));
    }
    for value in ["1\r\n2", "1\n2", "1\r2", "1\0", "\r\n", "1\u{1b}2", "1\u{7f}2", "\u{1}"] {
        case(&format!("a value '{}'", value.escape_debug()), GONE, &|right| right.with("x-odd", value));
    }
    case("a signature with a line end", GONE, &|right| right.with("x-portico-signature", "t=1\r\nhost: x"));

    // Too much.
    let headers =
        |right: Draft, count: usize| (0..count).fold(right, |draft, n| draft.with(format!("x-{n}"), "1"));
    case("500 headers", Refusal::Status(431), &|right| headers(right, 500));
}

/// Bodies that are not what the head has said.
fn lengths(draft: &impl Fn(&str) -> Draft, all: &mut All) {
    let mut case = |name: &str, refusal: Refusal, bytes: &dyn Fn(Draft) -> Vec<u8>| {
        add(all, name, bytes(draft(name)), refusal);
    };
    let length = |right: &Draft, more: i64| (right.body.len() as i64 + more).to_string();
    case("a body shorter than its length", PROTOCOL, &|right| {
        let wrong = length(&right, 1);
        right.but("content-length", wrong).on(1)
    });
    case("a body longer than its length", PROTOCOL, &|right| {
        let wrong = length(&right, -1);
        right.but("content-length", wrong).on(1)
    });
    case("a body where the length is 0", PROTOCOL, &|right| right.but("content-length", "0").on(1));
    case("a length and no body", PROTOCOL, &|right| right.head(1, END_STREAM));
    case("two lengths", PROTOCOL, &|right| right.with("content-length", "5").on(1));
    case("two lengths, the smaller first", PROTOCOL, &|right| {
        let wrong = length(&right, 0);
        right.but("content-length", "5").with("content-length", wrong).on(1)
    });
    for wrong in ["", "+5", "-5", "0x5", "5 5", "5, 5", "1e3", "18446744073709551616", "five", "5;"] {
        case(&format!("length '{wrong}'"), PROTOCOL, &|right| right.but("content-length", wrong).on(1));
    }
    case("a length beyond the cap", Refusal::Status(413), &|right| {
        right.but("content-length", "2000000").head(1, 0)
    });
    case("a body beyond the cap and no length", Refusal::Status(413), &|right| {
        let head = right.without("content-length").head(1, 0);
        // As much as the window of a stream lets through; the cap is lower here.
        let piece = frame(DATA, 0, 1, &[b' '; 16 * 1024 - 1]);
        [head, piece.repeat(3)].concat()
    });
    case("trailers that end nothing", PROTOCOL, &|right| {
        let trailers = block(&[(b"x-last".to_vec(), b"1".to_vec())]);
        [right.head(1, 0), frame(DATA, 0, 1, &right.body), frame(HEADERS, END_HEADERS, 1, &trailers)].concat()
    });
    case("a head beyond its limit in two frames", Refusal::Status(431), &|right| {
        let whole = right.clone().with("x-long", "a".repeat(20_000)).block();
        let (first, rest) = whole.split_at(16_000);
        let rest = frame(CONTINUATION, END_HEADERS, 1, rest);
        [frame(HEADERS, 0, 1, first), rest, frame(DATA, END_STREAM, 1, &right.body)].concat()
    });
    case("a second head", PROTOCOL, &|right| {
        let first = right.clone().without("content-length");
        [first.head(1, 0), right.on(1)].concat()
    });
}

/// Blocks that can't be unpacked.
fn packing(draft: &impl Fn(&str) -> Draft, all: &mut All) {
    let mut case = |name: &str, refusal: Refusal, end: &[u8]| {
        let right = draft(name);
        let head = [&right.block()[..], end].concat();
        let body = frame(DATA, END_STREAM, 1, &right.body);
        add(all, name, [frame(HEADERS, END_HEADERS, 1, &head), body].concat(), refusal);
    };
    case("the index 0", GONE, &[0x80]);
    case("an index beyond the tables", GONE, &[0xff, 0x00]);
    case("an index beyond all numbers", GONE, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    case("a name beyond the tables", GONE, &[0x7f, 0x20, 0x01, b'x']);
    case("a name cut short", GONE, &[0x00, 0x7e, b'x']);
    case("a length beyond all numbers", GONE, &[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    case("a code that is none", GONE, &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, b'1']);
    case("padding of more than a byte", GONE, &[0x00, 0x82, 0x1f, 0xff, 0x01, b'1']);
    case("a table's size in the midst", GONE, &[0x20]);
    let mut size = Vec::new();
    integer(0x20, 5, 1 << 20, &mut size);
    let right = draft("a table beyond its size");
    let head = [size, right.block()].concat();
    let bytes = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, &right.body)].concat();
    add(all, "a table beyond its size", bytes, GONE);
}

/// Frames that may not be, before, within or after a request that is right.
fn framing(draft: &impl Fn(&str) -> Draft, all: &mut All) {
    let mut before = |name: &str, refusal: Refusal, first: Vec<u8>| {
        add(all, name, [first, draft(name).on(1)].concat(), refusal);
    };
    before("a body before its head", GONE, frame(DATA, 0, 1, b"x"));
    before("a reset of nothing", GONE, frame(RESET, 0, 1, &[0; 4]));
    before("a window for nothing", GONE, frame(WINDOW, 0, 1, &1_u32.to_be_bytes()));
    before("a continuation of nothing", GONE, frame(CONTINUATION, END_HEADERS, 1, &[]));
    before("a body on stream 0", GONE, frame(DATA, 0, 0, b"x"));
    before("a head on stream 0", GONE, frame(HEADERS, END_HEADERS, 0, &[0x82]));
    before("a priority on stream 0", GONE, frame(PRIORITY, 0, 0, &[0; 5]));
    before("a reset of stream 0", GONE, frame(RESET, 0, 0, &[0; 4]));
    before("a push", GONE, frame(PUSH, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]));
    before("settings on a stream", GONE, frame(SETTINGS, 0, 1, &[]));
    before("a ping on a stream", GONE, frame(PING, 0, 1, &[0; 8]));
    before("an end on a stream", GONE, frame(GOAWAY, 0, 1, &[0; 8]));
    before("a window of 0", GONE, frame(WINDOW, 0, 0, &[0; 4]));
    before(
        "a window beyond all",
        Refusal::Goaway("FLOW_CONTROL_ERROR"),
        frame(WINDOW, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
    );
    before("a first window beyond all", GONE, frame(SETTINGS, 0, 0, &setting(4, 1 << 31)));
    before("a frame size below the least", GONE, frame(SETTINGS, 0, 0, &setting(5, 1)));
    before("a switch that is neither", GONE, frame(SETTINGS, 0, 0, &setting(2, 7)));
    before("settings of five bytes", GONE, frame(SETTINGS, 0, 0, &[0; 5]));
    before("an acknowledgement with settings", GONE, frame(SETTINGS, ACK, 0, &setting(1, 0)));
    before("a ping of seven bytes", GONE, frame(PING, 0, 0, &[0; 7]));
    before("a reset of three bytes", GONE, frame(RESET, 0, 1, &[0; 3]));
    before("a window of three bytes", GONE, frame(WINDOW, 0, 0, &[0; 3]));
    before("a frame above its limit", SIZE, frame(DATA, 0, 1, &[0; 16 * 1024 + 1]));
    before("a stream of the other side", GONE, draft("x").on(2));

    let mut case = |name: &str, refusal: Refusal, bytes: &dyn Fn(Draft) -> Vec<u8>| {
        add(all, name, bytes(draft(name)), refusal);
    };
    case("a stream that depends on itself", PROTOCOL, &|right| {
        let head = [&[0, 0, 0, 1, 16][..], &right.block()].concat();
        [frame(HEADERS, END_HEADERS | 0x20, 1, &head), frame(DATA, END_STREAM, 1, &right.body)].concat()
    });
    case("padding longer than its frame", GONE, &|right| {
        let body = [&[255][..], &right.body[..10]].concat();
        [right.head(1, 0), frame(DATA, END_STREAM | PADDED, 1, &body)].concat()
    });
    case("padding of a head longer than its frame", GONE, &|right| {
        let head = [&[255][..], &right.block()[..100]].concat();
        [frame(HEADERS, END_HEADERS | PADDED, 1, &head), frame(DATA, END_STREAM, 1, &right.body)].concat()
    });
    case("a frame in the midst of a block", GONE, &|right| {
        let whole = right.block();
        let (first, rest) = whole.split_at(20);
        let ping = frame(PING, 0, 0, &[0; 8]);
        let rest = frame(CONTINUATION, END_HEADERS, 1, rest);
        [frame(HEADERS, 0, 1, first), ping, rest, frame(DATA, END_STREAM, 1, &right.body)].concat()
    });
    case("a block that goes on elsewhere", GONE, &|right| {
        let whole = right.block();
        let (first, rest) = whole.split_at(20);
        let rest = frame(CONTINUATION, END_HEADERS, 3, rest);
        [frame(HEADERS, 0, 1, first), rest, frame(DATA, END_STREAM, 1, &right.body)].concat()
    });
    const WINDOW_OR_CAP: &[Refusal] =
        &[Refusal::Reset("FLOW_CONTROL_ERROR"), Refusal::Goaway("FLOW_CONTROL_ERROR"), Refusal::Status(413)];
    case("a body beyond its window", Refusal::Any(WINDOW_OR_CAP), &|right| {
        let piece = frame(DATA, 0, 1, &[b' '; 16 * 1024]);
        [right.without("content-length").head(1, 0), piece.repeat(6)].concat()
    });
}
