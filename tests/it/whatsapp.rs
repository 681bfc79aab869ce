//! WhatsApp through the real binary: each main kind of what comes in and goes out, once.

use portico_tests::sim::client;
use portico_tests::sim::core::CoreAnswer;
use portico_tests::sim::sign;
use serde_json::{Value, json};

use crate::files::PNG;
use crate::scene::{SOON, Scene};

const ADA: &str = "491701234567";
const BO: &str = "15550002222";

#[tokio::test(flavor = "multi_thread")]
async fn receipts_mark_the_message_and_are_events_at_the_core() {
    let scene = Scene::echo().await;
    let whatsapp = &scene.providers.whatsapp;
    scene.accepted("whatsapp", &whatsapp.inbound_text(ADA, "hello").request).await;
    let wamid = scene.nth_sent(whatsapp, 1).await.id;
    for (status, kind) in [("delivered", "message_delivered"), ("read", "message_read")] {
        scene.accepted("whatsapp", &whatsapp.status(&wamid, ADA, status)).await;
        let event = scene.event_of(kind).await;
        assert_eq!(event.body["message"]["payload"]["text"], "hello");
        assert_eq!(event.body["message"]["direction"], "outgoing");
        let tags = &event.body["message"]["tags"];
        assert_eq!((&tags["whatsapp:id"], &tags["portico:status"]), (&json!(wamid), &json!(status)));
    }
    // A receipt that is older than what is known says nothing new.
    scene.accepted("whatsapp", &whatsapp.status(&wamid, ADA, "delivered")).await;
    scene.accepted("whatsapp", &whatsapp.inbound_text(ADA, "last").request).await;
    scene.nth_sent(whatsapp, 2).await;
    let kinds: Vec<_> = scene.core.events().iter().map(|event| event.kind().to_owned()).collect();
    assert_eq!(kinds, ["message_created", "message_delivered", "message_read", "message_created"]);
    let conversation = scene.core.events()[0].conversation().to_owned();
    let told = scene.admin_get(&format!("/bots/support/conversations/{conversation}/messages")).await;
    let outgoing = told["items"].as_array().unwrap().iter().find(|one| one["tags"]["whatsapp:id"] == *wamid);
    assert_eq!(outgoing.unwrap()["delivery"]["status"], "read", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_status_ends_the_message_with_its_reason() {
    let scene = Scene::echo().await;
    let whatsapp = &scene.providers.whatsapp;
    scene.accepted("whatsapp", &whatsapp.inbound_text(ADA, "hello").request).await;
    let wamid = scene.nth_sent(whatsapp, 1).await.id;
    scene.accepted("whatsapp", &whatsapp.status_failed(&wamid, ADA, 131_026, "Message undeliverable")).await;
    let event = scene.event_of("message_failed").await;
    let payload = event.body["payload"].to_string();
    assert!(payload.contains("131026"), "{payload}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_split_into_its_events() {
    let scene = Scene::silent().await;
    let whatsapp = &scene.providers.whatsapp;
    let options = whatsapp.options();
    let metadata = json!({
        "display_phone_number": options.display_phone_number, "phone_number_id": options.phone_number_id,
    });
    let message = |from: &str, id: &str, text: &str| json!({"from": from, "id": id, "timestamp": sign::now().to_string(), "type": "text", "text": {"body": text}});
    let value = |messages: Value| {
        json!({
            "messaging_product": "whatsapp", "metadata": metadata, "messages": messages,
            "contacts": [{"profile": {"name": "Ada"}, "wa_id": ADA}, {"profile": {"name": "Bo"}, "wa_id": BO}],
        })
    };
    let body = json!({"object": "whatsapp_business_account", "entry": [
        {"id": options.waba_id, "changes": [
            {"field": "messages", "value": value(json!([message(ADA, "wamid.A1", "one"), message(BO, "wamid.B1", "uno")]))},
            {"field": "messages", "value": value(json!([message(ADA, "wamid.A2", "two")]))},
        ]},
        {"id": options.waba_id, "changes": [
            {"field": "messages", "value": value(json!([message(BO, "wamid.B2", "dos"), message(ADA, "wamid.A3", "three")]))},
        ]},
    ]});
    scene.accepted("whatsapp", &sign::whatsapp(&options.app_secret, sign::meta_json(&body))).await;
    scene.nth_event(5).await;
    let said = |from: &str| -> Vec<String> {
        let events = scene.core.events();
        let of = events.iter().filter(|event| event.body["user"]["tags"]["whatsapp:userId"] == *from);
        of.map(|event| event.text().to_owned()).collect()
    };
    assert_eq!(
        (said(ADA), said(BO)),
        (vec!["one".into(), "two".into(), "three".into()], vec!["uno".into(), "dos".into()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_with_a_caption_is_held_and_read_through_the_gateway() {
    let scene = Scene::silent().await;
    let whatsapp = &scene.providers.whatsapp;
    scene
        .accepted(
            "whatsapp",
            &whatsapp.inbound_media(ADA, "image", "image/png", PNG, Some("The pier")).request,
        )
        .await;
    let event = scene.nth_event(1).await;
    let message = &event.body["message"];
    assert_eq!(message["type"], "bloc", "{message}");
    let items = message["payload"]["items"].as_array().unwrap();
    assert_eq!(items[1]["payload"]["text"], "The pier");
    let link = crate::media_link(&items[0]["payload"], "imageUrl");
    assert!(!event.body.to_string().contains(&whatsapp.options().access_token));
    let answer = client::get(&link, &[]).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type"), &answer.body[..]), (200, "image/png", PNG));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_the_bot_hands_on_has_an_address_that_the_provider_can_open() {
    let scene = Scene::new("", |event| match event.kind() {
        "message_created" => {
            let link = crate::media_link(&event.body["message"]["payload"], "imageUrl");
            CoreAnswer::json(json!({"messages": [{"type": "image", "payload": {"imageUrl": link}}]}))
        }
        _ => CoreAnswer::done(),
    })
    .await;
    let whatsapp = &scene.providers.whatsapp;
    scene.accepted("whatsapp", &whatsapp.inbound_media(ADA, "image", "image/png", PNG, None).request).await;
    let sent = scene.nth_sent(whatsapp, 1).await;
    assert_eq!((sent.kind.as_str(), sent.to.as_str()), ("image", ADA));
    // Either uploaded by the gateway, or fetched by the provider without any token.
    match sent.body["image"]["link"].as_str() {
        Some(link) => assert_eq!(&client::get(link, &[]).await.unwrap().body[..], PNG),
        None => assert!(sent.body["image"]["id"].is_string(), "{}", sent.body),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_buttons_and_a_press_is_a_text_with_its_value() {
    let scene = Scene::new("", |event| match event.text() {
        "go" => CoreAnswer::messages([(
            "choice",
            json!({"text": "Which size?", "options": [
                {"label": "Small", "value": "size-s"}, {"label": "Medium", "value": "size-m"},
            ]}),
        )]),
        _ => CoreAnswer::done(),
    })
    .await;
    let whatsapp = &scene.providers.whatsapp;
    scene.accepted("whatsapp", &whatsapp.inbound_text(ADA, "go").request).await;
    let sent = scene.nth_sent(whatsapp, 1).await;
    let button = sent.body.pointer("/interactive/action/buttons/1/reply").cloned();
    let button = button.unwrap_or_else(|| panic!("{}", sent.body));
    assert_eq!(button["title"], "Medium");
    let press = whatsapp.inbound_button(ADA, &sent.id, button["id"].as_str().unwrap(), "Medium");
    scene.accepted("whatsapp", &press.request).await;
    let event = scene.nth_event(2).await;
    assert_eq!(event.body["message"]["payload"], json!({"text": "Medium", "value": "size-m"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_edits_and_deletions_are_events_of_their_kinds() {
    let scene = Scene::silent().await;
    let whatsapp = &scene.providers.whatsapp;
    let first = whatsapp.inbound_text(ADA, "helo");
    scene.accepted("whatsapp", &first.request).await;
    let created = scene.event_of("message_created").await;
    let parts = [
        (
            "message_updated",
            json!({"type": "edit", "edit": {
                "original_message_id": first.message_id, "message": {"type": "text", "text": {"body": "hello"}},
            }}),
        ),
        (
            "reaction_added",
            json!({"type": "reaction", "reaction": {"message_id": first.message_id, "emoji": "👍"}}),
        ),
        (
            "reaction_removed",
            json!({"type": "reaction", "reaction": {"message_id": first.message_id, "emoji": ""}}),
        ),
        ("message_deleted", json!({"type": "revoke", "revoke": {"original_message_id": first.message_id}})),
    ];
    for (kind, part) in parts {
        scene.accepted("whatsapp", &whatsapp.inbound_message(ADA, part).request).await;
        let event = scene.event_of(kind).await;
        assert_eq!(event.body["message"]["id"], created.body["message"]["id"], "{kind}: {}", event.body);
        assert_eq!(event.conversation(), created.conversation(), "{kind}");
    }
    assert_eq!(scene.core.events()[1].text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_window_a_text_fails_and_a_template_arrives() {
    let scene = Scene::silent().await;
    let whatsapp = &scene.providers.whatsapp;
    let body = json!({"type": "whatsapp:startConversation", "input": {
        "userPhone": "+49 170 7654321", "templateName": "hello_world", "templateLanguage": "en_US",
    }});
    let reply = scene.api(http::Method::POST, "/actions", Some(&body)).await;
    assert!(reply.is_success(), "{}: {}\n{}", reply.status, reply.text(), scene.log_tail());
    let conversation = reply.json()["output"]["conversationId"].as_str().unwrap().to_owned();
    let sent = scene.nth_sent(whatsapp, 1).await;
    assert_eq!((sent.kind.as_str(), sent.to.as_str()), ("template", "491707654321"));
    scene.say(&conversation, "text", json!({"text": "too early"})).await;
    let failed = scene.event_of("message_failed").await;
    assert_eq!(failed.body["message"]["payload"]["text"], "too early");
    assert!(failed.body["payload"].to_string().contains("131047"), "{}", failed.body);
    scene.within(whatsapp.wait_until("a refusal", SOON, |sim| sim.requests_of("messages").len() >= 2)).await;
}
