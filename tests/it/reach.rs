//! What a bot does besides answering: says something by itself, changes it, takes it back, reacts, shows that it
//! types; and what a connector makes of media, places and lists.

use http::Method;
use portico_tests::sim::core::CoreAnswer;
use serde_json::{Value, json};

use crate::files::{Files, PNG};
use crate::scene::{SLACK_DM, SOON, Scene};

async fn act(scene: &Scene, name: &str, input: Value) -> Value {
    let reply = scene.api(Method::POST, "/actions", Some(&json!({"type": name, "input": input}))).await;
    assert!(reply.is_success(), "{name}: {} {}\n{}", reply.status, reply.text(), scene.log_tail());
    reply.json()["output"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_changed_and_taken_back_where_it_was_sent() {
    let scene = Scene::silent().await;
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "hello"}))).await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    scene.nth_event(2).await;
    let telegram = &scene.providers.telegram;
    let slack = &scene.providers.slack;
    for event in scene.core.events() {
        let is_telegram = event.body["installation"] == "telegram";
        let said = scene.say(event.conversation(), "text", json!({"text": "helo"})).await;
        let path = format!("/messages/{}", said["id"].as_str().unwrap());
        if is_telegram {
            scene.nth_sent(telegram, 1).await
        } else {
            scene.nth_sent(slack, 1).await
        };
        let change = json!({"payload": {"text": "hello"}, "tags": {"mine": "kept"}});
        let reply = scene.api(Method::PUT, &path, Some(&change)).await;
        assert!(reply.is_success(), "{}", reply.text());
        let (edit, delete) =
            if is_telegram { ("editMessageText", "deleteMessage") } else { ("chat.update", "chat.delete") };
        let provider: &portico_tests::sim::provider::Provider = if is_telegram { telegram } else { slack };
        scene.within(provider.wait_until(edit, SOON, |sim| !sim.accepted_of(edit).is_empty())).await;
        assert_eq!(provider.accepted_of(edit)[0].body["text"], "hello");
        let read = scene.api(Method::GET, &path, None).await.json()["message"].clone();
        assert_eq!((&read["payload"]["text"], &read["tags"]["mine"]), (&json!("hello"), &json!("kept")));
        assert!(scene.api(Method::DELETE, &path, None).await.is_success());
        scene.within(provider.wait_until(delete, SOON, |sim| !sim.accepted_of(delete).is_empty())).await;
        assert_eq!(scene.api(Method::GET, &path, None).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_reading_and_reactions_are_shown_at_the_provider() {
    let scene = Scene::silent().await;
    let whatsapp = &scene.providers.whatsapp;
    let telegram = &scene.providers.telegram;
    let slack = &scene.providers.slack;
    scene.accepted("whatsapp", &whatsapp.inbound_text("491701234567", "hello").request).await;
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "hello"}))).await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    scene.nth_event(3).await;
    for event in scene.core.events() {
        let alias = event.body["installation"].as_str().unwrap();
        let message = event.body["message"]["id"].clone();
        let input = json!({"conversationId": event.conversation(), "messageId": message});
        act(&scene, &format!("{alias}:startTypingIndicator"), input.clone()).await;
        let mut reaction = input.clone();
        reaction["reaction"] = json!("👍");
        act(&scene, &format!("{alias}:addReaction"), reaction.clone()).await;
        act(&scene, &format!("{alias}:removeReaction"), reaction).await;
        if alias == "whatsapp" {
            act(&scene, "whatsapp:markAsRead", input).await;
        }
    }
    assert_eq!(telegram.accepted_of("sendChatAction")[0].to, "77");
    assert_eq!(telegram.accepted_of("setMessageReaction").len(), 2);
    assert_eq!(
        (slack.accepted_of("reactions.add").len(), slack.accepted_of("reactions.remove").len()),
        (1, 1)
    );
    assert_eq!((whatsapp.accepted_of("typing").len(), whatsapp.accepted_of("read").len()), (1, 1));
    assert_eq!(whatsapp.accepted_of("reaction").len(), 2);
    // None of it is a message to a person.
    assert!(telegram.messages().is_empty() && slack.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_content_kind_is_taken_by_every_provider() {
    let files = Files::start().await;
    let (png, ogg) =
        (files.put("a.png", "image/png", PNG), files.put("a.mp3", "audio/mpeg", "ID3 of the tests"));
    let (mp4, pdf) = (
        files.put("a.mp4", "video/mp4", "ftyp of the tests"),
        files.put("a.pdf", "application/pdf", "%PDF-1.4"),
    );
    let card = json!({"title": "Tea", "subtitle": "hot", "actions": [{"action": "say", "label": "Mine", "value": "mine"}]});
    let options = json!([{"label": "One", "value": "1"}, {"label": "Two", "value": "2"}]);
    let kinds = [
        ("text", json!({"text": "plain"})),
        ("markdown", json!({"markdown": "**bold** and [a link](https://example.com)"})),
        ("image", json!({"imageUrl": png})),
        ("audio", json!({"audioUrl": ogg})),
        ("video", json!({"videoUrl": mp4})),
        ("file", json!({"fileUrl": pdf, "title": "a.pdf"})),
        ("location", json!({"latitude": 53.55, "longitude": 9.99, "title": "Harbour", "address": "Pier 1"})),
        ("card", card.clone()),
        ("carousel", json!({"items": [card.clone(), card]})),
        ("choice", json!({"text": "Which?", "options": options})),
        ("dropdown", json!({"text": "Which?", "options": options})),
        (
            "bloc",
            json!({"items": [{"type": "text", "payload": {"text": "first"}}, {"type": "image", "payload": {"imageUrl": png}}]}),
        ),
    ];
    let said = kinds.clone();
    let scene = Scene::new("", move |event| match event.kind() {
        "message_created" => CoreAnswer::messages(said.clone()),
        _ => CoreAnswer::done(),
    })
    .await;
    let providers = &scene.providers;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "all")).await;
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "all"}))).await;
    scene.accepted("whatsapp", &providers.whatsapp.inbound_text("491701234567", "all").request).await;
    scene.accepted("hook", &scene.app_message("t", "all")).await;
    // Some kinds are more than one message at some providers, none is less.
    let count = kinds.len();
    for (provider, installation) in [
        (&*providers.slack, "slack"),
        (&*providers.telegram, "telegram"),
        (&*providers.whatsapp, "whatsapp"),
        (&*providers.app, "hook"),
    ] {
        let event = scene.core.events().into_iter().find(|event| event.body["installation"] == installation);
        let path =
            format!("/bots/support/conversations/{}/messages?limit=100", event.unwrap().conversation());
        let all_sent = async || {
            let told = scene.admin_get(&path).await;
            let ways: Vec<String> = told["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|one| one["delivery"]["status"].as_str().map(str::to_owned))
                .collect();
            let failed: Vec<_> = told["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|one| one["delivery"]["status"] == "failed")
                .collect();
            assert!(failed.is_empty(), "{installation}: {failed:?}\n{}", provider.summary());
            (ways.len() == count && ways.iter().all(|way| way == "sent")).then_some(())
        };
        scene.until(&format!("{count} messages to be sent to {installation}"), all_sent).await;
        assert!(provider.messages().len() >= count, "{}", provider.summary());
    }
    // Files came whole, wherever they had to be uploaded.
    let uploaded = providers.slack.accepted_of("files.completeUploadExternal");
    assert!(uploaded.iter().any(|sent| sent.files[0].bytes == "%PDF-1.4"), "{uploaded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_opens_a_conversation_by_its_identity_and_speaks_first() {
    let scene = Scene::silent().await;
    let body = json!({"channel": "dm", "integrationName": "slack", "tags": {"slack:id": SLACK_DM}});
    let reply = scene.api(Method::POST, "/conversations/get-or-create", Some(&body)).await;
    assert!(reply.is_success(), "{}", reply.text());
    let conversation = reply.json()["conversation"]["id"].as_str().unwrap().to_owned();
    scene.say(&conversation, "text", json!({"text": "good morning"})).await;
    assert_eq!(scene.nth_sent(&scene.providers.slack, 1).await.to, SLACK_DM);
    // The person's answer comes in the same conversation.
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "good morning")).await;
    assert_eq!(scene.nth_event(1).await.conversation(), conversation);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_says_it_once() {
    let scene = Scene::silent().await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    let conversation = scene.nth_event(1).await.conversation().to_owned();
    let url = format!("{}/v1/chat/messages", scene.gateway.spec.public());
    let headers = vec![
        ("authorization".to_owned(), format!("Bearer {}", crate::scene::BOT_TOKEN)),
        ("content-type".to_owned(), "application/json".to_owned()),
        ("idempotency-key".to_owned(), "order-17".to_owned()),
    ];
    let body = |text: &str| json!({"conversationId": conversation, "userId": "support", "type": "text", "payload": {"text": text}, "tags": {}});
    let send = async |text: &str| {
        portico_tests::sim::client::send(Method::POST, &url, &headers, body(text).to_string().into())
            .await
            .unwrap()
    };
    let first = send("once").await;
    let again = send("once").await;
    assert!(first.is_success() && again.is_success(), "{} {}", first.text(), again.text());
    assert_eq!(first.json()["message"]["id"], again.json()["message"]["id"]);
    let other = send("something else").await;
    assert_eq!(
        (other.status, other.json()["type"].clone()),
        (409, json!("AlreadyExists")),
        "{}",
        other.text()
    );
    scene.say(&conversation, "text", json!({"text": "last"})).await;
    let texts: Vec<_> = scene
        .within(scene.providers.slack.wait_for(2, SOON))
        .await
        .iter()
        .map(|one| one.body["text"].clone())
        .collect();
    assert_eq!(texts, [json!("once"), json!("last")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_for_machines_are_there() {
    let scene = Scene::silent().await;
    let public = scene.gateway.spec.public();
    for path in ["/healthz", "/readyz", "/health/live", "/health/ready"] {
        let reply = portico_tests::sim::client::get(&format!("{public}{path}"), &[]).await.unwrap();
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{path}");
    }
    // Browsers ask every host for one, and need not ask again.
    let icon = portico_tests::sim::client::get(&format!("{public}/favicon.ico"), &[]).await.unwrap();
    assert_eq!((icon.status, icon.header("cache-control")), (204, "public, max-age=604800"));
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    scene.nth_event(1).await;
    let metrics = portico_tests::sim::client::get(&format!("{public}/metrics"), &[]).await.unwrap();
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    assert!(
        text.contains("# TYPE portico_events_total counter")
            || text.contains("# TYPE portico_events counter"),
        "{text}"
    );
    assert!(text.lines().any(|line| line == "portico_events_total{outcome=\"new\"} 1"), "{text}");
    let url = format!("{}/health/promises", scene.gateway.spec.admin());
    let promises = portico_tests::sim::client::get(&url, &[]).await.unwrap();
    assert_eq!(promises.json()["acknowledgedMeansKept"], "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_is_switched_off_is_not_there_and_an_insecure_one_takes_anybody() {
    let more = "[installations.off]\nbot = \"support\"\nconnector = \"webhook\"\nalias = \"off\"\nenabled = false\n\
                [installations.off.config]\nsecret = \"off-secret-0123456789\"\n\
                [installations.open]\nbot = \"support\"\nconnector = \"webhook\"\nalias = \"open\"\ninsecure = true\n";
    let scene = Scene::new(more, |_| CoreAnswer::done()).await;
    let post = |secret: &str| portico_tests::sim::sign::webhook(secret, "application/json", r#"{"n":1}"#);
    assert_eq!(scene.hook("off", &post("off-secret-0123456789")).await.status, 404);
    assert_eq!(scene.hook("open", &post("whatever")).await.status, 200);
    assert_eq!(scene.nth_event(1).await.kind(), "open:event");
}
