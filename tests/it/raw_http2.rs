//! T3 over HTTP/2: what is malformed is refused, stores nothing, and disturbs nobody; floods are bounded.
//!
//! Every case is a webhook whose signature is right, so that whatever repaired it would also store it; and every
//! case has a conversation of its own, in which a right message follows: the core must get that one alone.

mod corpus;
mod floods;
mod frames;
mod line;
mod slow;
mod stage;

use std::time::Duration;

use futures_util::{StreamExt, stream};

use self::corpus::{Case, Refusal, corpus};
use self::line::{Heard, Line};
use self::stage::Stage;

/// Short times and small bodies, so that what is incomplete is cut soon.
const QUICK: &str = "[limits.edge]\nfirst_byte = \"1s\"\nhead_time = \"1s\"\nbody_time = \"1s\"\nkeep_alive = \"2s\"\n\
                     [limits.body]\nwebhook = \"32KiB\"\n[limits.webhook]\nfailures = \"100000/min\"\n";

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request that is right, on a stream that no case uses.
const GOOD: u32 = 101;

fn refused(heard: &Heard) -> Option<Refusal> {
    let answer = heard.stream(1);
    match (answer.statuses.as_slice(), answer.reset, heard.goaway) {
        (_, _, Some(code)) if code != "NO_ERROR" => Some(Refusal::Goaway(code)),
        // What is left of a request that was answered may be cut off.
        ([status], _, _) => Some(Refusal::Status(*status)),
        ([], Some(code), _) => Some(Refusal::Reset(code)),
        ([], None, None) if heard.closed => Some(Refusal::Closed),
        _ => None,
    }
}

/// Sends a case and then something right; says what is not as it must be.
async fn fault(stage: &Stage, case: &Case) -> Option<String> {
    let mut line = Line::open(stage).await;
    line.send(&case.bytes).await;
    line.listen(PATIENCE, |heard| heard.is_over(1)).await;
    let right = format!("right after {}", case.name);
    let good = stage.message(&case.name, &right).on(GOOD);
    let mut said = Vec::new();
    let found = refused(&line.heard);
    let served = match found {
        Some(Refusal::Goaway(_) | Refusal::Closed) => {
            line.listen(PATIENCE, |_| false).await;
            if !line.heard.closed {
                said.push("the connection stayed open".to_owned());
            }
            let mut other = Line::open(stage).await;
            other.send(&good).await;
            other.listen(PATIENCE, |heard| heard.is_over(GOOD)).await.stream(GOOD)
        }
        _ => {
            line.send(&good).await;
            line.listen(PATIENCE, |heard| heard.is_over(GOOD)).await.stream(GOOD)
        }
    };
    let fits = match case.refusal {
        Refusal::Any(some) => found.is_some_and(|one| some.contains(&one)),
        one => refused(&line.heard) == Some(one),
    };
    if !fits {
        said.push(format!("must be {:?}, was {:?}", case.refusal, line.heard));
    }
    if !matches!(served.statuses[..], [200..300]) {
        said.push(format!("the right request got {served:?}"));
    } else if !stage.texts_up_to(&right).await.contains(&right) {
        said.push("the right request did not arrive".to_owned());
    }
    (!said.is_empty()).then(|| format!("{}: {}", case.name, said.join("; ")))
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_http2_is_refused_once_stores_nothing_and_leaves_others_alone() {
    let stage = Stage::set(QUICK).await;
    let cases = corpus(|conversation| stage.message(conversation, &format!("WRONG {conversation}")));
    assert!(cases.len() >= 140, "{}", cases.len());
    let faults: Vec<String> = stream::iter(&cases)
        .map(|case| fault(&stage, case))
        .buffer_unordered(8)
        .filter_map(|fault| async { fault })
        .collect()
        .await;
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    // By the order within a conversation, what was stored of a case would have come before what was right.
    let received = stage.core.received();
    let stored: Vec<&str> = received
        .iter()
        .map(|one| one.event.text())
        .filter(|text| !text.starts_with("right after "))
        .collect();
    assert!(stored.is_empty(), "stored: {stored:?}");
    assert_eq!(received.len(), cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_but_right_is_taken_once() {
    use self::frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITY, block, frame, setting,
    };
    let stage = Stage::set(QUICK).await;
    let named = |name: &str| stage.message(name, name);
    let split = |name: &str, pieces: usize| {
        let (right, mut bytes) = (named(name), Vec::new());
        let whole = right.block();
        let parts: Vec<&[u8]> = whole.chunks(whole.len().div_ceil(pieces)).collect();
        for (at, part) in parts.iter().enumerate() {
            let end = if at + 1 == parts.len() { END_HEADERS } else { 0 };
            bytes.extend(frame(if at == 0 { HEADERS } else { CONTINUATION }, end, 1, part));
        }
        [bytes, frame(DATA, END_STREAM, 1, &right.body)].concat()
    };
    let trailed = |name: &str, field: &str| {
        let right = named(name);
        let trailers = block(&[(field.into(), b"/readyz".to_vec())]);
        let end = frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers);
        [right.head(1, 0), frame(DATA, 0, 1, &right.body), end].concat()
    };
    let padded = |name: &str| {
        let right = named(name);
        let body = [&[200][..], &right.body, &[0; 200]].concat();
        [right.head(1, 0), frame(DATA, END_STREAM | PADDED, 1, &body)].concat()
    };
    let pieces = |name: &str| {
        let right = named(name);
        let body = right.body.iter().flat_map(|byte| frame(DATA, 0, 1, &[*byte]));
        [right.head(1, 0), body.collect(), frame(DATA, END_STREAM, 1, &[])].concat()
    };
    let first = |name: &str, first: Vec<u8>| [first, named(name).on(1)].concat();
    let cases = [
        ("no length", named("no length").without("content-length").on(1)),
        ("te: trailers", named("te: trailers").with("te", "trailers").on(1)),
        ("the host said twice alike", named("the host said twice alike").with("host", "LOCALHOST").on(1)),
        ("a host alone", named("a host alone").without(":authority").with("host", "localhost:8443").on(1)),
        ("a block in two", split("a block in two", 2)),
        ("a block in four", split("a block in four", 4)),
        ("trailers", trailed("trailers", "x-last")),
        // Malformed; but nothing in trailers is looked at here, and the parser does not show it.
        ("a path among trailers", trailed("a path among trailers", ":path")),
        ("padding", padded("padding")),
        ("byte by byte", pieces("byte by byte")),
        ("an unknown frame", first("an unknown frame", frame(0xfa, 0xff, 0, b"what is this"))),
        ("an unknown setting", first("an unknown setting", frame(4, 0, 0, &setting(0xfafa, 7)))),
        (
            "a priority before its stream",
            first("a priority before its stream", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9])),
        ),
        ("a value beyond ASCII", named("a value beyond ASCII").with("x-greeting", "Grüße").on(1)),
    ];
    for (name, bytes) in &cases {
        let mut line = Line::open(&stage).await;
        line.send(bytes).await;
        let heard = line.listen(PATIENCE, |heard| heard.is_over(1)).await;
        assert!(matches!(heard.stream(1).statuses[..], [200..300]), "{name}: {heard:?}");
        stage.texts_up_to(name).await;
    }
    assert_eq!(stage.core.received().len(), cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_begin_as_http2_does_is_closed() {
    let stage = Stage::set(QUICK).await;
    let right = stage.message("preface", "WRONG preface").on(1);
    let settings = frames::frame(frames::SETTINGS, 0, 0, &[]);
    let preface = frames::PREFACE;
    for (name, bytes) in [
        ("HTTP/1.1", b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("no preface", [&settings[..], &right].concat()),
        ("another version", [&b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"[..], &settings, &right].concat()),
        ("half a preface", preface[..20].to_vec()),
        ("nothing", Vec::new()),
        ("noise", (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ] {
        let mut line = Line::silent(&stage).await;
        line.send(&bytes).await;
        let heard = line.listen(PATIENCE, |_| false).await;
        assert!(heard.closed && heard.streams.is_empty(), "{name}: {heard:?}");
    }
    let good = stage.message("preface", "right").on(1);
    let mut line = Line::open(&stage).await;
    line.send(&good).await;
    assert!(matches!(
        line.listen(PATIENCE, |heard| heard.is_over(1)).await.stream(1).statuses[..],
        [200..300]
    ));
    assert_eq!(stage.texts_up_to("right").await, ["right"]);
}
