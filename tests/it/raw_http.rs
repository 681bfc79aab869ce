//! Malformed HTTP over a raw socket: it is refused or the connection closes, nothing is answered twice, and
//! nobody else notices.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use portico_tests::gateway::Gateway;
use portico_tests::sim::client;
use portico_tests::sim::core::CoreAnswer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::scene::{SLACK_DM, Scene};

/// Short times, so that what is incomplete is cut soon.
const QUICK: &str = "[limits.edge]\nfirst_byte = \"1s\"\nhead_time = \"1s\"\nbody_time = \"1s\"\nkeep_alive = \"2s\"\n\
                     [limits.webhook]\nfailures = \"100000/min\"\n";

/// What came back on one connection.
#[derive(Debug, Default)]
struct Heard {
    statuses: Vec<u16>,
    closed: bool,
    rest: String,
}

/// Sends bytes and listens until the other side closes, or has said nothing for as long as it may take.
async fn exchange(gateway: &Gateway, bytes: &[u8]) -> Heard {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.spec.ports.0)).await.unwrap();
    // The other side may close while we still write: that is one way of refusing.
    let written = timeout(Duration::from_secs(10), stream.write_all(bytes)).await;
    let mut heard = Heard { closed: !matches!(written, Ok(Ok(()))), ..Heard::default() };
    let mut got = Vec::new();
    let mut piece = [0; 8192];
    loop {
        match timeout(Duration::from_secs(6), stream.read(&mut piece)).await {
            Ok(Ok(0)) | Ok(Err(_)) => {
                heard.closed = true;
                break;
            }
            Ok(Ok(count)) => got.extend_from_slice(&piece[..count]),
            Err(_) => break,
        }
    }
    let mut rest = &got[..];
    while let Some((status, after)) = answer(rest) {
        heard.statuses.push(status);
        rest = after;
    }
    heard.rest = String::from_utf8_lossy(rest).into_owned();
    heard
}

/// The first answer of a stream, and what follows it.
fn answer(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.strip_prefix("http/1.")?.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let body = if status == 100 { 0 } else { length.unwrap_or(0) };
    bytes.get(end + 4 + body..).map(|rest| (status, rest))
}

/// A request of which everything but `head` is right. A second one hides behind it.
fn post(head: &str, body: &str) -> Vec<u8> {
    format!("POST /webhooks/hook HTTP/1.1\r\nHost: portico\r\n{head}\r\n\r\n{body}").into_bytes()
}

const HIDDEN: &str = "GET /readyz HTTP/1.1\r\nHost: portico\r\n\r\n";

fn get(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: portico\r\n\r\n").into_bytes()
}

fn with(header: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /readyz HTTP/1.1\r\nHost: portico\r\n", header.as_ref(), b"\r\n\r\n"].concat()
}

/// What must be refused.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| all.push((name.to_owned(), bytes));

    // Two lengths, or none that counts.
    let chunked = format!("5\r\nhello\r\n0\r\n\r\n{HIDDEN}");
    add("length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked", &chunked));
    add("chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5", &chunked));
    add("length of nothing and chunks", post("Content-Length: 0\r\nTransfer-Encoding: chunked", &chunked));
    add("two lengths", post("Content-Length: 5\r\nContent-Length: 6", &format!("hello{HIDDEN}")));
    add("two lengths in one", post("Content-Length: 5, 6", &format!("hello{HIDDEN}")));
    for length in [
        "+5",
        "-5",
        "0x5",
        "5a",
        "5 5",
        "1e3",
        "5.0",
        "99999999999999999999",
        "18446744073709551616",
        "",
        "٥",
        "five",
        "5;",
        "\"5\"",
    ] {
        add(
            &format!("length '{length}'"),
            post(&format!("Content-Length: {length}"), &format!("hello{HIDDEN}")),
        );
    }
    for coding in [
        "identity",
        "gzip",
        "xchunked",
        "chunked, identity",
        "chunked, gzip",
        "\"chunked\"",
        "chunked;q=1",
        "chunkedx",
        "chunk",
        "",
        "chunked,\r\nTransfer-Encoding: identity",
        "chunked\r\nTransfer-Encoding: identity",
        "\u{b}chunked",
    ] {
        add(
            &format!("coding '{}'", coding.escape_debug()),
            post(&format!("Transfer-Encoding: {coding}"), &chunked),
        );
    }
    add("coding with a blank before the colon", post("Transfer-Encoding : chunked", &chunked));
    add("folded coding", post("X: a\r\n Transfer-Encoding: chunked", &chunked));
    add("length with a blank before the colon", post("Content-Length : 5", &format!("hello{HIDDEN}")));
    add(
        "chunks in HTTP/1.0",
        format!("POST /webhooks/hook HTTP/1.0\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}")
            .into_bytes(),
    );

    // Chunks.
    for (name, body) in [
        ("a letter", "g\r\nhello\r\n0\r\n\r\n"),
        ("negative", "-1\r\nhello\r\n0\r\n\r\n"),
        ("with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("empty", "\r\nhello\r\n0\r\n\r\n"),
        ("above 64 bits", "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
        ("too small for its data", "3\r\nhello\r\n0\r\n\r\n"),
        ("without a line end", "5\r\nhello0\r\n\r\n"),
        ("with a bare return", "5\rhello\r\n0\r\n\r\n"),
        ("with a bare line feed", "5\nhello\n0\n\n"),
        ("never ended", "5\r\nhel"),
    ] {
        add(&format!("chunk {name}"), post("Transfer-Encoding: chunked", body));
    }
    let long = "x".repeat(40_000);
    add(
        "a chunk's extension too long",
        post("Transfer-Encoding: chunked", &format!("5;{long}\r\nhello\r\n0\r\n\r\n")),
    );
    add(
        "trailers too long",
        post("Transfer-Encoding: chunked", &format!("5\r\nhello\r\n0\r\nX: {long}\r\n\r\n")),
    );

    // The first line.
    for line in [
        "GET /readyz",
        "GET /readyz HTTP/0.9",
        "GET /readyz HTTP/1.2",
        "GET /readyz HTTP/2.0",
        "GET /readyz HTTP/3.0",
        "GET /readyz HTTP/9.9",
        "GET /readyz http/1.1",
        "GET /readyz HTTP/1.1 x",
        "GET /readyz HTTP/1",
        "GET /readyz HTTP/11",
        "GET /readyz HTTPS/1.1",
        "GET  /readyz HTTP/1.1",
        "GET\t/readyz\tHTTP/1.1",
        " GET /readyz HTTP/1.1",
        "GET /rea dyz HTTP/1.1",
        "G(T /readyz HTTP/1.1",
        "G\u{0}T /readyz HTTP/1.1",
        " /readyz HTTP/1.1",
        "/readyz HTTP/1.1",
        "GET /rea\u{1}dyz HTTP/1.1",
        "GET /rea\u{0}dyz HTTP/1.1",
        "GET readyz HTTP/1.1",
        "GET  HTTP/1.1",
        "GET",
        "HTTP/1.1 200 OK",
        "CONNECT example.com:443 HTTP/1.1",
        "TRACE /readyz HTTP/1.1",
        "SSH-2.0-OpenSSH_9.0",
        "GET /readyz\rHTTP/1.1",
        "GET http://[::1/readyz HTTP/1.1",
    ] {
        add(&format!("line '{}'", line.escape_debug()), get(line));
    }
    add("line feeds only", b"GET /readyz HTTP/1.1\nHost: portico\n\n".to_vec());
    add("a line feed after the first line", b"GET /readyz HTTP/1.1\nHost: portico\r\n\r\n".to_vec());
    add("a line feed at the end", b"GET /readyz HTTP/1.1\r\nHost: portico\n\n".to_vec());
    add("a line feed between headers", with("A: 1\nB: 2"));
    add("a target above its limit", get(&format!("GET /{} HTTP/1.1", "a".repeat(5_000))));
    add("a target above everything", get(&format!("GET /{} HTTP/1.1", "a".repeat(80_000))));
    add("a method above everything", get(&format!("{} / HTTP/1.1", "A".repeat(40_000))));
    add("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec());
    add("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03abcdefghijklmnopqrstuvwxyz012345\x00".to_vec());
    add("zeros", vec![0; 4096]);
    add("noise", (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect());

    // The host.
    add("no host", b"GET /readyz HTTP/1.1\r\n\r\n".to_vec());
    for host in [
        "a\r\nHost: b",
        "a\r\nHost: a",
        "a b",
        "a@b",
        "a/b",
        "a, b",
        "a\u{0}b",
        "a:b",
        "a:99999",
        "[::1",
        "a?b",
        "a#b",
        "a\\b",
    ] {
        let bytes = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        add(&format!("host '{}'", host.escape_debug()), bytes);
    }

    // Headers.
    for (name, header) in [
        ("folded", "A: 1\r\n 2"),
        ("folded with a tab", "A: 1\r\n\t2"),
        ("a blank before the colon", "A : 1"),
        ("a tab before the colon", "A\t: 1"),
        ("no name", ": 1"),
        ("no colon", "A"),
        ("a blank in the name", "A B: 1"),
        ("a zero in the name", "A\u{0}: 1"),
        ("a letter beyond ASCII in the name", "Ä: 1"),
        ("a bracket in the name", "A(: 1"),
        ("a zero in the value", "A: 1\u{0}2"),
        ("a bare return in the value", "A: 1\r2"),
        ("an escape in the value", "A: 1\u{1b}2"),
        ("a deletion in the value", "A: 1\u{7f}2"),
        ("two returns", "A: 1\r\r\nB: 2"),
    ] {
        add(&format!("header with {name}"), with(header));
    }
    add("the first header folded", b"GET /readyz HTTP/1.1\r\n Host: portico\r\n\r\n".to_vec());
    let headers =
        |count: usize| (0..count).map(|n| format!("X-{n}: 1\r\n")).collect::<String>().trim_end().to_owned();
    add("65 more headers", with(headers(65)));
    add("5,000 headers", with(headers(5_000)));
    add("a value above the head's limit", with(format!("A: {}", "a".repeat(20_000))));
    add("a value above everything", with(format!("A: {}", "a".repeat(200_000))));
    add("a name above the head's limit", with(format!("{}: 1", "a".repeat(20_000))));
    add("a head that never ends", b"GET /readyz HTTP/1.1\r\nHost: portico\r\nA: 1\r\n".to_vec());
    add("a first line that never ends", b"GET /readyz".to_vec());

    // Bodies.
    add("a body shorter than its length", post("Content-Length: 50", "hello"));
    add("a length above the cap", post("Content-Length: 2000000", "hello"));
    add("a length far above the cap", post("Content-Length: 18446744073709551615", "hello"));
    let flood: String = (0..40).map(|_| format!("10000\r\n{}\r\n", "x".repeat(0x10000))).collect();
    add("chunks above the cap", post("Transfer-Encoding: chunked", &flood));
    add("a packed body", post("Content-Encoding: gzip\r\nContent-Length: 5", "hello"));
    all
}

/// Statuses with which something malformed may be refused.
const REFUSALS: [u16; 11] = [400, 404, 405, 408, 411, 413, 414, 415, 417, 431, 505];

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_once_and_nobody_else_notices() {
    let scene = Scene::new(QUICK, |_| CoreAnswer::done()).await;
    let corpus = corpus();
    assert!(corpus.len() >= 120, "{}", corpus.len());
    let url = format!("{}/readyz", scene.gateway.spec.public());
    let faults: Vec<String> = stream::iter(corpus)
        .map(|(name, bytes)| {
            let (gateway, url) = (&scene.gateway, &url);
            async move {
                let heard = exchange(gateway, &bytes).await;
                // Somebody else, meanwhile.
                let other = client::get(url, &[]).await.map(|reply| reply.status);
                let refused = match heard.statuses.as_slice() {
                    [] => heard.closed,
                    [one] => REFUSALS.contains(one),
                    _ => false,
                };
                match (refused, heard.rest.is_empty(), other) {
                    (true, true, Ok(200)) => None,
                    (.., other) => Some(format!("{name}: {heard:?}, others {other:?}")),
                }
            }
        })
        .buffer_unordered(16)
        .filter_map(|fault| async { fault })
        .collect()
        .await;
    assert!(faults.is_empty(), "{} of them:\n{}", faults.len(), faults.join("\n"));
    // Nothing of all that reached the journal, and the path works on.
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "still here")).await;
    assert_eq!(scene.nth_event(1).await.text(), "still here");
    assert_eq!(scene.core.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_but_right_is_answered_once() {
    let scene = Scene::new(QUICK, |_| CoreAnswer::done()).await;
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__";
    for (name, bytes, status) in [
        ("an upgrade that is not offered", with(upgrade), 200),
        (
            "a websocket that is not offered",
            with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"),
            200,
        ),
        ("an absolute target", get("GET http://portico/readyz HTTP/1.1"), 200),
        ("HTTP/1.0 without a host", b"GET /readyz HTTP/1.0\r\n\r\n".to_vec(), 200),
        ("a blank line first", [b"\r\n", &get("GET /readyz HTTP/1.1")[..]].concat(), 200),
        ("a value beyond ASCII", with("A: Grüße"), 200),
        ("an unknown method", get("BREW /readyz HTTP/1.1"), 405),
    ] {
        let heard = exchange(&scene.gateway, &bytes).await;
        assert_eq!(heard.statuses, [status], "{name}: {heard:?}");
    }
    // Two requests on one connection are two answers, in order.
    let both = [get("GET /readyz HTTP/1.1"), get("GET /nothing HTTP/1.1")].concat();
    let heard = exchange(&scene.gateway, &both).await;
    assert_eq!((heard.statuses.len(), heard.statuses[0]), (2, 200), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_and_a_slow_body_are_cut() {
    let scene = Scene::new(QUICK, |_| CoreAnswer::done()).await;
    let drip = async |first: &[u8], piece: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", scene.gateway.spec.ports.0)).await.unwrap();
        stream.write_all(first).await.unwrap();
        let begun = std::time::Instant::now();
        let mut answer = [0; 4096];
        loop {
            match timeout(Duration::from_millis(100), stream.read(&mut answer)).await {
                // Closed, or told so.
                Ok(_) => return begun.elapsed(),
                Err(_) => {
                    if stream.write_all(piece).await.is_err() {
                        return begun.elapsed();
                    }
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "never cut");
        }
    };
    let head = drip(b"GET /readyz HTTP/1.1\r\nHost: portico\r\n", b"A: 1\r\n").await;
    let body =
        drip(b"POST /webhooks/hook HTTP/1.1\r\nHost: portico\r\nContent-Length: 100000\r\n\r\n", b"x").await;
    let nothing = drip(b"", b"").await;
    for (what, took) in [("head", head), ("body", body), ("nothing", nothing)] {
        assert!(took < Duration::from_secs(8), "{what}: {took:?}");
    }
}
