//! Updates in, events out.

use bytes::Bytes;
use portico_contract::{Content, Effect, Event, FaultCode, InboundMessage, MEDIA_SCHEME, Payload};
use portico_suite::{Job, Run, TestContext, TestHost, post, run, sign};
use proptest::prelude::*;
use serde_json::json;

use super::{ctx, fixtures, host, success};
use crate::connector;

fn receive(name: &str) -> Run {
    let host = host();
    let request = sign(&host, fixtures().inbound_case(name).request);
    run(connector().as_ref(), &host, &ctx(), Job::Webhook(request), |request| Ok(success(request)))
}

fn receive_body(host: &TestHost, body: impl Into<Bytes>) -> Run {
    let request = sign(host, post(body));
    run(connector().as_ref(), host, &ctx(), Job::Webhook(request), |request| Ok(success(request)))
}

fn message(name: &str) -> InboundMessage {
    let run = receive(name);
    match run.events().as_slice() {
        [Event::Message(message)] => (*message).clone(),
        other => panic!("{name}: expected one message, got {other:?}"),
    }
}

#[test]
fn every_fixture_normalizes_as_noted() {
    for case in fixtures().inbound() {
        let run = receive(&case.name);
        let noted = match &run.outcome {
            Ok(_) => json!({
                "events": run.events(),
                "calls": run.requests.iter().map(super::noted).collect::<Vec<_>>(),
            }),
            Err(fault) => json!({ "fault": fault }),
        };
        insta::assert_json_snapshot!(format!("inbound__{}", case.name), noted);
    }
}

#[test]
fn answers_never_have_a_body() {
    for case in fixtures().inbound().into_iter().filter(|case| !case.name.starts_with("unreadable")) {
        let reply = receive(&case.name).reply.unwrap_or_else(|| panic!("{}: no reply", case.name));
        assert_eq!(
            (reply.status, reply.body, reply.headers),
            (200, Payload::Empty, Vec::new()),
            "{}",
            case.name
        );
    }
}

#[test]
fn a_text_has_author_conversation_and_a_key_of_its_own() {
    let message = message("text");
    assert_eq!(message.content, Content::text("Is the ferry on time?"));
    assert_eq!(message.thread.key, "5300100200/");
    assert_eq!(message.thread.tags.get("fromUserUsername"), Some("ada_quill"));
    assert_eq!(message.author.name.as_deref(), Some("Ada Quill"));
    assert_eq!(message.dedupe.as_deref(), Some("5300100200:401"));
    assert_eq!(message.sent_at, 1_780_000_401_000);
}

#[test]
fn commands_of_other_bots_are_not_ours() {
    assert!(receive("command_for_other").effects.is_empty());
    let ours = message("command_for_us");
    assert_eq!(ours.content, Content::text("/help now"));
    assert_eq!(ours.tags.get("command"), Some("help"));
    assert_eq!(ours.tags.get("commandArguments"), Some("now"));
    assert_eq!(message("command_start").tags.get("startPayload"), Some("spring-42"));
}

#[test]
fn a_path_is_no_command() {
    let body = json!({ "update_id": 1, "message": { "message_id": 2, "date": 3, "chat": { "id": 4, "type": "private" },
        "from": { "id": 4, "is_bot": false, "first_name": "A" }, "text": "/usr/bin is full" } });
    let run = receive_body(&host(), body.to_string());
    let [Event::Message(message)] = run.events()[..] else { panic!("{run:?}") };
    assert_eq!(message.tags.get("command"), None);
}

#[test]
fn before_registration_every_command_is_ours() {
    let host = TestHost::with_all_secrets(connector().manifest());
    let request = sign(&host, fixtures().inbound_case("command_for_other").request);
    let run = run(connector().as_ref(), &host, &ctx(), Job::Webhook(request), |request| Ok(success(request)));
    assert_eq!(run.events().len(), 1);
}

#[test]
fn topics_are_conversations_and_chains_of_replies_are_not() {
    assert_eq!(message("topic").thread.key, "-1001900000002/33");
    assert_eq!(message("topic").reply_to, None);
    assert_eq!(message("topic_reply").reply_to.as_deref(), Some("40"));
    let chain = message("reply_chain_is_no_topic");
    assert_eq!(chain.thread.key, "-1001900000001/");
    assert_eq!(chain.reply_to.as_deref(), Some("37"));
}

#[test]
fn media_is_held_and_the_largest_photo_is_taken() {
    let Content::Image(photo) = message("photo").content else { panic!("no image") };
    assert_eq!(photo.url, format!("{MEDIA_SCHEME}PHOTO-large"));
    assert_eq!(photo.title.as_deref(), Some("The pier"));
    assert!(matches!(message("animation").content, Content::Video(_)), "an animation sets document too");
    assert!(
        matches!(message("venue").content, Content::Location(place) if place.title.as_deref() == Some("Pier 3"))
    );
}

#[test]
fn bots_are_not_listened_to_but_anonymous_people_are() {
    assert!(receive("bot_author").effects.is_empty());
    let admin = message("anonymous_admin");
    assert_eq!(admin.author.id, "-1001900000001");
    assert!(!admin.author.is_bot);
}

#[test]
fn channel_posts_are_messages_only_when_accepted() {
    assert_eq!(message("channel_post").author.name.as_deref(), Some("Harbour News"));
    let host = host();
    for name in ["channel_post", "edited_channel_post", "automatic_forward"] {
        let request = sign(&host, fixtures().inbound_case(name).request);
        let run =
            run(connector().as_ref(), &host, &TestContext::with(json!({})), Job::Webhook(request), |_| {
                panic!("nothing to ask")
            });
        assert!(run.outcome.is_ok() && run.effects.is_empty(), "{name}");
    }
}

#[test]
fn a_press_is_answered_at_once_and_brings_label_and_value() {
    let run = receive("callback");
    assert_eq!(super::noted(&run.requests[0])["call"], "/bot{token}/answerCallbackQuery");
    assert_eq!(run.json(0), json!({ "callback_query_id": "4400000000000000001" }));
    let pressed = message("callback");
    assert_eq!(pressed.content, Content::Text { text: "Yes, please".into(), value: Some("yes".into()) });
    assert_eq!(message("callback_in_topic").thread.key, "-1001900000002/33");
    let hidden = message("callback_inaccessible");
    assert_eq!(hidden.content, Content::Text { text: "yes".into(), value: Some("yes".into()) });
    let forgotten = message("callback_forgotten");
    assert_eq!(forgotten.content, Content::Text { text: "Old one".into(), value: Some("Old one".into()) });
    let said = message("callback_said");
    assert_eq!(
        said.content,
        Content::Text { text: "Show me the menu".into(), value: Some("Show me the menu".into()) }
    );
}

#[test]
fn a_press_counts_although_its_answer_fails() {
    let host = host();
    let request = sign(&host, fixtures().inbound_case("callback").request);
    let run = run(connector().as_ref(), &host, &ctx(), Job::Webhook(request), |_| {
        super::refusal("Bad Request: query is too old and response timeout expired or query ID is invalid")
    });
    assert!(run.outcome.is_ok());
    assert_eq!(run.events().len(), 1);
}

#[test]
fn reactions_are_the_difference() {
    let told = |name: &str| -> Vec<(String, bool)> {
        let run = receive(name);
        run.events()
            .iter()
            .map(|event| match event {
                Event::Reaction(reaction) => (reaction.reaction.clone(), reaction.added),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(told("reaction_added"), [("👍".into(), true)]);
    assert_eq!(told("reaction_removed"), [("👍".into(), false)]);
    let changed = told("reaction_changed");
    assert_eq!(changed[0], ("👍".into(), false));
    assert_eq!(changed[1], ("🎉".into(), true));
    assert_eq!(changed[2], ("custom_emoji:5400000000000000001".into(), true));
    assert_eq!(changed[3], ("paid".into(), true));
}

#[test]
fn both_sides_of_a_migration_tell_the_same_event() {
    let (one, other) = (receive("migrate_to"), receive("migrate_from"));
    assert_eq!(one.events()[0].dedupe_key(), other.events()[0].dedupe_key());
    let Event::Identity(change) = one.events()[0] else { panic!("no identity change") };
    assert_eq!(change.thread.key, "-4100000003/");
    assert_eq!(change.new_thread.as_ref().map(|thread| thread.key.as_str()), Some("-1001900000003/"));
}

#[test]
fn custom_events_have_their_names() {
    for (fixture, name) in [
        ("blocked", "blocked"),
        ("unblocked", "unblocked"),
        ("bot_added", "botAdded"),
        ("bot_removed", "botRemoved"),
        ("member_status", "memberStatusChanged"),
        ("members_joined", "memberJoined"),
        ("member_left", "memberLeft"),
        ("web_app_data", "webAppData"),
        ("successful_payment", "successfulPayment"),
        ("business_owner", "businessOwnerMessage"),
        ("callback_inline", "inlineButtonPressed"),
        ("callback_game", "gameButtonPressed"),
        ("unknown_message", "unknownMessage"),
        ("unknown_update", "unknownUpdate"),
        ("poll_answer", "pollAnswer"),
        ("guest_message", "guestMessage"),
    ] {
        let run = receive(fixture);
        let Some(Event::Custom(event)) = run.events().first().copied() else {
            panic!("{fixture}: {:?}", run.effects)
        };
        assert_eq!(event.name, name, "{fixture}");
    }
    assert_eq!(receive("members_joined").events().len(), 2);
}

#[test]
fn service_messages_and_own_echoes_are_silent() {
    for name in ["service_pinned", "service_topic_created", "business_own_reply"] {
        let run = receive(name);
        assert!(run.outcome.is_ok() && run.effects.is_empty(), "{name}: {:?}", run.effects);
    }
}

#[test]
fn business_chats_are_conversations_of_their_own() {
    let message = message("business_message");
    assert_eq!(
        (message.thread.channel.as_ref(), message.thread.key.as_str()),
        ("business", "BIZ-77/5300100200")
    );
    let deleted = receive("business_deleted");
    assert_eq!(deleted.events().len(), 2);
    assert!(matches!(deleted.events()[0], Event::Deletion(deletion) if deletion.external_id == "431"));
}

#[test]
fn what_is_no_update_is_unreadable_with_its_path() {
    let fault = receive("unreadable_wrong_type").fault().clone();
    assert_eq!(fault.code, FaultCode::Unreadable);
    assert!(fault.message.contains("message.message_id"), "{}", fault.message);
    for body in [
        "",
        "[]",
        "null",
        "{}",
        "\u{1}",
        r#"{"update_id":"1"}"#,
        r#"{"update_id":1,"callback_query":{"id":"1"}}"#,
    ] {
        assert_eq!(receive_body(&host(), body).fault().code, FaultCode::Unreadable, "{body}");
    }
}

#[test]
fn a_cut_update_gives_a_fault_at_every_length() {
    let whole = fixtures().inbound_case("callback").request.body;
    let end = whole.trim_ascii_end().len();
    for length in 0..end {
        let run = receive_body(&host(), whole.slice(..length));
        assert_eq!(run.fault().code, FaultCode::Unreadable, "at {length}");
    }
}

#[test]
fn nothing_that_leaves_holds_a_file_address() {
    for case in fixtures().inbound() {
        let text = serde_json::to_string(&receive(&case.name).effects).unwrap();
        assert!(!text.contains("api.telegram.org"), "{}", case.name);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let run = receive_body(&host(), body);
        prop_assert!(run.effects.iter().all(|effect| matches!(effect, Effect::Emit(_))));
    }

    #[test]
    fn arbitrary_texts_arrive_whole(text in "[^/]\\PC{0,200}") {
        let body = json!({ "update_id": 1, "message": { "message_id": 2, "date": 3, "chat": { "id": 4, "type": "private" },
            "from": { "id": 4, "is_bot": false, "first_name": "A" }, "text": text } });
        let run = receive_body(&host(), body.to_string());
        let [Event::Message(message)] = run.events()[..] else { panic!("no message") };
        prop_assert_eq!(&message.content, &Content::text(text));
    }
}
