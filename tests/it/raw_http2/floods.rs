//! Floods over HTTP/2: each is cut or bounded, the memory stays, and others are served meanwhile.

use std::time::{Duration, Instant};

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RESET, SETTINGS, WINDOW,
    block, frame, setting,
};
use super::line::Line;
use super::stage::{Draft, Stage};

/// Times as they come, but for what cuts a flood.
const FLOODED: &str = "[limits.edge]\nhead_time = \"3s\"\nbody_time = \"2s\"\nkeep_alive = \"3s\"\n\
                       [limits.webhook]\nfailures = \"100000/min\"\n";

/// How long a flood goes on when nobody cuts it.
const LASTING: Duration = Duration::from_secs(4);

/// What a flood may add to the memory, in MiB.
const ROOM: u64 = 48;

/// Longest wait of somebody else meanwhile; two slow cores under load are thought of.
const NEIGHBOUR: Duration = Duration::from_secs(3);

/// A flood: how it begins, and its pieces without end.
struct Flood {
    name: &'static str,
    first: Vec<u8>,
    piece: Box<dyn FnMut(u32) -> Vec<u8> + Send>,
    /// The code with which it is cut; `None` where time alone ends it.
    cut: Option<&'static str>,
    /// Whether it also leaves unread what comes back.
    deaf: bool,
}

fn flood(
    name: &'static str,
    first: Vec<u8>,
    cut: Option<&'static str>,
    piece: impl FnMut(u32) -> Vec<u8> + Send + 'static,
) -> Flood {
    Flood { name, first, piece: Box::new(piece), cut, deaf: false }
}

fn floods(right: &Draft) -> Vec<Flood> {
    let calm = Some("ENHANCE_YOUR_CALM");
    let (head, started) = (right.block(), right.clone().without("content-length").head(1, 0));
    let (of_reset, of_lie, of_cancel) = (head.clone(), head.clone(), head.clone());
    let mut deaf = flood("pings whose answers nobody reads", Vec::new(), None, |_| {
        frame(PING, 0, 0, &[1; 8]).repeat(500)
    });
    deaf.deaf = true;
    let mut unread = flood("answers that nobody reads", frame(SETTINGS, 0, 0, &setting(4, 0)), None, {
        let fields =
            [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/readyz")];
        let fields: Vec<_> = fields.map(|(name, value)| (name.into(), value.into())).into();
        let block = block(&fields);
        move |n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &block)
    });
    unread.deaf = true;
    // One entry of 4 KB in the table, and references to it that weigh a byte each.
    let mut bomb = vec![0x40, 6];
    bomb.extend(b"x-bomb");
    super::frames::integer(0, 7, 3900, &mut bomb);
    bomb.extend([b'b'; 3900]);
    let packed = [head.clone(), bomb].concat();
    let references = [head.clone(), vec![0xbe; 16_000]].concat();
    vec![
        // CVE-2023-44487.
        flood("streams opened and reset", Vec::new(), calm, move |n| {
            let stream = 2 * n + 1;
            [frame(HEADERS, END_HEADERS, stream, &of_reset), frame(RESET, 0, stream, &8_u32.to_be_bytes())]
                .concat()
        }),
        // CVE-2025-8671: the server is made to reset.
        flood("streams that must be reset", Vec::new(), calm, move |n| {
            let stream = 2 * n + 1;
            [frame(HEADERS, END_HEADERS, stream, &of_lie), frame(DATA, END_STREAM, stream, b"short")].concat()
        }),
        flood("more streams than there may be", Vec::new(), calm, move |n| {
            frame(HEADERS, END_HEADERS, 2 * n + 1, &of_cancel)
        }),
        // CVE-2024-27316 and its like.
        flood("continuations of a byte", frame(HEADERS, 0, 1, &head[..8]), calm, {
            let rest = head.clone();
            move |n| frame(CONTINUATION, 0, 1, rest.get(8 + n as usize..9 + n as usize).unwrap_or(&[0x82]))
        }),
        flood("continuations of nothing", frame(HEADERS, 0, 1, &head), calm, |_| {
            frame(CONTINUATION, 0, 1, &[])
        }),
        flood("continuations of 16 KiB", frame(HEADERS, 0, 1, &head), Some("PROTOCOL_ERROR"), |_| {
            let long = block(&[(b"x-long".to_vec(), vec![b'a'; 16_000])]);
            frame(CONTINUATION, 0, 1, &long)
        }),
        flood(
            "heads that unpack to much",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &packed),
            None,
            move |n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 3, &references),
        ),
        flood("pings", Vec::new(), None, |_| frame(PING, 0, 0, &[1; 8]).repeat(500)),
        flood("settings", Vec::new(), None, |_| frame(SETTINGS, 0, 0, &setting(3, 100)).repeat(500)),
        flood("pongs to no ping", Vec::new(), None, |_| frame(PING, ACK, 0, &[1; 8]).repeat(500)),
        flood("priorities", Vec::new(), None, |n| frame(PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 1]).repeat(50)),
        flood("windows a byte wider", Vec::new(), None, |_| {
            frame(WINDOW, 0, 0, &1_u32.to_be_bytes()).repeat(50)
        }),
        flood("bodies of nothing", started.clone(), None, |_| frame(DATA, 0, 1, &[]).repeat(500)),
        flood("frames of no kind", Vec::new(), None, |_| frame(0xee, 0, 0, &[0; 64]).repeat(200)),
        deaf,
        unread,
    ]
}

/// Runs one; gives how it ended.
async fn run(stage: &Stage, flood: &mut Flood) -> Line {
    let mut line = Line::open(stage).await;
    let begun = Instant::now();
    let mut flows = line.send(&flood.first).await;
    let mut number = 0;
    while flows && begun.elapsed() < LASTING && !line.heard.is_lost() {
        // Many at once, as a flood comes.
        let mut bytes = Vec::new();
        while bytes.len() < 16 * 1024 {
            bytes.extend((flood.piece)(number));
            number += 1;
        }
        flows = match flood.deaf {
            // A pipe that is full stays so.
            true => tokio::time::timeout(Duration::from_secs(1), line.send(&bytes)).await.unwrap_or(true),
            false => line.send(&bytes).await,
        };
        if !flood.deaf {
            line.listen(Duration::from_millis(1), |_| false).await;
        }
    }
    // Its end, if that has been told.
    line.listen(Duration::from_secs(6), |_| false).await;
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_bounded_and_others_are_served_meanwhile() {
    let stage = Stage::set(FLOODED).await;
    let right = stage.message("flood", "WRONG flood");
    let mut faults = Vec::new();
    for mut flood in floods(&right) {
        let (before, name, cut) = (stage.resident(), flood.name, flood.cut);
        let others = async {
            // Somebody else, as long as it lasts and a little longer.
            let mut slowest = Duration::ZERO;
            for number in 0.. {
                let begun = Instant::now();
                let text = format!("{name} {number}");
                let mut line = Line::open(&stage).await;
                line.send(&stage.message(name, &text).on(1)).await;
                let heard = line.listen(Duration::from_secs(10), |heard| heard.is_over(1)).await;
                let answer = heard.stream(1);
                assert!(matches!(answer.statuses[..], [200..300]), "{text}: {heard:?}");
                slowest = slowest.max(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(100)).await;
                if number >= 10 {
                    break;
                }
            }
            slowest
        };
        let mut highest = before;
        let watch = async {
            loop {
                highest = highest.max(stage.resident());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let both = async { tokio::join!(run(&stage, &mut flood), others) };
        let (line, slowest) = tokio::select! {
            ended = both => ended,
            () = watch => unreachable!("it watches for ever"),
        };
        let heard = &line.heard;
        let ended = match cut {
            Some(code) => heard.goaway == Some(code) && heard.closed,
            None => heard.closed,
        };
        if !ended || slowest > NEIGHBOUR || highest > before + ROOM {
            faults.push(format!(
                "{name}: goaway {:?}, closed {}, neighbours up to {slowest:?}, memory {before} to {highest} MiB",
                heard.goaway, heard.closed
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let stored = stage.core.received().iter().filter(|one| one.event.text().starts_with("WRONG")).count();
    assert_eq!(stored, 0);
}
