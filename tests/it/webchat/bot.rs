//! What a bot can do besides talking: let a message grow, and tell the visitor's page what to do.

use http::Method;
use portico_tests::sim::core::CoreAnswer;
use serde_json::{Value, json};

use super::stage::{OPEN, Stage};
use super::visitor::Visitor;

async fn draft(stage: &Stage, id: &str, conversation: &str, part: (&str, &str)) {
    let body = json!({ "conversationId": conversation, part.0: part.1 });
    let answer = stage.bot(Method::PUT, &format!("/drafts/{id}"), Some(&body)).await;
    assert_eq!(answer["draft"]["shown"], true);
}

async fn delta(visitor: &mut Visitor) -> (Value, Value, bool) {
    let frame = visitor.frame_of("delta").await;
    (frame["n"].clone(), frame["s"].clone(), frame["full"] == true)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_grows_is_seen_growing_and_then_replaced() {
    let stage = Stage::set(OPEN).await;
    let (mut visitor, token, conversation) = stage.talking().await;
    let (mut plain, _) = stage.hello(json!({ "tok": token, "caps": [] })).await;
    draft(&stage, "d1", &conversation, ("append", "Hel")).await;
    draft(&stage, "d1", &conversation, ("append", "lo")).await;
    assert_eq!(delta(&mut visitor).await, (json!(0), json!("Hel"), false));
    assert_eq!(delta(&mut visitor).await, (json!(1), json!("lo"), false));
    // Who comes later gets all of it, and then what comes.
    let (mut late, _) = stage.hello(json!({ "tok": token })).await;
    let (_, all, full) = delta(&mut late).await;
    assert_eq!((all, full), (json!("Hello"), true));
    draft(&stage, "d1", &conversation, ("text", "Good day")).await;
    let (_, all, full) = delta(&mut visitor).await;
    assert_eq!((all, full), (json!("Good day"), true));
    let (_, all, _) = delta(&mut late).await;
    assert_eq!(all, "Good day");
    let body = json!({
        "conversationId": conversation, "userId": "support", "type": "text", "payload": { "text": "Good day!" },
        "tags": {}, "draftId": "d1",
    });
    let message = stage.bot(Method::POST, "/messages", Some(&body)).await["message"].clone();
    for one in [&mut visitor, &mut late] {
        let item = one.item(|item| item["data"]["draft"] == "d1").await;
        assert_eq!((&item["data"]["id"], &item["data"]["text"]), (&message["id"], &json!("Good day!")));
        let end = one.frame_of("delta").await;
        assert_eq!((&end["mid"], &end["end"], &end["id"]), (&json!("d1"), &json!(true), &message["id"]));
    }
    // A client that can't show growing messages gets the message only.
    plain
        .frame(|frame| {
            assert_ne!(frame["t"], "delta", "{frame}");
            frame["data"]["draft"] == "d1"
        })
        .await;
    // Nothing of the drafts was kept.
    let texts: Vec<String> = stage.stored(&conversation).await.into_iter().map(|row| row.1).collect();
    assert_eq!(texts, ["hi", "hi", "Good day!"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_is_given_up_ends_without_a_message() {
    let stage = Stage::set(OPEN).await;
    let (mut visitor, _, conversation) = stage.talking().await;
    let input = json!({ "conversationId": conversation, "draftId": "d2", "append": "Let me th" });
    let act = json!({ "type": "webchat:appendDraft", "input": input });
    stage.bot(Method::POST, "/actions", Some(&act)).await;
    assert_eq!(delta(&mut visitor).await.1, "Let me th");
    stage.bot(Method::DELETE, &format!("/drafts/d2?conversationId={conversation}"), None).await;
    let end = visitor.frame_of("delta").await;
    assert_eq!((&end["mid"], &end["end"]), (&json!("d2"), &json!(true)));
    assert!(end.get("id").is_none(), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_ends_a_draft_in_its_answer() {
    let stage = Stage::with(OPEN, &[], |event| match (event.kind(), event.text()) {
        ("message_created", "finish") => CoreAnswer::json(json!({ "messages": [
            { "type": "text", "payload": { "text": "All of it." }, "draftId": "d3" },
        ] })),
        ("message_created", text) => CoreAnswer::text(text),
        _ => CoreAnswer::done(),
    })
    .await;
    let (mut visitor, _, conversation) = stage.talking().await;
    draft(&stage, "d3", &conversation, ("append", "All of")).await;
    assert_eq!(delta(&mut visitor).await.1, "All of");
    visitor.says("second-message", Some(&conversation), "finish").await;
    let item = visitor.item(|item| item["data"]["from"] == "bot").await;
    assert_eq!((&item["data"]["draft"], &item["data"]["text"]), (&json!("d3"), &json!("All of it.")));
    let end = visitor.frame_of("delta").await;
    assert_eq!((&end["end"], &end["id"]), (&json!(true), &item["data"]["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_who_is_there_and_nobody_who_comes_later() {
    let stage = Stage::set(OPEN).await;
    let (mut visitor, token, conversation) = stage.talking().await;
    let act = async |name: &str, mut input: Value| {
        input["conversationId"] = conversation.as_str().into();
        stage.bot(Method::POST, "/actions", Some(&json!({ "type": name, "input": input }))).await;
    };
    for (action, input, name, data) in [
        ("webchat:open", json!({ "ttl": 7 }), "open", json!({})),
        ("webchat:hideWebchat", json!({}), "close", json!({})),
        ("webchat:config", json!({ "config": { "bot_name": "Tea" } }), "config", json!({ "botName": "Tea" })),
        (
            "webchat:customEvent",
            json!({ "name": "cart", "data": { "items": 2 } }),
            "custom",
            json!({ "name": "cart", "data": { "items": 2 } }),
        ),
    ] {
        act(action, input.clone()).await;
        let command = visitor.frame_of("cmd").await;
        assert_eq!((&command["name"], &command["data"]), (&json!(name), &data), "{action}");
        assert_eq!(command["conv"], conversation.as_str());
        assert_eq!(command["ttl"], input.get("ttl").cloned().unwrap_or(json!(30)));
    }
    // What a page may not be made to do.
    let patch = json!({ "conversationId": conversation, "config": { "html": true } });
    let url = format!("{}/v1/chat/actions", stage.gateway.spec.public());
    let refused = crate::scene::call(
        Method::POST,
        &url,
        crate::scene::BOT_TOKEN,
        Some(&json!({ "type": "webchat:config", "input": patch })),
    )
    .await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let (mut late, _) = stage.hello(json!({ "tok": token, "cur": { &conversation: 0 } })).await;
    late.says("second-message", Some(&conversation), "what now").await;
    late.frame(|frame| {
        assert_ne!(frame["t"], "cmd", "{frame}");
        frame["data"]["from"] == "bot" && frame["data"]["text"] == "what now"
    })
    .await;
}
