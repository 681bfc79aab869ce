//! The main job: a signed webhook becomes one durable event at the core, in order, and the core's answer goes
//! back to the provider.

use portico_tests::sim::sign;
use serde_json::json;

use crate::scene::{SLACK_DM, Scene, telegram_message};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_each_provider_reaches_the_core_and_its_answer_goes_back() {
    let scene = Scene::echo().await;

    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello from slack")).await;
    let sent = scene.nth_sent(&scene.providers.slack, 1).await;
    assert_eq!((sent.kind.as_str(), sent.to.as_str()), ("chat.postMessage", SLACK_DM));
    assert_eq!(sent.body["text"], "hello from slack");

    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "hello from telegram"}))).await;
    let sent = scene.nth_sent(&scene.providers.telegram, 1).await;
    assert_eq!((sent.kind.as_str(), sent.to.as_str()), ("sendMessage", "77"));
    assert_eq!(sent.body["text"], "hello from telegram");

    let inbound = scene.providers.whatsapp.inbound_text("491701234567", "hello from whatsapp");
    scene.accepted("whatsapp", &inbound.request).await;
    let sent = scene.nth_sent(&scene.providers.whatsapp, 1).await;
    assert_eq!((sent.kind.as_str(), sent.to.as_str()), ("text", "491701234567"));
    assert_eq!(sent.body["text"]["body"], "hello from whatsapp");

    scene.accepted("hook", &scene.app_message("ticket-5", "hello from the app")).await;
    let sent = scene.nth_sent(&scene.providers.app, 1).await;
    assert_eq!((sent.kind.as_str(), sent.to.as_str()), ("text", "ticket-5"));
    assert_eq!(sent.body["message"]["payload"]["text"], "hello from the app");

    // The core checked every signature, and nothing came twice.
    assert!(scene.core.refused().is_empty(), "{:?}", scene.core.refused());
    assert!(scene.core.duplicates().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_has_the_fields_that_cores_are_promised() {
    let scene = Scene::silent().await;
    let message = telegram_message(77, json!({"text": "Where is my tea?"}));
    let update = scene.telegram_update(json!({"message": message}));
    scene.accepted("telegram", &update).await;
    let event = scene.nth_event(1).await;
    let body = &event.body;
    assert_eq!(body["type"], "message_created");
    assert_eq!(body["id"], event.id);
    assert_eq!(body["botId"], "support");
    assert_eq!((&body["installation"], &body["integration"]), (&json!("telegram"), &json!("telegram")));
    assert_eq!(body["channel"], "channel");
    assert!(body["createdAt"].as_str().unwrap().ends_with('Z'));
    let conversation = &body["conversation"];
    assert_eq!(
        (&conversation["channel"], &conversation["integration"]),
        (&json!("channel"), &json!("telegram"))
    );
    assert_eq!(conversation["tags"]["telegram:chatId"], "77");
    assert_eq!(conversation["messageCount"], 1);
    let user = &body["user"];
    assert_eq!((&user["tags"]["telegram:id"], &user["name"]), (&json!("77"), &json!("Ada")));
    let told = &body["message"];
    assert_eq!((&told["type"], &told["direction"]), (&json!("text"), &json!("incoming")));
    assert_eq!(told["payload"], json!({"text": "Where is my tea?"}));
    assert_eq!((&told["userId"], &told["conversationId"]), (&user["id"], &conversation["id"]));
    assert_eq!(told["tags"]["telegram:id"], message["message_id"].to_string());
    for object in [conversation, user, told] {
        assert!(object["id"].as_str().is_some_and(|id| !id.is_empty()), "{object}");
        assert!(object["createdAt"].as_str().unwrap().ends_with('Z'), "{object}");
        assert!(object["updatedAt"].as_str().unwrap().ends_with('Z'), "{object}");
    }
    assert_eq!(event.headers["content-type"], "application/json");
    assert!(event.headers.contains_key("webhook-timestamp"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_the_provider_is_answered_like_the_first_and_makes_no_second_event() {
    let scene = Scene::echo().await;
    let providers = &scene.providers;
    let whatsapp = providers.whatsapp.inbound_text("491701234567", "once").request;
    let requests = [
        ("slack", scene.slack_text(SLACK_DM, "once")),
        ("telegram", scene.telegram_message(77, json!({"text": "once"}))),
        ("whatsapp", whatsapp),
        ("hook", scene.app_message("ticket-5", "once")),
    ];
    for (installation, request) in &requests {
        let first = scene.accepted(installation, request).await;
        for _ in 0..3 {
            let again = scene.accepted(installation, request).await;
            assert_eq!((again.status, again.text()), (first.status, first.text()), "{installation}");
        }
    }
    scene.nth_event(4).await;
    // One more event behind them: what would have come twice would have come before it.
    scene.accepted("hook", &scene.app_message("ticket-5", "last")).await;
    scene.nth_sent(&providers.app, 2).await;
    assert_eq!(scene.core.received().len(), 5);
    let journal = scene.admin_get("/events?kind=connector").await;
    let inbound = journal["items"].as_array().unwrap().iter().filter(|item| item["direction"] == "inbound");
    assert_eq!(inbound.count(), 5, "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_replies_of_the_core_are_sent_in_their_order() {
    let scene = Scene::new("", |_| {
        portico_tests::sim::core::CoreAnswer::messages([
            ("text", json!({"text": "one"})),
            ("markdown", json!({"markdown": "**two**"})),
            ("choice", json!({"text": "three", "options": [{"label": "Yes", "value": "yes"}]})),
        ])
    })
    .await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "go")).await;
    let sent = scene.within(scene.providers.slack.wait_for(3, crate::scene::SOON)).await;
    let texts: Vec<_> = sent.iter().map(|one| one.body["text"].as_str().unwrap_or_default()).collect();
    assert_eq!((texts[0], texts[1]), ("one", "*two*"));
    let blocks = sent[2].body["blocks"].to_string();
    assert!(blocks.contains("three") && blocks.contains("\"yes\""), "{blocks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_are_answered_and_prove_their_sender() {
    let scene = Scene::silent().await;
    let secret = &scene.providers.slack.options().signing_secret;
    let challenge = json!({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"});
    let reply = scene.accepted("slack", &sign::slack_event(secret, &challenge)).await;
    assert_eq!(reply.text(), challenge["challenge"].as_str().unwrap());
    let unsigned = sign::slack_event("another secret", &challenge);
    assert_eq!(scene.hook("slack", &unsigned).await.status, 401);

    let base = scene.gateway.webhook("whatsapp");
    let ask =
        async |query: &str| portico_tests::sim::client::get(&format!("{base}?{query}"), &[]).await.unwrap();
    let token = crate::scene::VERIFY_TOKEN;
    let right = ask(&format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}")).await;
    assert_eq!((right.status, right.text().as_str()), (200, "1158201444"));
    let wrong = ask("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=guess").await;
    assert_eq!(wrong.status, 403);
    assert!(!wrong.text().contains("1158201444"));
    let incomplete = ask(&format!("hub.mode=subscribe&hub.verify_token={token}")).await;
    assert_eq!(incomplete.status, 400);
}
