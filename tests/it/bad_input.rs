//! Bad input at the webhooks and the runtime API: what is refused, how, and what is kept all the same.

use http::Method;
use portico_tests::sim::client;
use portico_tests::sim::core::CoreAnswer;
use portico_tests::sim::sign::{self, now};
use serde_json::{Value, json};

use crate::scene::{BOT_TOKEN, SLACK_DM, Scene, call};

const MANY_FAILURES: &str = "[limits.webhook]\nfailures = \"100000/min\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_prove_its_sender_is_401_and_leaves_nothing_behind() {
    let scene = Scene::new(MANY_FAILURES, |_| CoreAnswer::done()).await;
    let slack = &scene.providers.slack.options().signing_secret;
    let event = scene.slack_text(SLACK_DM, "forged");
    let whatsapp = scene.providers.whatsapp.inbound_text("491701234567", "forged").request;
    let telegram = scene.telegram_message(77, json!({"text": "forged"}));
    let secret = scene.providers.app.secret();
    let body = r#"{"a":1}"#;
    for (installation, what, request) in [
        ("slack", "unsigned", event.clone().without_header("x-slack-signature")),
        ("slack", "tampered", event.clone().tampered()),
        ("slack", "stale", sign::slack_at(slack, now() - 301 - 5, "application/json", event.body.clone())),
        (
            "slack",
            "of the future",
            sign::slack_at(slack, now() + 301 + 5, "application/json", event.body.clone()),
        ),
        ("slack", "empty signature", event.with_header("x-slack-signature", "")),
        ("whatsapp", "unsigned", whatsapp.clone().without_header("x-hub-signature-256")),
        ("whatsapp", "tampered", whatsapp.clone().tampered()),
        ("whatsapp", "of another app", sign::whatsapp("another", whatsapp.body)),
        ("telegram", "without secret", telegram.clone().without_header("x-telegram-bot-api-secret-token")),
        (
            "telegram",
            "with another secret",
            telegram.with_header("x-telegram-bot-api-secret-token", "another"),
        ),
        (
            "hook",
            "without secret",
            sign::webhook(secret, "application/json", body).without_header("x-bp-secret"),
        ),
        ("hook", "with another secret", sign::webhook("another", "application/json", body)),
        ("hook", "stale", sign::webhook_signed_at(secret, now() - 310, "application/json", body)),
        ("hook", "tampered", sign::webhook_signed(secret, "application/json", body).tampered()),
    ] {
        let reply = scene.hook(installation, &request).await;
        assert_eq!((reply.status, reply.body.len()), (401, 0), "{installation} {what}: {}", reply.text());
    }
    let journal = scene.admin_get("/events").await;
    assert_eq!(journal["items"], json!([]));
    let bots = scene.admin_get("/bots/support/conversations").await;
    assert_eq!(bots["items"], json!([]));
    assert!(scene.core.received().is_empty());
    let metrics = client::get(&format!("{}/metrics", scene.gateway.spec.public()), &[]).await.unwrap().text();
    let refused: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("portico_refusals_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(refused, 14, "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_the_cap_is_413_and_nothing_is_stored() {
    let scene = Scene::silent().await;
    let secret = scene.providers.app.secret();
    let just = format!("\"{}\"", "x".repeat(200 * 1024));
    let below = sign::webhook(secret, "text/plain", "y".repeat(1024 * 1024 - 1));
    let above = sign::webhook(secret, "text/plain", "y".repeat(1024 * 1024 + 1));
    assert_eq!(scene.hook("hook", &sign::webhook(secret, "application/json", just)).await.status, 200);
    let reply = scene.hook("hook", &above).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert_eq!((&reply.json()["type"], &reply.json()["code"]), (&json!("PayloadTooLarge"), &json!(413)));
    assert!(reply.json()["message"].as_str().unwrap().contains("1048576"), "{}", reply.text());
    assert_eq!(scene.hook("hook", &below).await.status, 200);
    scene.nth_event(2).await;
    let journal = scene.admin_get("/events").await;
    assert_eq!(journal["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_installation_is_404_with_the_one_error_shape_whatever_comes_with_it() {
    let scene = Scene::new(MANY_FAILURES, |_| CoreAnswer::done()).await;
    let request = scene.slack_text(SLACK_DM, "to nobody");
    let mut shapes = Vec::new();
    for id in ["nobody", "slac", "slackk", "Slack", "..%2fslack", "slack%00", "a".repeat(300).as_str()] {
        let reply = scene.hook(id, &request).await;
        assert_eq!(reply.status, 404, "{id}: {}", reply.text());
        let mut body = reply.json();
        body["id"] = Value::Null;
        shapes.push(body);
    }
    assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "{shapes:?}");
    assert_eq!(
        shapes[0],
        json!({"id": null, "code": 404, "type": "ResourceNotFound", "message": "there is nothing at this address"})
    );
    let get = client::get(&scene.gateway.webhook("nobody"), &[]).await.unwrap();
    assert_eq!(get.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_after_a_good_signature_is_kept_raw_shown_and_can_be_replayed() {
    let scene = Scene::silent().await;
    let broken = r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"message","text":"cut o"#;
    let slack = &scene.providers.slack.options().signing_secret;
    let requests = [
        ("slack", sign::slack_at(slack, now(), "application/json", broken)),
        ("telegram", sign::telegram(crate::scene::TELEGRAM_SECRET, &json!(null)).with_header("x-a", 1)),
        ("whatsapp", sign::whatsapp(&scene.providers.whatsapp.options().app_secret, "\u{feff}{no json")),
    ];
    for (installation, request) in &requests {
        let reply = scene.accepted(installation, request).await;
        assert_eq!(reply.status, 200, "{installation}");
    }
    let unread = scene.admin_get("/events?kind=unread").await;
    let items = unread["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{unread}");
    for item in items {
        let id = item["id"].as_str().unwrap();
        let of = item["installation"].as_str().unwrap();
        let (_, request) = requests.iter().find(|(installation, _)| *installation == of).unwrap();
        let raw = scene.admin(Method::GET, &format!("/events/{id}/raw"), None).await;
        assert_eq!((raw.status, &raw.body), (200, &request.body), "{of}");
        assert!(raw.header("content-disposition").starts_with("attachment"), "{:?}", raw.headers);
        let shown = scene.admin_get(&format!("/events/{id}")).await;
        assert_eq!((&shown["kind"], &shown["hasRaw"]), (&json!("unread"), &json!(true)));
        // It stays what it is: reading it again says why it is not understood.
        let replay = scene.admin(Method::POST, &format!("/events/{id}/replay"), None).await;
        assert_eq!(replay.status, 400, "{}", replay.text());
        assert!(replay.json()["message"].as_str().unwrap().contains("not understood"), "{}", replay.text());
    }
    // What follows in the same installation is not held up.
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "after it")).await;
    let there = |core: &portico_tests::sim::core::Ledger| {
        core.events().iter().any(|event| event.text() == "after it")
    };
    scene.within(scene.core.wait_until("the next message", crate::scene::SOON, there)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_too_often_is_turned_away_for_a_while() {
    let more = "[limits.webhook]\nfailures = \"5/min\"\nfailure_pause = \"2s\"\n";
    let scene = Scene::new(more, |_| CoreAnswer::done()).await;
    let forged = sign::slack_at("another", now(), "application/json", "{}");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(scene.hook("slack", &forged).await.status);
    }
    assert_eq!(statuses[..5], [401; 5], "{statuses:?}");
    assert_eq!(statuses[11], 429, "{statuses:?}");
    // The genuine sender behind the same address waits, too, and is told how long.
    let genuine = scene.slack_text(SLACK_DM, "genuine");
    let reply = scene.hook("slack", &genuine).await;
    assert_eq!(reply.status, 429);
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    assert_eq!(reply.json()["type"], "RateLimited");
    scene
        .until("the pause to end", async || (scene.hook("slack", &genuine).await.status == 200).then_some(()))
        .await;
    assert_eq!(scene.nth_event(1).await.text(), "genuine");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installations_rate_is_429_with_the_time_to_wait() {
    let scene = Scene::new("[limits.webhook]\nrate = \"1/s burst 3\"\n", |_| CoreAnswer::done()).await;
    let mut replies = Vec::new();
    for number in 0..6 {
        replies.push(scene.hook("slack", &scene.slack_text(SLACK_DM, &format!("n {number}"))).await);
    }
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(
        !refused.is_empty() && replies[0].status == 200,
        "{:?}",
        replies.iter().map(|r| r.status).collect::<Vec<_>>()
    );
    assert!(
        refused.iter().all(|reply| reply.header("retry-after").parse::<u64>().is_ok_and(|wait| wait >= 1))
    );
    // Another installation is not held up.
    assert_eq!(
        scene.hook("telegram", &scene.telegram_message(77, json!({"text": "free"}))).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_api_body_is_400_and_names_the_field_and_the_kind_of_value() {
    let scene = Scene::silent().await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    let conversation = scene.nth_event(1).await.conversation().to_owned();
    let good = json!({"conversationId": conversation, "userId": "support", "type": "text", "payload": {"text": "x"}, "tags": {}});
    let change = |field: &str, value: Value| {
        let mut body = good.clone();
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(field)),
            value => body[field] = value,
        }
        body
    };
    for (body, field) in [
        (change("conversationId", json!(5)), "conversationId"),
        (change("conversationId", Value::Null), "conversationId"),
        (change("payload", json!("text")), "payload"),
        (change("payload", json!({"text": 7})), "payload.text"),
        (change("payload", json!({})), "payload.text"),
        (change("tags", json!({"a": {"b": 1}})), "tags"),
        (change("type", json!([])), "type"),
        (change("userId", Value::Null), "userId"),
    ] {
        let reply = scene.api(Method::POST, "/messages", Some(&body)).await;
        assert_eq!(reply.status, 400, "{field}: {}", reply.text());
        let told = reply.json();
        assert_eq!(told["code"], 400);
        assert!(told["id"].as_str().unwrap().starts_with("err_"));
        assert!(told["message"].as_str().unwrap().contains(field), "{field}: {told}");
    }
    let url = format!("{}/v1/chat/messages", scene.gateway.spec.public());
    let headers = vec![
        ("authorization".to_owned(), format!("Bearer {BOT_TOKEN}")),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    for body in ["", "{", "[]", "null", "\"x\"", "{\"conversationId\":\"a\",}", &"[".repeat(100)] {
        let reply = client::send(Method::POST, &url, &headers, body.to_owned().into()).await.unwrap();
        assert_eq!(
            (reply.status, reply.json()["code"].as_u64()),
            (400, Some(400)),
            "{body}: {}",
            reply.text()
        );
    }
    let huge = json!({"conversationId": conversation, "userId": "support", "type": "text", "payload": {"text": "x".repeat(1_100_000)}, "tags": {}});
    assert_eq!(scene.api(Method::POST, "/messages", Some(&huge)).await.status, 413);
    assert_eq!(call(Method::POST, &url, "another-token", Some(&good)).await.status, 401);
    assert_eq!(client::post_json(&url, &[], &good).await.unwrap().status, 401);
    assert!(scene.providers.slack.messages().is_empty());
    assert!(scene.api(Method::POST, "/messages", Some(&good)).await.is_success());
    scene.nth_sent(&scene.providers.slack, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unknown_path_answers_in_the_one_error_shape() {
    let scene = Scene::silent().await;
    for path in [
        "/",
        "/nothing",
        "/v1",
        "/v1/chat",
        "/v1/chat/nothing",
        "/webhooks",
        "/webhooks/",
        "/files/x",
        "/media/slack/x",
    ] {
        let url = format!("{}{path}", scene.gateway.spec.public());
        let reply = call(Method::GET, &url, BOT_TOKEN, None).await;
        assert!((400..=405).contains(&reply.status), "{path}: {}", reply.status);
        let body = reply.json();
        assert!(body["id"].as_str().is_some_and(|id| id.starts_with("err_")), "{path}: {}", reply.text());
        assert!(body["type"].is_string() && body["message"].is_string(), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_may_have_a_cap_of_its_own() {
    let more = "[installations.small]\nbot = \"support\"\nconnector = \"webhook\"\nalias = \"small\"\nmax_body = \"2KiB\"\n\
                [installations.small.config]\nsecret = \"small-secret-0123456789\"\n";
    let scene = Scene::new(more, |_| CoreAnswer::done()).await;
    let post = |bytes: usize| sign::webhook("small-secret-0123456789", "text/plain", "x".repeat(bytes));
    assert_eq!(scene.hook("small", &post(2048)).await.status, 200);
    assert_eq!(scene.hook("small", &post(2049)).await.status, 413);
    let secret = scene.providers.app.secret();
    assert_eq!(scene.hook("hook", &sign::webhook(secret, "text/plain", "x".repeat(2049))).await.status, 200);
    scene.nth_event(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_is_429_and_takes_messages_again_once_they_are_sent() {
    let scene = Scene::new("[limits.lane]\noutbox = 3\n", |_| CoreAnswer::done()).await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    let conversation = scene.nth_event(1).await.conversation().to_owned();
    scene.providers.slack.break_token(Some("token_revoked"));
    let say = async |text: &str| {
        let body = json!({
            "conversationId": conversation, "userId": "support", "type": "text", "payload": {"text": text}, "tags": {},
        });
        scene.api(Method::POST, "/messages", Some(&body)).await
    };
    for text in ["n 1", "n 2", "n 3"] {
        assert!(say(text).await.is_success());
    }
    let refused = say("n 4").await;
    assert_eq!(
        (refused.status, refused.json()["type"].clone()),
        (429, json!("RateLimited")),
        "{}",
        refused.text()
    );
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|wait| wait >= 1));
    scene.providers.slack.break_token(None);
    assert_eq!(scene.admin(Method::POST, "/installations/slack/resume", None).await.status, 200);
    scene.within(scene.providers.slack.wait_for(3, crate::scene::SOON)).await;
    scene.until("room in the outbox", async || say("n 5").await.is_success().then_some(())).await;
    let sent = scene.within(scene.providers.slack.wait_for(4, crate::scene::SOON)).await;
    let texts: Vec<_> = sent.iter().map(|one| one.body["text"].clone()).collect();
    assert_eq!(texts, [json!("n 1"), json!("n 2"), json!("n 3"), json!("n 5")]);
}
