//! Telegram through the real binary: each main kind of what comes in and goes out, once.

use portico_tests::sim::client;
use portico_tests::sim::core::CoreAnswer;
use serde_json::json;

use crate::files::{Files, PNG};
use crate::scene::{SOON, Scene, TELEGRAM_SECRET, next, telegram_message};

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_is_registered_at_the_start_and_what_the_provider_delivers_is_taken() {
    let scene = Scene::echo().await;
    let telegram = &scene.providers.telegram;
    scene
        .within(telegram.wait_until("setWebhook", SOON, |sim| !sim.accepted_of("setWebhook").is_empty()))
        .await;
    let hook = telegram.webhook().unwrap();
    assert_eq!(hook["url"], scene.gateway.webhook("telegram"));
    assert_eq!(hook["secret_token"], TELEGRAM_SECRET);
    let delivery = telegram
        .send_update(json!({"message": telegram_message(77, json!({"text": "hello"}))}))
        .await
        .unwrap();
    assert_eq!((delivery.delivered, delivery.attempts.as_slice()), (true, &[Some(200)][..]));
    // A method in the answer would be carried out in the bot's name.
    assert_eq!(delivery.method_called, None);
    assert_eq!(scene.nth_sent(telegram, 1).await.body["text"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_of_a_person_is_held_and_its_address_never_shows_the_token() {
    let scene = Scene::silent().await;
    let id = scene.providers.telegram.add_file("photos/file_1.png", PNG);
    let photo = json!({
        "photo": [
            {"file_id": "small", "file_unique_id": "s", "width": 90, "height": 67, "file_size": 1},
            {"file_id": id, "file_unique_id": "l", "width": 1280, "height": 960, "file_size": PNG.len()},
        ],
        "caption": "The pier",
    });
    scene.accepted("telegram", &scene.telegram_message(77, photo)).await;
    let event = scene.nth_event(1).await;
    let payload = &event.body["message"]["payload"];
    let link = crate::media_link(payload, "imageUrl");
    let token = &scene.providers.telegram.options().token;
    assert!(!event.body.to_string().contains(token.as_str()));
    assert_eq!((&event.body["message"]["type"], &payload["title"]), (&json!("image"), &json!("The pier")));
    let answer = client::get(&link, &[]).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, PNG), "{}", answer.text());
    assert!(!format!("{:?}", answer.headers).contains(token.as_str()));
    // Another address of the same form opens nothing.
    let forged = format!("{}x", &link[..link.len() - 1]);
    let refused = client::get(&forged, &[]).await.unwrap();
    assert!([400, 403, 404].contains(&refused.status), "{}", refused.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_the_bot_is_sent_as_a_photo_by_its_address() {
    let files = Files::start().await;
    let link = files.put("tea.png", "image/png", PNG);
    let address = link.clone();
    let scene = Scene::new("", move |_| {
        CoreAnswer::messages([("image", json!({"imageUrl": address, "title": "tea"}))])
    })
    .await;
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "a picture"}))).await;
    let sent = scene.nth_sent(&scene.providers.telegram, 1).await;
    assert_eq!((sent.kind.as_str(), &sent.body["photo"]), ("sendPhoto", &json!(link)));
    assert_eq!(sent.body["caption"], "tea");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pressed_button_is_a_text_with_its_value_and_telegram_is_told() {
    let scene = Scene::new("", |event| match event.text() {
        "go" => CoreAnswer::messages([(
            "choice",
            json!({"text": "Book it?", "options": [{"label": "Yes, please", "value": "yes"}]}),
        )]),
        _ => CoreAnswer::done(),
    })
    .await;
    let telegram = &scene.providers.telegram;
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "go"}))).await;
    let sent = scene.nth_sent(telegram, 1).await;
    let keyboard = sent.body["reply_markup"].clone();
    let button = keyboard.pointer("/inline_keyboard/0/0").cloned().unwrap_or_else(|| panic!("{}", sent.body));
    let press = json!({"callback_query": {
        "id": format!("44{:017}", next()), "chat_instance": "-77",
        "from": {"id": 77, "is_bot": false, "first_name": "Ada"}, "data": button["callback_data"],
        "message": {
            "message_id": sent.id.rsplit(':').next().unwrap().parse::<i64>().unwrap(), "date": 1_780_000_454,
            "from": {"id": 7_000_000_001_i64, "is_bot": true, "first_name": "Bot"},
            "chat": {"id": 77, "type": "private", "first_name": "Ada"}, "text": "Book it?", "reply_markup": keyboard,
        },
    }});
    scene
        .within(telegram.wait_until("setWebhook", SOON, |sim| !sim.accepted_of("setWebhook").is_empty()))
        .await;
    assert!(telegram.send_update(press).await.unwrap().delivered);
    let event = scene.nth_event(2).await;
    assert_eq!(event.body["message"]["payload"], json!({"text": "Yes, please", "value": "yes"}));
    scene
        .within(
            telegram.wait_until("the answer", SOON, |sim| !sim.accepted_of("answerCallbackQuery").is_empty()),
        )
        .await;
    assert_eq!(telegram.answered_callbacks().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_reactions_and_commands_are_events_of_their_kinds() {
    let scene = Scene::silent().await;
    let mut message = telegram_message(77, json!({"text": "Is the fery late?"}));
    scene.accepted("telegram", &scene.telegram_update(json!({"message": message}))).await;
    let created = scene.event_of("message_created").await;

    message["text"] = json!("Is the ferry late?");
    message["edit_date"] = json!(portico_tests::sim::sign::now() + 1);
    scene.accepted("telegram", &scene.telegram_update(json!({"edited_message": message}))).await;
    let updated = scene.event_of("message_updated").await;
    assert_eq!(
        (updated.text(), &updated.body["message"]["id"]),
        ("Is the ferry late?", &created.body["message"]["id"])
    );

    let reaction = json!({"message_reaction": {
        "chat": message["chat"], "message_id": message["message_id"], "user": message["from"],
        "date": portico_tests::sim::sign::now(), "old_reaction": [],
        "new_reaction": [{"type": "emoji", "emoji": "👍"}],
    }});
    scene.accepted("telegram", &scene.telegram_update(reaction)).await;
    let reacted = scene.event_of("reaction_added").await;
    assert_eq!(
        (&reacted.body["reaction"], &reacted.body["message"]["id"]),
        (&json!("👍"), &created.body["message"]["id"])
    );

    let command = json!({
        "text": "/book@portico_sim_bot 2 adults", "entities": [{"type": "bot_command", "offset": 0, "length": 21}],
    });
    scene.accepted("telegram", &scene.telegram_message(77, command)).await;
    let event = scene.nth_event(4).await;
    assert_eq!(event.text(), "/book 2 adults");
    let tags = &event.body["message"]["tags"];
    assert_eq!(
        (&tags["telegram:command"], &tags["telegram:commandArguments"]),
        (&json!("book"), &json!("2 adults"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_and_a_card_are_rendered_as_telegram_takes_them() {
    let scene = Scene::new("", |_| {
        CoreAnswer::messages([
            ("markdown", json!({"markdown": "**Tea** & <cake>\n\n- one\n- two"})),
            (
                "card",
                json!({"title": "Tea", "subtitle": "hot", "actions": [
                    {"action": "postback", "label": "Order", "value": "order"},
                    {"action": "url", "label": "Look", "value": "https://tea.example/"},
                ]}),
            ),
        ])
    })
    .await;
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "go"}))).await;
    let sent = scene.within(scene.providers.telegram.wait_for(2, SOON)).await;
    assert_eq!(sent[0].body["parse_mode"], "HTML");
    let text = sent[0].body["text"].as_str().unwrap();
    assert!(text.contains("Tea") && text.contains("cake"), "{text}");
    let keyboard = sent[1].body["reply_markup"].to_string();
    assert!(keyboard.contains("https://tea.example/") && keyboard.contains("Order"), "{keyboard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_blocked_the_bot_makes_the_message_fail_and_the_core_learns_it() {
    let scene = Scene::echo().await;
    scene.providers.telegram.block(77, true);
    scene.accepted("telegram", &scene.telegram_message(77, json!({"text": "bye"}))).await;
    let failed = scene.event_of("message_failed").await;
    assert_eq!(failed.body["message"]["payload"]["text"], "bye");
    assert!(failed.body["payload"].to_string().contains("blocked"), "{}", failed.body);
}
