//! The operator's API: every route, who may call, lists, replay, dead letters, export.

use http::Method;
use portico_tests::sim::client;
use portico_tests::sim::core::CoreAnswer;
use serde_json::{Value, json};

use crate::scene::{SLACK_DM, SOON, Scene, call};

#[tokio::test(flavor = "multi_thread")]
async fn every_route_wants_the_token_and_wrong_ones_are_limited() {
    let scene = Scene::silent().await;
    let base = format!("{}/admin/v1", scene.gateway.spec.admin());
    for (method, path) in [
        (Method::GET, "/bots"),
        (Method::POST, "/bots/support/resume"),
        (Method::GET, "/installations"),
        (Method::GET, "/installations/slack"),
        (Method::POST, "/installations/slack/register"),
        (Method::POST, "/installations/slack/resume"),
        (Method::GET, "/events"),
        (Method::GET, "/events/x"),
        (Method::GET, "/events/x/raw"),
        (Method::POST, "/events/x/replay"),
        (Method::POST, "/replay"),
        (Method::GET, "/dead-letters"),
        (Method::POST, "/dead-letters/x/retry"),
        (Method::DELETE, "/dead-letters/x"),
        (Method::GET, "/bots/support/conversations"),
        (Method::GET, "/bots/support/conversations/x"),
        (Method::GET, "/bots/support/conversations/x/messages"),
        (Method::POST, "/bots/support/conversations/x/release"),
        (Method::GET, "/bots/support/export"),
        (Method::POST, "/reload"),
        (Method::GET, "/stats"),
        (Method::GET, "/promises"),
    ] {
        // After a few wrong ones they are only told to wait: neither lets anything through.
        let none = client::send(method.clone(), &format!("{base}{path}"), &[], "".into()).await.unwrap();
        let wrong = call(method.clone(), &format!("{base}{path}"), "ptc_wrong", None).await;
        for reply in [none, wrong] {
            assert!([401, 429].contains(&reply.status), "{method} {path}: {}", reply.status);
            assert!(reply.json()["type"].is_string());
        }
    }
    let limited = call(Method::GET, &format!("{base}/stats"), "ptc_wrong", None).await;
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").parse::<u64>().is_ok());
    // The right token still works, and the bot's own is none.
    assert_eq!(scene.admin(Method::GET, "/stats", None).await.status, 200);
    assert_ne!(call(Method::GET, &format!("{base}/stats"), crate::scene::BOT_TOKEN, None).await.status, 200);
    // The public listener does not have it.
    let token = scene.gateway.admin_token().unwrap();
    let public =
        call(Method::GET, &format!("{}/admin/v1/stats", scene.gateway.spec.public()), &token, None).await;
    assert_eq!(public.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_up_is_shown_without_its_secrets() {
    let scene = Scene::silent().await;
    let list = scene.admin_get("/installations").await;
    let ids: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["hook", "slack", "telegram", "whatsapp"]);
    let secrets: [&str; 6] = [
        &scene.providers.slack.options().bot_token,
        &scene.providers.slack.options().signing_secret,
        &scene.providers.telegram.options().token,
        &scene.providers.whatsapp.options().access_token,
        &scene.providers.whatsapp.options().app_secret,
        scene.providers.app.secret(),
    ];
    for id in ids {
        let one = scene.admin_get(&format!("/installations/{id}")).await;
        assert_eq!(one["webhookUrl"], scene.gateway.webhook(id));
        assert_eq!(one["bot"], "support");
        let text = one.to_string();
        assert!(secrets.iter().all(|secret| !text.contains(*secret)), "{text}");
    }
    assert_eq!(scene.admin(Method::GET, "/installations/nobody", None).await.status, 404);
    let bots = scene.admin_get("/bots").await;
    assert_eq!(bots["items"][0]["id"], "support");
    assert_eq!(bots["items"][0]["dispatch"]["core"], "http");
    assert_eq!(bots["items"][0]["dispatch"]["breaker"]["state"], "closed");
    let stats = scene.admin_get("/stats").await;
    assert!(stats["freeBytes"].as_u64().is_some_and(|bytes| bytes > 0), "{stats}");
    let promises = scene.admin_get("/promises").await;
    assert_eq!(promises["acknowledgedMeansKept"], "held", "{promises}");
    assert!(promises["durability"].as_str().unwrap().contains("synced"), "{promises}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_newest_first_and_filtered() {
    let scene = Scene::silent().await;
    for number in 0..7 {
        scene.accepted("slack", &scene.slack_text(SLACK_DM, &format!("n {number}"))).await;
    }
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "other"}))).await;
    scene.nth_event(8).await;
    // The core knows an event a moment before it is settled.
    let settled = async || {
        let done = scene.admin_get("/events?outcome=done").await;
        (done["items"].as_array().map(Vec::len) == Some(8)).then_some(())
    };
    scene.until("all events to be done", settled).await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = scene.admin_get(&format!("/events?installation=slack&limit=3{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let newest_first: Vec<String> = scene
        .core
        .events()
        .iter()
        .rev()
        .filter(|event| event.body["installation"] == "slack")
        .map(|event| event.id.clone())
        .collect();
    assert_eq!(seen, newest_first);
    for (query, count) in [
        ("bot=support", 8),
        ("bot=nobody", 0),
        ("installation=telegram", 1),
        ("outcome=done", 8),
        ("outcome=dead", 0),
        ("kind=unread", 0),
        ("since=99999999999999", 0),
        ("until=1", 0),
    ] {
        let told = scene.admin_get(&format!("/events?limit=500&{query}")).await;
        assert_eq!(told["items"].as_array().unwrap().len(), count, "{query}: {told}");
    }
    for query in ["kind=nothing", "limit=many", "cursor=!!", "colour=red", "conversation=x"] {
        let reply = scene.admin(Method::GET, &format!("/events?{query}"), None).await;
        assert_eq!(reply.status, 400, "{query}: {}", reply.text());
        let name = query.split('=').next().unwrap();
        let message = reply.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(name), "{query}: {}", reply.text());
    }
    let shown = scene.admin_get(&format!("/events/{}", seen[0])).await;
    // Only what did not succeed at once leaves attempts behind.
    assert_eq!((&shown["outcome"], &shown["attempts"]), (&json!("done"), &json!([])), "{shown}");
    assert_eq!(shown["body"]["content"]["payload"]["text"], "n 6");
    assert_eq!(scene.admin(Method::GET, "/events/evt_01h455vb4pex5vsknk084sn02q", None).await.status, 404);
    assert_eq!(scene.admin(Method::GET, "/events/none", None).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_and_messages_are_shown_with_their_way() {
    let scene = Scene::echo().await;
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "hello"}))).await;
    scene.nth_sent(&scene.providers.telegram, 1).await;
    let conversations = scene.admin_get("/bots/support/conversations").await;
    let id = conversations["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = scene.admin_get(&format!("/bots/support/conversations/{id}")).await;
    assert_eq!(
        (&shown["installation"], &shown["tags"]["telegram:chatId"]),
        (&json!("telegram"), &json!("77"))
    );
    let settled = async || {
        let shown = scene.admin_get(&format!("/bots/support/conversations/{id}")).await;
        (shown["mailbox"]["waiting"] == 0 && shown["outbox"]["waiting"] == 0).then_some(())
    };
    scene.until("both lanes to be empty", settled).await;
    let messages = scene.admin_get(&format!("/bots/support/conversations/{id}/messages")).await;
    let items = messages["items"].as_array().unwrap();
    let directions: Vec<_> = items.iter().map(|one| one["direction"].as_str().unwrap()).collect();
    assert_eq!(directions, ["outgoing", "incoming"]);
    assert_eq!((&items[0]["delivery"]["status"], &items[1]["delivery"]), (&json!("sent"), &Value::Null));
    assert_eq!(
        scene.admin(Method::POST, &format!("/bots/support/conversations/{id}/release"), None).await.status,
        200
    );
    assert_eq!(scene.admin(Method::GET, &format!("/bots/nobody/conversations/{id}"), None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_event_comes_again_under_its_own_id() {
    let scene = Scene::silent().await;
    for text in ["one", "two"] {
        scene.accepted("slack", &scene.slack_text(SLACK_DM, text)).await;
    }
    scene.nth_event(2).await;
    let first = scene.core.events()[0].clone();
    assert_eq!(scene.admin(Method::POST, &format!("/events/{}/replay", first.id), None).await.status, 200);
    scene.within(scene.core.wait_until("the replay", SOON, |core| core.received().len() == 3)).await;
    assert_eq!(scene.core.received()[2].event.id, first.id);
    assert_eq!(scene.core.received()[2].event.body["message"]["id"], first.body["message"]["id"]);
    // What is still under way is not put into its conversation a second time.
    let path = format!("/bots/support/conversations/{}", first.conversation());
    let settled = async || (scene.admin_get(&path).await["mailbox"]["waiting"] == 0).then_some(());
    scene.until("the mailbox to be empty", settled).await;
    let all = scene.admin(Method::POST, "/replay", Some(&json!({"installation": "slack"}))).await;
    assert_eq!((all.status, &all.json()["failed"]), (200, &json!(0)), "{}", all.text());
    assert!(all.json()["replayed"].as_u64().unwrap() >= 2, "{}", all.text());
    scene.within(scene.core.wait_until("all again", SOON, |core| core.received().len() >= 5)).await;
    let ids: Vec<_> = scene.core.events().iter().map(|event| event.id.clone()).collect();
    assert_eq!(ids.len(), 2, "no new event came of it");
    let nothing = scene.admin(Method::POST, "/replay", Some(&json!({}))).await;
    assert_eq!(nothing.status, 400);
    let wrong = scene.admin(Method::POST, "/replay", Some(&json!({"bott": "support"}))).await;
    assert_eq!(
        (wrong.status, wrong.json()["type"].clone()),
        (400, json!("InvalidPayload")),
        "{}",
        wrong.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_retried_and_dropped() {
    let scene = Scene::new("", |event| match (event.text(), event.attempt) {
        ("poison", 1) | ("waste", _) => CoreAnswer::status(422),
        _ => CoreAnswer::done(),
    })
    .await;
    for text in ["poison", "waste", "fine"] {
        scene.accepted("slack", &scene.slack_text(SLACK_DM, text)).await;
    }
    scene.nth_event(1).await;
    let dead = scene.admin_get("/dead-letters?bot=support").await;
    let dead = dead["items"].as_array().unwrap();
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert_eq!(
        (&dead[0]["reason"], &dead[0]["last"]["status"]),
        (&json!("refused"), &json!(422)),
        "{}",
        dead[0]
    );
    let id_of = |text: &str| {
        let received = scene.core.received();
        received.iter().find(|one| one.event.text() == text).unwrap().event.id.clone()
    };
    assert_eq!(
        scene.admin(Method::POST, &format!("/dead-letters/{}/retry", id_of("poison")), None).await.status,
        200
    );
    let again = scene.nth_event(2).await;
    assert_eq!((again.text(), again.attempt), ("poison", 2));
    assert_eq!(
        scene.admin(Method::DELETE, &format!("/dead-letters/{}", id_of("waste")), None).await.status,
        200
    );
    assert_eq!(scene.admin_get("/dead-letters").await["items"], json!([]));
    let gone = scene.admin(Method::POST, &format!("/dead-letters/{}/retry", id_of("fine")), None).await;
    assert!([200, 404].contains(&gone.status), "{}", gone.text());
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "last")).await;
    scene.nth_event(3).await;
    assert_eq!(scene.core.received().len(), 5, "nothing that was dropped or done came again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_conversation_and_message_once_as_json_lines() {
    let scene = Scene::echo().await;
    for chat in 1..=5 {
        for number in 0..3 {
            scene
                .accepted("telegram", &scene.telegram_message(chat, json!({"text": format!("n {number}")})))
                .await;
        }
    }
    scene.within(scene.providers.telegram.wait_for(15, SOON)).await;
    let export = scene.admin(Method::GET, "/bots/support/export", None).await;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = export.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let conversations = lines.iter().filter(|line| line["conversation"].is_object()).count();
    let messages: Vec<&str> = lines.iter().filter_map(|line| line["message"]["id"].as_str()).collect();
    let once: std::collections::BTreeSet<_> = messages.iter().collect();
    assert_eq!((conversations, messages.len(), once.len()), (5, 30, 30));
    assert_eq!(scene.admin(Method::GET, "/bots/nobody/export", None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_needs_attention_says_so_and_goes_on_after_resume() {
    let scene = Scene::echo().await;
    scene.providers.slack.break_token(Some("token_revoked"));
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    let needs = async || {
        let shown = scene.admin_get("/installations/slack").await;
        (!shown["attention"].is_null()).then_some(shown)
    };
    let shown = scene.until("the installation to need attention", needs).await;
    assert!(shown["attention"].to_string().contains("token"), "{shown}");
    assert!(scene.providers.slack.messages().is_empty());
    scene.providers.slack.break_token(None);
    assert_eq!(scene.admin(Method::POST, "/installations/slack/resume", None).await.status, 200);
    assert_eq!(scene.nth_sent(&scene.providers.slack, 1).await.body["text"], "hello");
    assert!(scene.admin_get("/installations/slack").await["attention"].is_null());
}
