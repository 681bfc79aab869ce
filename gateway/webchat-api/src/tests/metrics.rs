//! What an operator sees of those who are connected.

use std::time::Duration;

use serde_json::{Value, json};

use super::fallbacks::Stream;
use super::world::{PAGE, SOON, World, hello, text};

/// Waits until a line stands in the metrics: connections end a moment after their client does.
async fn shows(world: &World, line: &str) {
    let seen = async {
        while !world.live.metrics().encode().lines().any(|shown| shown == line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(SOON, seen).await.is_err() {
        panic!("{line} is not in\n{}", world.live.metrics().encode());
    }
}

fn open(road: &str, count: u32) -> String {
    format!("portico_live_open{{installation=\"site\",road=\"{road}\"}} {count}")
}

#[tokio::test]
async fn each_road_counts_those_who_are_on_it() {
    let world = World::new().await;
    let (one, welcome) = world.visitor().await;
    let (two, _) = world.hello(json!({ "tok": welcome["tok"] })).await;
    let mut stream = Stream::open(&world, json!({ "tok": welcome["tok"] })).await;
    stream.frame().await;
    shows(&world, &open("websocket", 2)).await;
    shows(&world, &open("events", 1)).await;
    let token = text(&welcome["tok"]);
    let poll = world.page("POST", "/webchat/v1/poll", &token, json!({ "t": "sync", "cur": {} }));
    let polls = open("poll", 1);
    tokio::select! {
        answer = poll => panic!("answered with {}", answer.status),
        () = shows(&world, &polls) => {}
    }
    drop((one, stream));
    shows(&world, &open("poll", 0)).await;
    shows(&world, &open("websocket", 1)).await;
    shows(&world, &open("events", 0)).await;
    drop(two);
    shows(&world, &open("websocket", 0)).await;
}

#[tokio::test]
async fn who_is_not_let_in_is_counted_by_reason_on_every_road() {
    let world = World::new().await;
    for (frame, reason) in [
        (json!({ "t": "ping" }), "malformed"),
        (json!({ "t": "hello", "v": 2, "ch": "site" }), "version"),
        (json!({ "t": "hello", "v": 1, "ch": "nowhere" }), "unknown_channel"),
        (json!({ "t": "hello", "v": 1, "ch": "other" }), "origin"),
        (hello(json!({ "tok": "made-up.site" })), "token"),
    ] {
        let mut visitor = world.socket().await;
        visitor.send(frame.clone()).await;
        visitor.closed().await;
        for path in ["/webchat/v1/stream", "/webchat/v1/poll"] {
            let answer = world.call("POST", path, &[("origin", PAGE)], frame.to_string()).await;
            assert!(answer.status >= 400);
        }
        shows(&world, &format!("portico_hellos_refused_total{{reason=\"{reason}\"}} 3")).await;
    }
}

#[tokio::test]
async fn a_limit_that_a_visitor_met_is_counted() {
    let limits = json!({ "messages": 1, "hellos": 1000, "session_sockets": 5, "sockets": 1 });
    let world = World::configured(json!({ "limits": limits })).await;
    let (mut visitor, _) = world.visitor().await;
    let mut refused = 0;
    for number in 0..20 {
        let answer = visitor.says(&format!("cid-{number:06}"), None, "x").await;
        refused += u32::from(answer["t"] == "nack");
    }
    assert!(refused > 0);
    shows(&world, &format!("portico_limits_refused_total{{limit=\"visitor\"}} {refused}")).await;
    let mut neighbour = world.socket().await;
    neighbour.send(hello(Value::Object(Default::default()))).await;
    assert_eq!(neighbour.closed().await.1, 4429);
    shows(&world, "portico_limits_refused_total{limit=\"streams\"} 1").await;
    shows(&world, "portico_hellos_refused_total{reason=\"rate_limited\"} 1").await;
}
