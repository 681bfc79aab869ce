//! Messages out, calls of the Bot API.

use portico_contract::{Content, Effect, Event, FaultCode, OutboundMessage, Outcome, Payload};
use portico_suite::{Answer, Job, Run, TestHost, json_answer, post, run, script, sign, text_answer};
use serde_json::{Value, json};

use super::{ctx, fixtures, host, noted, refusal, success};
use crate::connector;

fn deliver(
    message: OutboundMessage,
    answers: impl FnMut(&portico_contract::OutboundRequest) -> Answer,
) -> Run {
    run(connector().as_ref(), &host(), &ctx(), Job::Deliver(message), answers)
}

fn case(name: &str) -> OutboundMessage {
    fixtures().outbound_case(name)
}

fn sent(id: i64) -> Answer {
    Ok(json_answer(200, json!({ "ok": true, "result": { "message_id": id, "chat": { "id": 5 } } })))
}

fn methods(run: &Run) -> Vec<String> {
    run.requests.iter().map(|request| request.url.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_fixture_renders_as_noted() {
    for (name, message) in fixtures().outbound() {
        let run = deliver(message, |request| Ok(success(request)));
        let states: Vec<Value> = run
            .effects
            .iter()
            .map(|effect| match effect {
                Effect::Write(write) => json!({
                    "key": write.key,
                    "data": serde_json::from_slice::<Value>(write.data.as_deref().unwrap_or_default()).unwrap(),
                }),
                other => json!(other),
            })
            .collect();
        let noted = match &run.outcome {
            Ok(_) => {
                json!({ "calls": run.requests.iter().map(noted).collect::<Vec<_>>(), "effects": states })
            }
            Err(fault) => json!({ "fault": fault }),
        };
        insta::assert_json_snapshot!(format!("outbound__{name}"), noted);
    }
}

#[test]
fn ids_of_all_pieces_are_told_and_the_first_is_the_tag() {
    let run = deliver(case("several_parts"), script([sent(7), sent(8), sent(9)]));
    let delivered = run.delivered();
    assert_eq!(delivered.external_ids, ["7", "8", "9"]);
    assert_eq!(delivered.tags.get("id"), Some("7"));
    assert_eq!(delivered.tags.get("chatId"), Some("5"));
}

#[test]
fn only_the_first_piece_is_a_reply() {
    let mut message = case("several_parts");
    message.reply_to = Some("390".into());
    let run = deliver(message.clone(), |request| Ok(success(request)));
    assert_eq!(
        run.json(0)["reply_parameters"],
        json!({ "message_id": 390, "allow_sending_without_reply": true })
    );
    assert_eq!(run.json(1).get("reply_parameters"), None);
    // A press of a button has no message id to answer.
    message.reply_to = Some("4400000000000000001".into());
    let run = deliver(message, |request| Ok(success(request)));
    assert_eq!(run.json(0).get("reply_parameters"), None);
}

#[test]
fn markup_that_is_not_understood_is_sent_plain() {
    let run =
        deliver(case("text"), script([refusal("Bad Request: can't parse entities: unclosed"), sent(7)]));
    assert_eq!(run.json(1).get("parse_mode"), None);
    assert_eq!(run.json(1)["text"], "The ferry is on time at 3 < 4.");
    assert_eq!(run.delivered().external_ids, ["7"]);
    let twice = deliver(
        case("text"),
        script([
            refusal("Bad Request: can't parse entities: x"),
            refusal("Bad Request: can't parse entities: x"),
        ]),
    );
    assert_eq!(twice.fault().code, portico_contract::FaultCode::Rejected);
}

fn picture(media_type: &str) -> Answer {
    let mut answer = text_answer(200, "bytes");
    answer.headers = vec![portico_contract::Field::new("content-type", media_type)];
    Ok(answer)
}

#[test]
fn a_page_in_place_of_a_picture_is_not_sent_on() {
    let answers = [
        refusal("Bad Request: wrong type of the web page content"),
        picture("text/html; charset=utf-8"),
        sent(7),
    ];
    let run = deliver(case("image"), script(answers));
    assert_eq!(methods(&run), ["sendPhoto", "pier.jpg", "sendMessage"]);
}

#[test]
fn a_photo_that_telegram_cannot_fetch_is_uploaded() {
    let picture = picture("image/jpeg");
    let run = deliver(
        case("image"),
        script([refusal("Bad Request: failed to get HTTP URL content"), picture, sent(7)]),
    );
    assert_eq!(methods(&run), ["sendPhoto", "pier.jpg", "sendPhoto"]);
    assert_eq!(run.requests[1].keep, portico_contract::Keep::Stored);
    assert!(run.requests[1].slots.is_empty(), "the token goes to Telegram only");
    insta::assert_json_snapshot!("upload", noted(&run.requests[2]));
}

#[test]
fn a_picture_that_is_none_becomes_a_document_and_then_a_link() {
    let picture = || picture("image/svg+xml");
    let run =
        deliver(case("image"), script([refusal("Bad Request: IMAGE_PROCESS_FAILED"), picture(), sent(7)]));
    assert_eq!(methods(&run), ["sendPhoto", "pier.jpg", "sendDocument"]);
    let run = deliver(
        case("image"),
        script([
            refusal("Bad Request: wrong type of the web page content"),
            picture(),
            refusal("Bad Request: PHOTO_INVALID_DIMENSIONS"),
            picture(),
            refusal("Bad Request: file is too big"),
            sent(9),
        ]),
    );
    assert_eq!(
        methods(&run),
        ["sendPhoto", "pier.jpg", "sendPhoto", "pier.jpg", "sendDocument", "sendMessage"]
    );
    assert_eq!(run.json(5)["text"], "The pier\nhttps://files.example/pier.jpg");
    assert_eq!(run.delivered().external_ids, ["9"]);
}

#[test]
fn a_file_that_nobody_can_fetch_goes_out_as_a_link() {
    for failed in [Ok(text_answer(404, "gone")), Err(portico_contract::TransportFailure::Denied)] {
        let run = deliver(
            case("card"),
            script([refusal("Bad Request: failed to get HTTP URL content"), failed, sent(7)]),
        );
        assert_eq!(methods(&run), ["sendPhoto", "pier.jpg", "sendMessage"]);
        assert_eq!(
            run.json(2)["text"],
            "<b>Ferry &amp; co</b>\nLeaves at <i>nine</i>\nhttps://files.example/pier.jpg"
        );
        assert!(run.json(2)["reply_markup"]["inline_keyboard"].is_array(), "its buttons stay");
    }
}

#[test]
fn speech_becomes_a_sound_file_and_then_a_link() {
    let run = deliver(
        case("audio_voice"),
        script([
            refusal("Bad Request: VOICE_MESSAGES_FORBIDDEN"),
            refusal("Bad Request: wrong file identifier/HTTP URL specified"),
            Ok(text_answer(404, "gone")),
            sent(7),
        ]),
    );
    assert_eq!(methods(&run), ["sendVoice", "sendAudio", "hello.ogg", "sendMessage"]);
}

#[test]
fn a_group_that_moved_gets_the_message_at_its_new_id() {
    let moved = fixtures().answer("moved");
    let mut message = case("text");
    message.thread = portico_contract::Thread::new(
        "channel",
        &["chatId", "threadId"],
        portico_contract::Tags::new().with("chatId", "-4100000003"),
    );
    let run = deliver(message, script([Ok(moved), sent(7)]));
    assert_eq!(run.json(1)["chat_id"], -1_001_900_000_003_i64);
    let [Event::Identity(change)] = run.events()[..] else { panic!("{:?}", run.effects) };
    assert_eq!(change.event_id, "-4100000003:-1001900000003");
    assert_eq!(run.delivered().external_ids, ["7"]);
}

#[test]
fn an_address_that_no_button_may_open_stands_in_the_text() {
    let run = deliver(case("carousel"), |request| {
        let text = match &request.body {
            Payload::Text(text) => text.clone(),
            _ => String::new(),
        };
        if text.contains("\"url\"") {
            refusal("Bad Request: BUTTON_URL_INVALID")
        } else {
            Ok(success(request))
        }
    });
    assert_eq!(methods(&run), ["sendMessage", "sendPhoto", "sendPhoto", "sendMessage"]);
    assert_eq!(run.json(2).get("reply_markup"), None);
    assert_eq!(run.json(3)["text"], "Site: https://ferry.example/1");
}

#[test]
fn a_failed_attempt_goes_on_where_it_stopped() {
    let host = host();
    let failed = run(
        connector().as_ref(),
        &host,
        &ctx(),
        Job::Deliver(case("several_parts")),
        script([
            sent(7),
            Ok(json_answer(500, json!({ "ok": false, "error_code": 500, "description": "Internal" }))),
        ]),
    );
    assert_eq!(failed.fault().code, portico_contract::FaultCode::Unavailable);
    let asked = failed.requests.last().unwrap();
    let again = portico_contract::HttpAnswer { label: asked.label.clone(), outcome: sent(8) };
    let memo = failed.memo.clone().unwrap();
    let rest =
        portico_suite::resume(connector().as_ref(), &host, &ctx(), &memo, vec![again], script([sent(9)]));
    assert_eq!(rest.delivered().external_ids, ["7", "8", "9"]);
}

/// Presses a button of a sent keyboard and returns what the bot gets.
fn press(host: &TestHost, button: &Value) -> Content {
    let data = button["callback_data"].as_str().unwrap();
    assert!((1..=64).contains(&data.len()), "{data}");
    let update = json!({ "update_id": 1, "callback_query": { "id": "1", "chat_instance": "1", "data": data,
        "from": { "id": 4, "is_bot": false, "first_name": "A" },
        "message": { "message_id": 2, "date": 0, "chat": { "id": 4, "type": "private" } } } });
    let request = sign(host, post(update.to_string()));
    let run = run(connector().as_ref(), host, &ctx(), Job::Webhook(request), |request| Ok(success(request)));
    match run.events()[..] {
        [Event::Message(message)] => message.content.clone(),
        _ => panic!("{run:?}"),
    }
}

#[test]
fn long_values_and_labels_come_back_whole() {
    let host = host();
    let run = run(connector().as_ref(), &host, &ctx(), Job::Deliver(case("choice_long_values")), |r| {
        Ok(success(r))
    });
    let keyboard = run.json(0)["reply_markup"]["inline_keyboard"].clone();
    let buttons: Vec<Value> =
        keyboard.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap().clone()).collect();
    let expected = [
        ("First".to_owned(), "v".repeat(65)),
        ("L".repeat(70), "second".into()),
        ("Third".into(), "~k:forged".into()),
    ];
    for (button, (label, value)) in buttons.iter().zip(expected) {
        assert_eq!(press(&host, button), Content::Text { text: label, value: Some(value) });
    }
}

#[test]
fn values_that_cannot_be_kept_are_refused_with_their_field() {
    let mut message = case("choice_long_values");
    let [Content::Choice(options)] = message.parts.as_mut_slice() else { panic!("no choice") };
    options.options.iter_mut().for_each(|option| option.value = "v".repeat(100_000));
    let fault = deliver(message, |request| Ok(success(request))).fault().clone();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some("/parts/0/options")));
}

#[test]
fn more_than_a_hundred_options_fill_several_messages() {
    let run = deliver(case("dropdown_101"), |request| Ok(success(request)));
    assert_eq!(run.json(0)["reply_markup"]["inline_keyboard"].as_array().map(Vec::len), Some(100));
    assert_eq!(run.json(1)["text"], "Which berth? (2/2)");
    assert_eq!(
        run.json(1)["reply_markup"]["inline_keyboard"],
        json!([[{ "text": "Berth 101", "callback_data": "b101" }]])
    );
}

#[test]
fn registration_sets_the_webhook_with_its_secret_and_learns_the_name() {
    let host = TestHost::with_all_secrets(connector().manifest());
    let ctx = portico_suite::TestContext::with(json!({
        "api_url": "http://127.0.0.1:9100/", "drop_pending_updates": true, "max_connections": 10,
        "commands": [{ "command": "help", "description": "What I can do" }],
    }));
    let first = run(connector().as_ref(), &host, &ctx, Job::Register, |request| Ok(success(request)));
    assert_eq!(first.outcome, Ok(Outcome::Nothing));
    insta::assert_json_snapshot!("registration", first.requests.iter().map(noted).collect::<Vec<_>>());
    assert_eq!(host.stored(&portico_contract::Scope::Installation, "me").unwrap(), super::ME);
    let second = run(connector().as_ref(), &host, &ctx, Job::Register, |request| Ok(success(request)));
    assert_eq!(second.json(0)["drop_pending_updates"], false, "only the first time");
    let gone = run(connector().as_ref(), &host, &ctx, Job::Unregister, |request| Ok(success(request)));
    assert_eq!(gone.requests[0].url, "http://127.0.0.1:9100/bot{token}/deleteWebhook");
}

#[test]
fn a_webhook_that_telegram_will_not_have_is_a_fault_of_the_configuration() {
    let answer = |_: &_| refusal("Bad Request: bad webhook: HTTPS url must be provided for webhook");
    let run = run(connector().as_ref(), &host(), &ctx(), Job::Register, answer);
    assert_eq!(run.fault().code, portico_contract::FaultCode::BadConfig);
}
