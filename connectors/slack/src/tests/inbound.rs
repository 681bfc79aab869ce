//! Webhooks to events, kind by kind.

use insta::assert_json_snapshot;
use portico_contract::{Content, Effect, Event, FaultCode, InboundMessage, Next, Payload, Scope};
use portico_suite::{Fixtures, TestContext, receive, sign};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DIR, case, events, host, take_in, wrap_json};

fn message(name: &str) -> InboundMessage {
    match events(name, json!({})).into_iter().next() {
        Some(Event::Message(message)) => message,
        other => panic!("{name}: {other:?}"),
    }
}

/// One line per event: kind, place, and what it says.
fn told(name: &str, config: Value) -> Vec<String> {
    let place = |event: &Event| {
        event.thread().map_or("-".to_owned(), |thread| format!("{} {}", thread.channel, thread.key))
    };
    let says = |content: &Content| serde_json::to_string(&content.clone().into_parts().1).unwrap();
    events(name, config)
        .iter()
        .map(|event| {
            let at = place(event);
            match event {
                Event::Message(message) => format!("message {at}: {}", says(&message.content)),
                Event::Edit(edit) => format!("edit {at} {}: {}", edit.external_id, says(&edit.content)),
                Event::Deletion(gone) => format!("deletion {at} {}", gone.external_id),
                Event::Reaction(one) => {
                    format!("reaction {at} {} {} {}", one.external_id, one.reaction, one.added)
                }
                Event::Custom(custom) => format!("{} {at}", custom.name),
                other => format!("{other:?}"),
            }
        })
        .collect()
}

#[test]
fn a_direct_message() {
    assert_json_snapshot!(events("message_dm", json!({})), @r#"
    [
      {
        "kind": "message",
        "external_id": "1750000100.000100",
        "dedupe": "T0SHOPTEAM:D0ADA:1750000100.000100",
        "thread": {
          "channel": "dm",
          "key": "D0ADA",
          "tags": {
            "id": "D0ADA"
          }
        },
        "author": {
          "id": "U0ADA"
        },
        "sent_at": 1750000100000,
        "content": {
          "type": "text",
          "payload": {
            "text": "Where is my order?"
          }
        },
        "tags": {
          "channelId": "D0ADA",
          "ts": "1750000100.000100",
          "userId": "U0ADA"
        }
      }
    ]
    "#);
}

#[test]
fn messages_say_what_a_person_reads() {
    for (name, expected) in [
        (
            "message_channel",
            r#"message thread C0ORDERS/1750000100.000100: {"text":"Is anybody <here> & awake?"}"#,
        ),
        ("message_group_dm", r#"message thread G0MPIM/1750000100.000100: {"text":"hi all"}"#),
        ("message_thread_reply", r#"message thread C0ORDERS/1750000050.000200: {"text":"the blue one"}"#),
        ("message_dm_thread", r#"message thread D0ADA/1750000050.000200: {"text":"in the assistant"}"#),
        ("message_broadcast", r#"message thread C0ORDERS/1750000050.000200: {"text":"for all"}"#),
        ("message_me", r#"message thread C0ORDERS/1750000100.000100: {"text":"waves"}"#),
        (
            "message_markup",
            r#"message thread C0ORDERS/1750000100.000100: {"text":"@U0SHOPBOT ask @bob in #sales about the offer (https://shop.example/a?b=1&c=2), @here by Sunday a@shop.example"}"#,
        ),
        ("app_mention", r#"message thread C0ORDERS/1750000100.000100: {"text":"@U0SHOPBOT hello"}"#),
        ("message_forwarded", r#"message thread C0ORDERS/1750000100.000100: {"text":"look at <this>"}"#),
    ] {
        let told = told(name, json!({}));
        let told = told.join("\n").replace("mailto:a@shop.example", "a@shop.example");
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn files_are_held_by_the_gateway() {
    let at = |name: &str| format!("portico-media:https://files.slack.com/files-pri/T0SHOPTEAM-{name}");
    assert_eq!(
        message("file_share_image").content.into_parts(),
        (
            "image".into(),
            json!({ "imageUrl": at("F01/download/cat.png"), "mimeType": "image/png", "fileName": "cat.png", "size": 1234 })
        )
    );
    assert_json_snapshot!(message("file_share_several").content, @r#"
    {
      "type": "bloc",
      "payload": {
        "items": [
          {
            "payload": {
              "text": "see these"
            },
            "type": "text"
          },
          {
            "payload": {
              "fileName": "a.pdf",
              "fileUrl": "portico-media:https://files.slack.com/files-pri/T0SHOPTEAM-F02/download/a.pdf",
              "mimeType": "application/pdf",
              "size": 1234,
              "title": "Invoice 7"
            },
            "type": "file"
          },
          {
            "payload": {
              "fileName": "clip.mp4",
              "mimeType": "video/mp4",
              "size": 1234,
              "videoUrl": "portico-media:https://files.slack.com/files-pri/T0SHOPTEAM-F03/download/clip.mp4"
            },
            "type": "video"
          },
          {
            "payload": {
              "audioUrl": "portico-media:https://files.slack.com/files-pri/T0SHOPTEAM-F04/download/voice.webm",
              "fileName": "voice.webm",
              "mimeType": "video/webm",
              "size": 1234
            },
            "type": "audio"
          }
        ]
      }
    }
    "#);
    assert_eq!(message("file_in_mention").content.kind(), "bloc");
    assert_eq!(message("file_connect").content.into_parts().1, json!({ "fileUrl": "portico-media:id:F06" }));
    assert_eq!(message("file_external").content.into_parts().1["fileUrl"], "https://docs.example/d/1");
    assert_eq!(told("file_deleted", json!({})), ["event -"]);
}

#[test]
fn the_operator_chooses_where_a_channel_is_answered() {
    let at = |place: &str| told("message_group_dm", json!({ "reply_place": place }));
    assert_eq!(at("channel"), [r#"message channel G0MPIM: {"text":"hi all"}"#]);
    assert_eq!(at("thread"), [r#"message thread G0MPIM/1750000100.000100: {"text":"hi all"}"#]);
    assert_eq!(at("channel_and_thread").len(), 2);
    let both = events("message_channel", json!({ "reply_place": "channelAndThread" }));
    let [Event::Message(first), Event::Message(second)] = both.as_slice() else { panic!("{both:?}") };
    assert_eq!((first.tags.get("forkedToThread"), second.tags.get("forkedToThread")), (Some("true"), None));
    assert_eq!(
        (first.thread.tags.get("isBotReplyThread"), second.thread.tags.get("isBotReplyThread")),
        (None, Some("true"))
    );
    assert_ne!(both[0].dedupe_key(), both[1].dedupe_key());
    assert_eq!(told("edit", json!({ "reply_place": "channel_and_thread" })).len(), 2);
    assert_eq!(
        told("delete", json!({ "reply_place": "channel" })),
        ["deletion channel C0ORDERS 1750000100.000100"]
    );
}

#[test]
fn a_message_and_its_mention_are_one() {
    let (message, mention) = (&events("message_channel", json!({}))[0], &events("app_mention", json!({}))[0]);
    assert_eq!(message.dedupe_key(), mention.dedupe_key());
    let Event::Message(mention) = mention else { panic!() };
    assert_eq!(mention.tags.get("mentionsBot"), Some("true"));
}

#[test]
fn only_mentions_when_the_operator_wants_so() {
    let count = |name: &str| events(name, json!({ "only_on_mention": true })).len();
    assert_eq!(
        (count("app_mention"), count("message_markup"), count("message_dm"), count("payload_button")),
        (1, 1, 1, 1)
    );
    assert_eq!(
        (count("message_channel"), count("message_thread_reply"), count("edit"), count("delete")),
        (0, 0, 0, 0)
    );
    assert_eq!((count("edit_dm"), count("command")), (1, 1));
}

#[test]
fn echoes_and_service_messages_are_nothing() {
    for name in [
        "message_own",
        "message_own_by_user_id",
        "message_other_bot",
        "message_hidden",
        "message_joined_service",
        "change_unfurl",
        "change_reply_count",
        "edit_own",
        "delete_own",
        "reaction_own",
        "payload_button_url",
        "payload_block_suggestion",
        "url_verification",
    ] {
        assert_eq!(told(name, json!({})), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_bot_is_known_from_its_installation_too() {
    let mut body: Value = serde_json::from_slice(&case("message_own_by_user_id").body).unwrap();
    body.as_object_mut().unwrap().remove("authorizations");
    let mut request = case("message_own_by_user_id");
    request.body = body.to_string().into();
    assert_eq!(
        take_in(&host(), json!({}), request.clone()).events().len(),
        1,
        "nobody said that it is the bot"
    );
    let knowing = host().state(Scope::Installation, "bot", r#"{"user_id":"U0SHOPBOT","at":1}"#);
    assert_eq!(take_in(&knowing, json!({}), request).events().len(), 0);
}

#[test]
fn edits_deletions_and_reactions_name_the_message_and_its_place() {
    for (name, expected) in [
        ("edit", r#"edit thread C0ORDERS/1750000100.000100 1750000100.000100: {"text":"hello"}"#),
        ("edit_dm", r#"edit dm D0ADA 1750000100.000100: {"text":"hello"}"#),
        ("edit_in_thread", r#"edit thread C0ORDERS/1750000050.000200 1750000100.000100: {"text":"hello"}"#),
        ("delete", "deletion thread C0ORDERS/1750000100.000100 1750000100.000100"),
        ("delete_root", "deletion thread C0ORDERS/1750000100.000100 1750000100.000100"),
        // The bot's own message was posted to the channel, so that is where it is.
        ("reaction_added", "reaction channel C0ORDERS 1750000100.000100 thumbsup::skin-tone-3 true"),
        ("reaction_removed", "reaction thread C0ORDERS/1750000100.000100 1750000100.000100 eyes false"),
        ("reaction_dm", "reaction dm D0ADA 1750000100.000100 thumbsup::skin-tone-3 true"),
        ("reaction_on_file", "event -"),
    ] {
        assert_eq!(told(name, json!({})), [expected], "{name}");
    }
}

#[test]
fn what_is_no_message_comes_under_slacks_name() {
    for (name, expected) in [
        ("member_joined_channel", "memberJoinedChannel channel C0ORDERS"),
        ("member_joined_self", "memberJoinedChannel channel C0ORDERS"),
        ("member_left_channel", "memberLeftChannel channel C0ORDERS"),
        ("team_join", "memberJoinedWorkspace -"),
        ("assistant_thread_started", "assistantThreadStarted thread D0ADA/1750000170.000700"),
        ("app_rate_limited", "appRateLimited -"),
        ("app_uninstalled", "appUninstalled -"),
        ("tokens_revoked", "tokensRevoked -"),
        ("app_home_opened", "event -"),
        ("channel_rename", "event -"),
        ("future_event", "event -"),
        ("message_new_subtype", "event -"),
        ("message_empty", "event -"),
        ("payload_action_in_view", "blockAction -"),
        ("payload_shortcut", "shortcut -"),
        ("payload_message_action", "messageAction thread C0ORDERS/1750000050.000200"),
        ("payload_view_submission", "viewSubmission -"),
        ("payload_view_closed", "viewClosed -"),
        ("payload_dialog_submission", "interaction channel C0ORDERS"),
    ] {
        assert_eq!(told(name, json!({})), [expected], "{name}");
    }
    let data = |name: &str| match events(name, json!({})).remove(0) {
        Event::Custom(custom) => custom,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        data("member_joined_self").data,
        json!({ "userId": "U0SHOPBOT", "channelId": "C0ORDERS", "isSelf": true, "inviterId": "U0ADA" })
    );
    assert_eq!(data("future_event").data["event"]["type"], "hologram_shared");
    let eve = data("team_join").author.unwrap();
    assert_eq!(
        (eve.name.as_deref(), eve.tags.get("email"), eve.tags.get("is_admin")),
        (Some("eve"), Some("eve@shop.example"), Some("true"))
    );
    let sent = data("payload_view_submission").data;
    assert_eq!(
        (&sent["view"]["state"]["values"]["b"]["a"]["value"], sent.get("token")),
        (&json!("Fine"), None)
    );
    assert!(
        sent["responseId"].is_string() && !sent.to_string().contains("hooks.slack.com"),
        "a response address stays with the gateway"
    );
    assert_eq!(data("payload_message_action").message.as_deref(), Some("1750000100.000100"));
}

#[test]
fn every_element_is_a_text_with_a_value() {
    for (name, text, value) in [
        ("button", "Yes please", "yes"),
        ("button_dm", "No", "no"),
        ("button_ephemeral", "Ok", "ok"),
        ("button_without_value", "Info", "info"),
        ("button_say", "When are you open?", "When are you open?"),
        ("button_stored", "Long", "portico:key0"),
        ("static_select", "Size M", "m"),
        ("external_select", "Vienna", "vie"),
        ("overflow", "Delete", "del"),
        ("radio_buttons", "Blue", "blue"),
        ("radio_cleared", "el_0", ""),
        ("checkboxes", "A, B", r#"["a","b"]"#),
        ("checkboxes_none", "[]", "[]"),
        ("multi_static_select", "A", r#"["a"]"#),
        ("multi_external_select", "A, C", r#"["a","c"]"#),
        ("users_select", "U0BOB", "U0BOB"),
        ("multi_users_select", "U0BOB, U0EVE", r#"["U0BOB","U0EVE"]"#),
        ("conversations_select", "C0ORDERS", "C0ORDERS"),
        ("multi_conversations_select", "C0ORDERS, C2", r#"["C0ORDERS","C2"]"#),
        ("channels_select", "C0ORDERS", "C0ORDERS"),
        ("multi_channels_select", "C0ORDERS", r#"["C0ORDERS"]"#),
        ("datepicker", "2026-02-01", "2026-02-01"),
        ("timepicker", "08:30", "08:30"),
        ("datetimepicker", "1750009999", "1750009999"),
        ("plain_text_input", "Ring twice", "Ring twice"),
        ("email_text_input", "a@shop.example", "a@shop.example"),
        ("number_input", "42", "42"),
        ("rich_text_input", r#"{"elements":[],"type":"rich_text"}"#, r#"{"elements":[],"type":"rich_text"}"#),
        ("interactive_message", "chess", "chess"),
        ("interactive_message_select", "maze", "maze"),
    ] {
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        assert_eq!(
            message(&format!("payload_{name}")).content,
            Content::Text { text: text.into(), value },
            "{name}"
        );
    }
    assert_eq!(events("payload_two_actions", json!({})).len(), 2);
}

#[test]
fn a_press_knows_its_message_place_and_response_address() {
    let run = take_in(&host(), json!({}), case("payload_button"));
    let write = run
        .effects
        .iter()
        .find_map(|effect| if let Effect::Write(write) = effect { Some(write) } else { None })
        .unwrap();
    assert_eq!((write.key.as_str(), write.lifetime_s), ("response:press-1750000210.000900", Some(1800)));
    assert_json_snapshot!(run.events(), @r#"
    [
      {
        "kind": "message",
        "external_id": "press-1750000210.000900",
        "dedupe": "T0SHOPTEAM:C0ORDERS:1750000200.000100:U0ADA:choice_0:1750000210.000900",
        "thread": {
          "channel": "thread",
          "key": "C0ORDERS/1750000050.000200",
          "tags": {
            "id": "C0ORDERS",
            "thread": "1750000050.000200",
            "title": "orders"
          }
        },
        "author": {
          "id": "U0ADA",
          "name": "ada"
        },
        "sent_at": 1750000210000,
        "content": {
          "type": "text",
          "payload": {
            "text": "Yes please",
            "value": "yes"
          }
        },
        "reply_to": "1750000200.000100",
        "tags": {
          "actionId": "choice_0",
          "blockId": "b1",
          "channelId": "C0ORDERS",
          "triggerId": "11.22.abc",
          "userId": "U0ADA"
        }
      }
    ]
    "#);
    assert_eq!(message("payload_button_dm").thread.channel, "dm");
    let stored = host().state(Scope::Installation, "value:key0", "a very long value");
    let Event::Message(pressed) =
        take_in(&stored, json!({}), case("payload_button_stored")).events()[0].clone()
    else {
        panic!()
    };
    assert_eq!(
        pressed.content,
        Content::Text { text: "Long".into(), value: Some("a very long value".into()) }
    );
}

#[test]
fn commands_are_texts_with_a_tag() {
    let command = message("command");
    assert_eq!(command.content, Content::text("/order 42 now & then"));
    assert_eq!(
        (command.tags.get("command"), command.tags.get("triggerId")),
        (Some("/order"), Some("33.44.def"))
    );
    assert_eq!(
        (command.thread.channel.as_ref(), command.thread.tags.get("title")),
        ("channel", Some("orders"))
    );
    assert_eq!(
        (command.external_id.as_str(), command.author.name.as_deref()),
        ("command-33.44.def", Some("ada"))
    );
    let bare = message("command_bare_dm");
    assert_eq!(
        (bare.content, bare.thread.key, bare.thread.tags.get("title")),
        (Content::text("/order"), "D0ADA".into(), None)
    );
    let run = take_in(&host(), json!({}), case("command"));
    assert!(
        run.effects.iter().any(
            |effect| matches!(effect, Effect::Write(write) if write.key == "response:command-33.44.def")
        )
    );
}

#[test]
fn slack_gets_the_answers_that_it_waits_for() {
    let reply = |name: &str| take_in(&host(), json!({}), case(name)).reply.unwrap();
    let challenge = reply("url_verification");
    assert_eq!((challenge.status, challenge.body), (200, Payload::Text("c4Kq0invented".into())));
    assert_eq!(challenge.headers[0].value, "text/plain");
    assert_eq!(reply("payload_block_suggestion").body, Payload::Text(r#"{"options":[]}"#.into()));
    assert!(
        take_in(&host(), json!({}), case("payload_view_submission")).reply.is_none(),
        "an empty 200 closes the view"
    );
    let unsigned =
        receive(&*crate::connector(), &host(), &TestContext::with(json!({})), &case("url_verification"));
    assert_eq!(unsigned.unwrap_err().code, FaultCode::Unauthenticated, "a handshake is signed, too");
}

#[test]
fn probes_are_answered_unsigned_and_store_nothing() {
    let mut get = portico_suite::post("");
    get.method = http::Method::GET;
    get.query = "ssl_check=1&token=legacy".into();
    let mut form = portico_suite::post("ssl_check=1&token=legacy");
    form.headers.insert("content-type", http::HeaderValue::from_static("application/x-www-form-urlencoded"));
    for request in [get, form.clone(), sign(&host(), form)] {
        let turn = receive(&*crate::connector(), &host(), &TestContext::with(json!({})), &request).unwrap();
        assert_eq!((turn.effects.len(), turn.next), (0, Next::Done(portico_contract::Outcome::Nothing)));
        assert!(turn.reply.is_none_or(|reply| reply.status == 200 && reply.body == Payload::Empty));
    }
}

#[test]
fn a_dead_token_is_remembered() {
    let revoked = |name: &str| {
        let run = take_in(&host(), json!({}), case(name));
        run.effects.iter().any(
            |effect| matches!(effect, Effect::Write(write) if write.key == "revoked" && write.data.is_some()),
        )
    };
    assert!(revoked("app_uninstalled") && revoked("tokens_revoked"));
    assert!(!revoked("tokens_revoked_of_a_person"));
    let newer = host().state(Scope::Installation, "bot", r#"{"user_id":"U0SHOPBOT","at":1999999999000}"#);
    assert_eq!(
        take_in(&newer, json!({}), case("app_uninstalled")).effects.len(),
        1,
        "old news after a new installation"
    );
}

#[test]
fn what_can_not_be_read_names_the_field() {
    for (name, path) in [
        ("unreadable_no_ts", "event.ts"),
        ("unreadable_ts", "event.ts"),
        ("unreadable_no_channel", "event.channel"),
        ("unreadable_files", "event.files"),
        ("unreadable_command", "user_id"),
        ("unreadable_form", "payload"),
    ] {
        let run = take_in(&host(), json!({}), case(name));
        assert_eq!(run.fault().code, FaultCode::Unreadable, "{name}");
        assert!(run.fault().message.contains(path), "{name}: {}", run.fault());
    }
}

#[test]
fn every_fixture_ends_in_one_turn() {
    for case in Fixtures::of(DIR).inbound().iter().filter(|case| !case.name.starts_with("unreadable_")) {
        let run = take_in(&host(), json!({}), super::case(&case.name));
        assert_eq!(run.requests.len(), 0, "{}", case.name);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_turn_or_a_fault(body in proptest::collection::vec(any::<u8>(), 0..300), form: bool) {
        let mut request = portico_suite::post(body);
        if form {
            request.headers.insert("content-type", http::HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let request = sign(&host(), request);
        let turn = receive(&*crate::connector(), &host(), &TestContext::with(json!({})), &request);
        if let Err(fault) = turn {
            prop_assert_eq!(fault.code, FaultCode::Unreadable);
        }
    }

    #[test]
    fn any_texts_in_any_place_are_a_turn_or_a_fault(kind in "block_actions|shortcut|view_closed|[a-z]{1,5}", text in ".{0,20}", id in ".{0,12}", ts in "[0-9.]{0,20}") {
        let action = json!({ "type": kind, "action_id": id, "text": { "text": text }, "value": text, "action_ts": ts });
        let mut request = portico_suite::post("");
        wrap_json(&json!({ "type": kind, "user": { "id": id }, "channel": { "id": id }, "actions": [action], "trigger_id": text }), &mut request);
        let request = sign(&host(), request);
        match receive(&*crate::connector(), &host(), &TestContext::with(json!({})), &request) {
            Ok(turn) => prop_assert!(matches!(turn.next, Next::Done(_))),
            Err(fault) => prop_assert_eq!(fault.code, FaultCode::Unreadable),
        }
    }
}
