//! Slack through the real binary: each main kind of what comes in and goes out, once.

use http::Method;
use portico_tests::sim::client;
use portico_tests::sim::core::CoreAnswer;
use portico_tests::sim::sign;
use serde_json::json;

use crate::files::{Files, PNG};
use crate::scene::{SLACK_CHANNEL, SLACK_DM, SLACK_USER, Scene, next, slack_ts};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_person_is_held_and_read_through_the_gateway_without_the_token() {
    let scene = Scene::silent().await;
    let file = scene.providers.slack.add_file("pier.png", "image/png", PNG);
    let message = json!({
        "type": "message", "subtype": "file_share", "user": SLACK_USER, "text": "the pier", "ts": slack_ts(),
        "channel": SLACK_DM, "channel_type": "im", "files": [file],
    });
    scene.accepted("slack", &scene.slack_event(message)).await;
    let event = scene.nth_event(1).await;
    let text = event.body.to_string();
    let token = &scene.providers.slack.options().bot_token;
    assert!(!text.contains(token.as_str()) && !text.contains("files-pri"), "{text}");
    // Text and file of one message are one message: a bloc.
    let picture = &event.body["message"]["payload"]["items"][1];
    let link = crate::media_link(&picture["payload"], "imageUrl");
    assert!(link.starts_with(&format!("{}/media/slack/", scene.gateway.spec.public())), "{link}");
    let answer = client::get(&link, &[]).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"), "{}", answer.text());
    assert_eq!(&answer.body[..], PNG);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_the_bot_is_fetched_and_uploaded() {
    let files = Files::start().await;
    let link = files.put("menu.pdf", "application/pdf", "%PDF-1.4 of the tests");
    let scene = Scene::new("", move |_| {
        CoreAnswer::messages([("file", json!({"fileUrl": link, "title": "menu.pdf"}))])
    })
    .await;
    scene.accepted("slack", &scene.slack_text(SLACK_DM, "the menu, please")).await;
    let sent = scene.nth_sent(&scene.providers.slack, 1).await;
    assert_eq!((sent.kind.as_str(), sent.to.as_str()), ("files.completeUploadExternal", SLACK_DM));
    assert_eq!(
        (sent.files[0].name.as_str(), &sent.files[0].bytes[..]),
        ("menu.pdf", &b"%PDF-1.4 of the tests"[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pressed_button_is_a_text_with_its_value() {
    let scene = Scene::silent().await;
    let options = scene.providers.slack.options();
    let payload = json!({
        "type": "block_actions", "user": {"id": SLACK_USER, "username": "ada", "team_id": options.team_id},
        "api_app_id": "A00SIMAPP01", "team": {"id": options.team_id, "domain": "sim"},
        "container": {"type": "message", "message_ts": "1750000200.000100", "channel_id": SLACK_DM},
        "channel": {"id": SLACK_DM, "name": "directmessage"}, "trigger_id": format!("1.2.{}", next()),
        "message": {"type": "message", "user": options.bot_user_id, "ts": "1750000200.000100", "text": "Pick"},
        "response_url": scene.providers.slack.response_url(SLACK_DM),
        "actions": [{
            "action_id": "choice_0", "block_id": "b1", "action_ts": slack_ts(), "type": "button",
            "text": {"type": "plain_text", "text": "Yes please"}, "value": "yes",
        }],
    });
    scene.accepted("slack", &sign::slack_interaction(&options.signing_secret, &payload)).await;
    let event = scene.nth_event(1).await;
    assert_eq!(event.kind(), "message_created");
    assert_eq!(event.body["message"]["payload"], json!({"text": "Yes please", "value": "yes"}));
    assert_eq!(event.body["message"]["tags"]["slack:actionId"], "choice_0");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_deletions_reactions_and_commands_are_events_of_their_kinds() {
    let scene = Scene::silent().await;
    let ts = slack_ts();
    let said = |text: &str| json!({"type": "message", "user": SLACK_USER, "ts": ts, "text": text});
    let mut first = said("helo");
    first["channel"] = json!(SLACK_DM);
    first["channel_type"] = json!("im");
    scene.accepted("slack", &scene.slack_event(first)).await;
    let created = scene.event_of("message_created").await;

    let mut after = said("hello");
    after["edited"] = json!({"user": SLACK_USER, "ts": slack_ts()});
    let edit = json!({
        "type": "message", "subtype": "message_changed", "message": after, "previous_message": said("helo"),
        "channel": SLACK_DM, "hidden": true, "ts": slack_ts(), "event_ts": slack_ts(), "channel_type": "im",
    });
    scene.accepted("slack", &scene.slack_event(edit)).await;
    let updated = scene.event_of("message_updated").await;
    assert_eq!(updated.body["message"]["id"], created.body["message"]["id"]);
    assert_eq!(updated.text(), "hello");

    let reaction = json!({
        "type": "reaction_added", "user": SLACK_USER, "reaction": "thumbsup", "event_ts": slack_ts(),
        "item": {"type": "message", "channel": SLACK_DM, "ts": ts}, "item_user": SLACK_USER,
    });
    scene.accepted("slack", &scene.slack_event(reaction)).await;
    let reacted = scene.event_of("reaction_added").await;
    assert_eq!(reacted.body["reaction"], "thumbsup");
    assert_eq!(reacted.body["message"]["id"], created.body["message"]["id"]);

    let deletion = json!({
        "type": "message", "subtype": "message_deleted", "deleted_ts": ts, "previous_message": said("hello"),
        "channel": SLACK_DM, "hidden": true, "ts": slack_ts(), "event_ts": slack_ts(), "channel_type": "im",
    });
    scene.accepted("slack", &scene.slack_event(deletion)).await;
    let deleted = scene.event_of("message_deleted").await;
    assert_eq!(deleted.body["message"]["id"], created.body["message"]["id"]);
    assert_eq!(deleted.conversation(), created.conversation());

    let options = scene.providers.slack.options();
    let response_url = scene.providers.slack.response_url(SLACK_CHANNEL);
    let command = sign::slack_command(
        &options.signing_secret,
        &[
            ("team_id", &options.team_id),
            ("channel_id", SLACK_CHANNEL),
            ("channel_name", "general"),
            ("user_id", SLACK_USER),
            ("command", "/order"),
            ("text", "42 now & then"),
            ("api_app_id", "A00SIMAPP01"),
            ("response_url", &response_url),
            ("trigger_id", "33.44.def"),
        ],
    );
    scene.accepted("slack", &command).await;
    let event = scene.nth_event(5).await;
    assert_eq!((event.kind(), event.text()), ("message_created", "/order 42 now & then"));
    assert_eq!(event.body["message"]["tags"]["slack:command"], "/order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bot_said_and_what_other_bots_say_makes_no_event() {
    let scene = Scene::silent().await;
    let options = scene.providers.slack.options();
    for author in [
        json!({"user": options.bot_user_id, "bot_id": options.bot_id}),
        json!({"bot_id": "B00OTHERBOT", "subtype": "bot_message"}),
    ] {
        let mut message = json!({
            "type": "message", "text": "echo", "ts": slack_ts(), "channel": SLACK_CHANNEL, "channel_type": "channel",
        });
        message.as_object_mut().unwrap().extend(author.as_object().unwrap().clone());
        scene.accepted("slack", &scene.slack_event(message)).await;
    }
    scene.accepted("slack", &scene.slack_text(SLACK_CHANNEL, "a person")).await;
    assert_eq!(scene.nth_event(1).await.text(), "a person");
    assert_eq!(scene.core.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_is_a_conversation_of_its_own_and_is_answered_there() {
    let scene = Scene::echo().await;
    let root = slack_ts();
    let reply = json!({
        "type": "message", "user": SLACK_USER, "text": "in the thread", "ts": slack_ts(), "thread_ts": root,
        "channel": SLACK_CHANNEL, "channel_type": "channel",
    });
    scene.accepted("slack", &scene.slack_event(reply)).await;
    let event = scene.nth_event(1).await;
    assert_eq!(event.body["channel"], "thread");
    assert_eq!(event.body["conversation"]["tags"]["slack:thread"], root);
    let sent = scene.nth_sent(&scene.providers.slack, 1).await;
    assert_eq!((sent.to.as_str(), sent.body["thread_ts"].as_str()), (SLACK_CHANNEL, Some(root.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_begins_a_direct_message_by_an_action() {
    let scene = Scene::silent().await;
    let body = json!({"type": "slack:startDmConversation", "input": {"slackUserId": SLACK_USER}});
    let reply = scene.api(Method::POST, "/actions", Some(&body)).await;
    assert!(reply.is_success(), "{}: {}\n{}", reply.status, reply.text(), scene.log_tail());
    let conversation = reply.json()["output"]["conversationId"].as_str().unwrap().to_owned();
    scene.say(&conversation, "text", json!({"text": "good morning"})).await;
    let sent = scene.nth_sent(&scene.providers.slack, 1).await;
    assert_eq!((sent.kind.as_str(), &sent.body["text"]), ("chat.postMessage", &json!("good morning")));
    assert!(sent.to.starts_with('D'), "{}", sent.to);
}
