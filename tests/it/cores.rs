//! Core kinds besides the one of `path` and the SDK bot: Rasa, the echo, and what an `http` core may answer.

use std::time::Duration;

use http::Method;
use portico_tests::gateway::GatewaySpec;
use portico_tests::sim::core::{CoreAnswer, Outcome, RasaCore};
use serde_json::json;

use crate::scene::{Providers, SLACK_DM, SOON, Scene, TELEGRAM_SECRET, bot, telegram_message};

#[tokio::test(flavor = "multi_thread")]
async fn rasas_responses_are_rendered_and_its_buttons_come_back_as_intents() {
    let rasa = RasaCore::start(|turn| {
        CoreAnswer::json(match turn.message.as_str() {
            "hello" => json!([
                {"recipient_id": turn.sender, "text": "Hi there"},
                {"recipient_id": turn.sender, "image": "https://pictures.example/tea.png"},
                {"recipient_id": turn.sender, "text": "Tea?", "buttons": [
                    {"title": "Yes", "payload": "/affirm"}, {"title": "No", "payload": "/deny"},
                ]},
            ]),
            other => json!([{"recipient_id": turn.sender, "text": format!("intent {other}")}]),
        })
    })
    .await
    .unwrap();
    let providers = Providers::start().await;
    let core = format!("kind = \"rasa\"\nurl = \"{}\"", rasa.url());
    let (spec, _folder) =
        GatewaySpec::temporary(&format!("{}{}", bot(&core), providers.installations())).unwrap();
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let telegram = &providers.telegram;
    telegram.wait_until("setWebhook", SOON, |sim| !sim.accepted_of("setWebhook").is_empty()).await.unwrap();
    let update = json!({"message": telegram_message(77, json!({"text": "hello"}))});
    assert!(telegram.send_update(update).await.unwrap().delivered);
    let sent =
        telegram.wait_for(3, SOON).await.unwrap_or_else(|error| panic!("{error}\n{}", gateway.spec.log()));
    assert_eq!(sent[0].body["text"], "Hi there");
    assert_eq!(sent[1].body["photo"], "https://pictures.example/tea.png");
    let button = sent[2].body.pointer("/reply_markup/inline_keyboard/0/0").unwrap().clone();
    assert_eq!(button["text"], "Yes");
    let press = json!({"callback_query": {
        "id": "4400000000000000001", "chat_instance": "-77", "data": button["callback_data"],
        "from": {"id": 77, "is_bot": false, "first_name": "Ada"},
        "message": {
            "message_id": sent[2].id.rsplit(':').next().unwrap().parse::<i64>().unwrap(), "date": 1_780_000_454,
            "chat": {"id": 77, "type": "private", "first_name": "Ada"}, "text": "Tea?",
            "reply_markup": sent[2].body["reply_markup"],
        },
    }});
    assert!(telegram.send_update(press).await.unwrap().delivered);
    let sent =
        telegram.wait_for(4, SOON).await.unwrap_or_else(|error| panic!("{error}\n{}", gateway.spec.log()));
    assert_eq!(sent[3].body["text"], "intent /affirm");
    let turns = rasa.turns();
    assert_eq!(turns.len(), 2);
    assert!(
        !turns[0].sender.is_empty() && turns[0].sender == turns[1].sender,
        "one tracker per conversation"
    );
    assert_eq!(turns[0].metadata["channel"], "channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_core_says_everything_back() {
    let providers = Providers::start().await;
    let (spec, _folder) =
        GatewaySpec::temporary(&format!("{}{}", bot("kind = \"echo\""), providers.installations())).unwrap();
    let gateway = spec.start().await.unwrap();
    let update = json!({"update_id": 1, "message": telegram_message(77, json!({"text": "said"}))});
    let request = portico_tests::sim::sign::telegram(TELEGRAM_SECRET, &update);
    assert_eq!(request.send(&gateway.webhook("telegram")).await.unwrap().status, 200);
    assert_eq!(providers.telegram.wait_for(1, SOON).await.unwrap()[0].body["text"], "said");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_core_refuses_for_good_is_a_dead_letter_at_once_and_the_next_goes_on() {
    let scene = Scene::new("", |event| match event.text() {
        "refuse me" => CoreAnswer::status(422),
        _ => CoreAnswer::done(),
    })
    .await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "refuse me")).await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "the next")).await;
    let event = scene.nth_event(1).await;
    assert_eq!(event.text(), "the next");
    let dead = scene.admin_get("/dead-letters").await;
    let dead = dead["items"].as_array().unwrap();
    assert_eq!((dead.len(), dead[0]["reason"].as_str()), (1, Some("refused")), "{dead:?}");
    assert_eq!(scene.core.received().len(), 2, "it was offered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_asks_for_a_pause_gets_the_event_again_after_it_under_the_same_id() {
    let scene = Scene::new("", |event| match event.attempt {
        1 => CoreAnswer {
            delay: Duration::ZERO,
            outcome: Outcome::Raw(429, vec![("retry-after".into(), "1".into())], String::new()),
        },
        _ => CoreAnswer::text("now"),
    })
    .await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    assert_eq!(scene.nth_sent(&scene.providers.slack, 1).await.body["text"], "now");
    let received = scene.core.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].event.id, received[1].event.id);
    assert!(received[1].event.at - received[0].event.at >= Duration::from_millis(950), "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_the_core_is_never_followed() {
    let elsewhere = crate::files::Files::start().await;
    let target = elsewhere.put("x", "application/json", "{}");
    let scene = Scene::new("", move |event| match event.attempt {
        1 => CoreAnswer {
            delay: Duration::ZERO,
            outcome: Outcome::Raw(307, vec![("location".into(), target.clone())], String::new()),
        },
        _ => CoreAnswer::done(),
    })
    .await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    scene.nth_event(1).await;
    assert_eq!(scene.core.received().len(), 2);
    assert_eq!(elsewhere.reads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_cannot_be_sent_is_told_to_the_operator_and_the_others_are_sent() {
    let scene = Scene::new("", |_| {
        CoreAnswer::json(json!({"messages": [
            {"type": "text", "payload": {"text": "before"}},
            {"type": "text", "payload": {"txt": "misspelt"}},
            {"type": "text", "payload": {"text": "after"}},
        ]}))
    })
    .await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    let sent = scene.within(scene.providers.slack.wait_for(2, SOON)).await;
    let texts: Vec<_> = sent.iter().map(|one| one.body["text"].clone()).collect();
    assert_eq!(texts, [json!("before"), json!("after")]);
    let id = scene.nth_event(1).await.id;
    let log = scene.gateway.spec.log();
    let line =
        log.lines().find(|line| line.contains("messages[1].payload.text")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(&id) && !line.contains("misspelt"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_is_gone_pauses_its_bot_until_an_operator_resumes_it() {
    let scene = Scene::new("", |event| match event.attempt {
        1 => CoreAnswer::status(410),
        _ => CoreAnswer::done(),
    })
    .await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "hello")).await;
    let paused = async || {
        let bots = scene.admin_get("/bots").await;
        (bots["items"][0]["dispatch"]["paused"] == true).then_some(())
    };
    scene.until("the bot to be paused", paused).await;
    assert_eq!(scene.core.received().len(), 1);
    assert_eq!(scene.admin(Method::POST, "/bots/support/resume", None).await.status, 200);
    scene.nth_event(1).await;
    assert_eq!(scene.core.received().len(), 2);
}
