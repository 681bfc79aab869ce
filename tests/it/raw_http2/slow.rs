//! Time over HTTP/2: heads and bodies that never end, connections that only linger, and how many requests one
//! connection may make.

use std::time::{Duration, Instant};

use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, PING, RESET, block, frame};
use super::line::Line;
use super::stage::Stage;
use super::{PATIENCE, QUICK};

/// A request without a body.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)];
    let fields: Vec<_> = fields.map(|(name, value)| (name.into(), value.into())).into();
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields))
}

/// A small frame each 100 ms until the connection is closed; says how long that took.
async fn drip(line: &mut Line, piece: &[u8]) -> Duration {
    let begun = Instant::now();
    while !line.heard.closed {
        line.send(piece).await;
        line.listen(Duration::from_millis(100), |_| false).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "never cut: {:?}", line.heard);
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_answered_408_and_stores_nothing() {
    let stage = Stage::set(QUICK).await;
    let wrong = stage.message("slow", "WRONG slow");
    let mut line = Line::open(&stage).await;
    // One says nothing more, one a byte at a time, one sends frames of nothing.
    for stream in [1, 3, 5] {
        line.send(&wrong.head(stream, 0)).await;
    }
    let begun = Instant::now();
    let mut at = 0;
    while !([1, 3, 5].iter().all(|id| line.heard.is_over(*id))) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", line.heard);
        at += 1;
        if !line.heard.is_over(3) {
            line.send(&frame(DATA, 0, 3, &wrong.body[at - 1..at])).await;
        }
        if !line.heard.is_over(5) {
            line.send(&frame(DATA, 0, 5, &[])).await;
        }
        line.listen(Duration::from_millis(50), |_| false).await;
    }
    for stream in [1, 3, 5] {
        assert_eq!(line.heard.stream(stream).statuses, [408], "{:?}", line.heard);
    }
    line.send(&stage.message("slow", "right").on(7)).await;
    line.listen(PATIENCE, |heard| heard.is_over(7)).await;
    assert_eq!(stage.texts_up_to("right").await, ["right"], "{:?}", line.heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_and_connections_that_only_linger_are_cut() {
    let stage = Stage::set(QUICK).await;
    let ping = frame(PING, 0, 0, &[7; 8]);
    let limit = Duration::from_secs(8);

    // Half a head, then nothing, or pings that are out of place within a block.
    let half = frame(HEADERS, END_STREAM, 1, &block(&[(b":method".to_vec(), b"GET".to_vec())]));
    let mut line = Line::open(&stage).await;
    line.send(&half).await;
    let begun = Instant::now();
    line.listen(PATIENCE, |_| false).await;
    assert!(line.heard.closed && begun.elapsed() < limit, "{:?} {:?}", begun.elapsed(), line.heard);

    // Pings and nothing else.
    let mut line = Line::open(&stage).await;
    assert!(drip(&mut line, &ping).await < limit);
    assert!(line.heard.pongs > 0);

    // A request, and then pings: they don't keep the connection for ever, and it is told that it ends.
    let mut line = Line::open(&stage).await;
    line.send(&get(1, "/readyz")).await;
    line.listen(PATIENCE, |heard| heard.is_over(1)).await;
    assert_eq!(line.heard.stream(1).statuses, [200]);
    // It is kept for its whole time, though: windows that open are no half head.
    line.send(&ping).await;
    line.listen(Duration::from_millis(1500), |_| false).await;
    assert!(!line.heard.closed && line.heard.goaway.is_none(), "{:?}", line.heard);
    line.send(&get(3, "/readyz")).await;
    line.listen(PATIENCE, |heard| heard.is_over(3)).await;
    assert_eq!(line.heard.stream(3).statuses, [200]);
    assert!(drip(&mut line, &ping).await < limit);
    assert_eq!(line.heard.goaway, Some("NO_ERROR"), "{:?}", line.heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_reset_are_over_and_do_not_hold_their_connection() {
    // Only what is idle ends so soon.
    let times = "[limits.edge]\nfirst_byte = \"1s\"\nkeep_alive = \"1s\"\nrequest_time = \"60s\"\nbody_time = \"60s\"\n";
    let stage = Stage::set(times).await;
    let wrong = stage.message("reset", "WRONG reset");
    let mut line = Line::open(&stage).await;
    line.send(&get(1, "/readyz")).await;
    line.listen(PATIENCE, |heard| heard.is_over(1)).await;
    for stream in [3, 5, 7] {
        line.send(&wrong.head(stream, 0)).await;
        // Its request is under way, and waits for its body.
        line.listen(Duration::from_millis(100), |_| false).await;
        line.send(&frame(RESET, 0, stream, &8_u32.to_be_bytes())).await;
    }
    let begun = Instant::now();
    line.listen(PATIENCE, |_| false).await;
    assert!(line.heard.closed && begun.elapsed() < Duration::from_secs(8), "{:?}", line.heard);
    assert_eq!(line.heard.goaway, Some("NO_ERROR"), "{:?}", line.heard);
    assert!(stage.core.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_so_many_requests_and_is_told_when_they_are_spent() {
    let few = QUICK.replacen("[limits.edge]\n", "[limits.edge]\nrequests_per_connection = 5\n", 1);
    let stage = Stage::set(&few).await;
    let mut line = Line::open(&stage).await;
    let mut answered = 0;
    for number in 0..20 {
        let stream = 2 * number + 1;
        if line.heard.goaway.is_some() || !line.send(&get(stream, "/readyz")).await {
            break;
        }
        let heard =
            line.listen(Duration::from_secs(3), |heard| heard.is_over(stream) || heard.goaway.is_some());
        answered += usize::from(heard.await.stream(stream).statuses == [200]);
    }
    line.listen(PATIENCE, |_| false).await;
    assert_eq!(line.heard.goaway, Some("NO_ERROR"), "{:?}", line.heard);
    assert!(line.heard.closed && (5..=6).contains(&answered), "{answered} answered, {:?}", line.heard);
}
