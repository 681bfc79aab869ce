//! What was missed comes back, in order and once; tokens are exchanged; slow readers are cut.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{Wishes, World, text};
use crate::Times;

#[tokio::test]
async fn a_resume_brings_what_was_missed_in_order_and_then_what_happens() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "hi").await["conv"]);
    drop(visitor);
    for number in 2..=40 {
        world.bot_says(&conversation, &format!("m{number}")).await;
    }
    let (mut visitor, _) = world.hello(json!({ "tok": welcome["tok"], "cur": { &conversation: 1 } })).await;
    for number in 2..=40 {
        let item = visitor.item_of("msg").await;
        assert_eq!(item["seq"], number);
        assert_eq!(item["data"]["text"], format!("m{number}"));
    }
    world.bot_says(&conversation, "m41").await;
    assert_eq!(visitor.item_of("msg").await["seq"], 41);
    // A sync brings it again from where the visitor says.
    visitor.send(json!({ "t": "sync", "cur": { &conversation: 39 } })).await;
    assert_eq!(visitor.item_of("msg").await["seq"], 40);
    assert_eq!(visitor.item_of("msg").await["seq"], 41);
}

#[tokio::test]
async fn a_resume_after_too_much_is_a_reset_and_the_history_has_it_all() {
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let token = text(&welcome["tok"]);
    let conversation = text(&visitor.says("cid-000001", None, "hi").await["conv"]);
    for number in 2..=520 {
        let ack = visitor.says(&format!("cid-{number:06}"), None, &format!("m{number}")).await;
        assert_eq!(ack["seq"], number);
    }
    let (mut late, _) = world.hello(json!({ "tok": token, "cur": { &conversation: 5 } })).await;
    let reset = late.frame_of("reset").await;
    assert_eq!((&reset["conv"], &reset["from"]), (&json!(conversation), &json!(521)));
    visitor.says("cid-000521", None, "m521").await;
    assert_eq!(late.item_of("msg").await["seq"], 521);
    // A cursor ahead of the stream is of another life.
    let (mut ahead, _) = world.hello(json!({ "tok": token, "cur": { &conversation: 9999 } })).await;
    assert_eq!(ahead.frame_of("reset").await["from"], 522);

    let (mut before, mut seqs) = (None::<u64>, Vec::new());
    loop {
        let query = before.map_or("?limit=100".to_owned(), |before| format!("?limit=100&before={before}"));
        let path = format!("/webchat/v1/conversations/{conversation}/messages{query}");
        let page = world.page("GET", &path, &token, Value::Null).await.ok().await;
        let messages = page["messages"].as_array().unwrap().clone();
        seqs.extend(messages.iter().map(|message| message["seq"].as_u64().unwrap()));
        before = seqs.last().copied();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(seqs, (1..=521).rev().collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_token_is_exchanged_and_the_old_one_lasts_for_a_last_minute() {
    let times = Times { rotate: Duration::ZERO, ..Times::default() };
    let world = World::with(Wishes { times, ..Wishes::default() }).await;
    let (mut visitor, first) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "hi").await["conv"]);
    let (_, second) = world.hello(json!({ "tok": first["tok"] })).await;
    assert_ne!(second["tok"], first["tok"]);
    assert_eq!((&second["sid"], &second["user"]["id"]), (&first["sid"], &first["user"]["id"]));
    // A reload between: the new token was never stored. The visitor is still the same one, and gets another token.
    let (_, third) = world.hello(json!({ "tok": first["tok"] })).await;
    assert!(third["tok"].is_string() && third["tok"] != second["tok"]);
    assert_eq!((&third["user"]["id"], &third["conv"]), (&first["user"]["id"], &json!(conversation)));
    for token in [&second["tok"], &third["tok"]] {
        let path = "/webchat/v1/conversations";
        assert_eq!(world.page("GET", path, &text(token), Value::Null).await.status, 200);
    }
}

#[tokio::test]
async fn a_slow_reader_is_cut_and_resumes_where_it_was() {
    let times = Times { write: Duration::from_millis(300), ..Times::default() };
    let world = World::with(Wishes { times, ..Wishes::default() }).await;
    let (mut slow, welcome) = world.visitor().await;
    let conversation = text(&slow.says("cid-000001", None, "hi").await["conv"]);
    let (mut quick, _) = world.hello(json!({ "tok": welcome["tok"], "cur": { &conversation: 1 } })).await;
    // The slow one reads nothing while more is said than the connection holds.
    let long = "x".repeat(30_000);
    for _ in 0..20 {
        for _ in 0..20 {
            world.bot_says(&conversation, &long).await;
        }
        for _ in 0..20 {
            quick.item_of("msg").await;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (frames, code) = slow.closed().await;
    let seqs: Vec<u64> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    let mut seen = seqs.last().copied().unwrap_or(1);
    assert_eq!(code, 1013);
    assert_eq!(world.live.metrics().live("site").slow.get(), 1);
    assert!(seen < 401, "it was not slow at all");
    let (mut again, _) = world.hello(json!({ "tok": welcome["tok"], "cur": { &conversation: seen } })).await;
    while seen < 401 {
        let item = again.item_of("msg").await;
        assert_eq!(item["seq"], seen + 1);
        seen += 1;
    }
}

#[tokio::test]
async fn who_reads_gets_everything_however_much_is_said_at_once() {
    let world = World::new().await;
    let (mut visitor, _) = world.visitor().await;
    let conversation = text(&visitor.says("cid-000001", None, "hi").await["conv"]);
    let long = "x".repeat(30_000);
    for _ in 0..100 {
        world.bot_says(&conversation, &long).await;
    }
    for seq in 2..=101 {
        assert_eq!(visitor.item_of("msg").await["seq"], seq);
    }
}
