//! What bots ask for.

use portico_contract::{ActionCall, Content, FaultCode, Keep, Media, MessageRef, Tags, Thread};
use portico_suite::{Answer, Job, Run, json_answer, run, script, text_answer};
use serde_json::{Value, json};

use super::{ctx, host, noted, refusal, success};
use crate::connector;

fn thread() -> Thread {
    Thread::new(
        "channel",
        &["chatId", "threadId"],
        Tags::new().with("chatId", "-1001900000002").with("threadId", "33"),
    )
}

fn business() -> Thread {
    Thread::new(
        "business",
        &["businessConnectionId", "chatId"],
        Tags::new().with("chatId", "5300100200").with("businessConnectionId", "BIZ-77"),
    )
}

fn call(name: &str, input: Value, ids: &[&str]) -> ActionCall {
    let message =
        MessageRef { external_ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..MessageRef::default() };
    ActionCall {
        name: name.into(),
        input,
        thread: Some(thread()),
        message: (!ids.is_empty()).then_some(message),
        idempotency_key: "k".into(),
    }
}

fn act(call: ActionCall) -> Run {
    run(connector().as_ref(), &host(), &ctx(), Job::Act(call), |request| Ok(success(request)))
}

fn act_with(call: ActionCall, answers: impl IntoIterator<Item = Answer>) -> Run {
    run(connector().as_ref(), &host(), &ctx(), Job::Act(call), script(answers))
}

#[test]
fn typing_is_shown_in_the_topic() {
    let run = act(call("startTypingIndicator", json!({}), &[]));
    assert_eq!(
        run.json(0),
        json!({ "chat_id": -1_001_900_000_002_i64, "action": "typing", "message_thread_id": 33 })
    );
    run.output();
    assert!(act(call("stopTypingIndicator", json!({}), &[])).requests.is_empty());
}

#[test]
fn reactions_are_set_taken_off_and_checked() {
    let run = act(call("addReaction", json!({ "reaction": "❤️" }), &["7", "8"]));
    assert_eq!(
        run.json(0),
        json!({ "chat_id": -1_001_900_000_002_i64, "message_id": 7,
        "reaction": [{ "type": "emoji", "emoji": "❤" }] })
    );
    assert_eq!(act(call("removeReaction", json!({}), &["7"])).json(0)["reaction"], json!([]));
    let fault = act(call("addReaction", json!({ "reaction": "🦖" }), &["7"])).fault().clone();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some("/reaction")));
    let fault = act(call("addReaction", json!({ "reaction": "👍" }), &[])).fault().clone();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some("/messageId")));
}

#[test]
fn a_reaction_to_a_press_goes_to_the_message_with_the_button() {
    let mut call = call("addReaction", json!({ "reaction": "👍" }), &["4400000000000000001"]);
    if let Some(message) = &mut call.message {
        message.tags.set("pressedMessageId", "12");
    }
    assert_eq!(act(call).json(0)["message_id"], 12);
}

#[test]
fn a_text_is_edited_and_pieces_left_over_are_deleted() {
    let run =
        act(call("editMessage", json!({ "type": "text", "payload": { "text": "*new*" } }), &["7", "8"]));
    insta::assert_json_snapshot!("edit_of_two", run.requests.iter().map(noted).collect::<Vec<_>>());
    let long = "word ".repeat(2000);
    let fault = act(call("editMessage", json!({ "type": "text", "payload": { "text": long } }), &["7"]))
        .fault()
        .clone();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some("/payload")));
}

#[test]
fn an_edit_that_changes_nothing_succeeds() {
    let same = refusal(
        "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
    );
    act_with(call("editMessage", json!({ "type": "text", "payload": { "text": "same" } }), &["7"]), [same])
        .output();
}

#[test]
fn under_a_file_the_caption_is_edited() {
    let mut call = call("editMessage", json!({ "type": "text", "payload": { "text": "new" } }), &["7"]);
    if let Some(message) = &mut call.message {
        message.content = Some(Content::Image(Media::at("https://files.example/pier.jpg")));
    }
    let run = act(call);
    assert!(run.requests[0].url.ends_with("/editMessageCaption"));
    assert_eq!(run.json(0)["caption"], "new");
}

#[test]
fn what_cannot_be_edited_is_said() {
    let fault = act(call(
        "editMessage",
        json!({ "type": "location", "payload": { "latitude": 1, "longitude": 2 } }),
        &["7"],
    ))
    .fault()
    .clone();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::Unsupported, Some("/type")));
    let fault = act(call("editMessage", json!({ "type": "text", "payload": {} }), &["7"])).fault().clone();
    assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some("/payload/text")));
}

#[test]
fn a_message_that_is_gone_counts_as_deleted() {
    let run = act_with(
        call("deleteMessage", json!({}), &["7", "8"]),
        [
            refusal("Bad Request: message to delete not found"),
            Ok(json_answer(200, json!({ "ok": true, "result": true }))),
        ],
    );
    run.output();
    assert_eq!(run.requests.len(), 2);
    let fault = act_with(
        call("deleteMessage", json!({}), &["7"]),
        [refusal("Bad Request: message can't be deleted")],
    );
    assert_eq!(fault.fault().code, FaultCode::Forbidden);
}

#[test]
fn business_chats_have_methods_of_their_own() {
    let with = |name: &str| ActionCall { thread: Some(business()), ..call(name, json!({}), &["7"]) };
    let read = act(with("markAsRead"));
    assert!(read.requests[0].url.ends_with("/readBusinessMessage"));
    assert_eq!(
        read.json(0),
        json!({ "business_connection_id": "BIZ-77", "chat_id": 5_300_100_200_i64, "message_id": 7 })
    );
    assert_eq!(
        act(with("deleteMessage")).json(0),
        json!({ "business_connection_id": "BIZ-77", "message_ids": [7] })
    );
    assert_eq!(act(call("markAsRead", json!({}), &["7"])).fault().code, FaultCode::Unsupported);
}

#[test]
fn media_is_fetched_with_the_token_as_a_slot_and_kept() {
    let run = act(call("media", json!({ "handle": "PHOTO-large" }), &[]));
    assert_eq!(run.json(0), json!({ "file_id": "PHOTO-large" }));
    let download = &run.requests[1];
    assert_eq!(download.url, "https://api.telegram.org/file/bot{token}/photos/file_7.jpg");
    assert_eq!((download.keep, download.slots.len()), (Keep::Stored, 1));
    assert_eq!(run.output(), &json!({ "blob": "blob-2" }));
}

#[test]
fn paths_that_lead_elsewhere_are_not_followed() {
    for path in [
        "",
        "/var/lib/file",
        "../../x",
        "a/../b",
        "a//b",
        "x?y",
        "x{token}",
        "x#y",
        "a%2e%2e/b",
        "http://evil",
    ] {
        let answer = json_answer(200, json!({ "ok": true, "result": { "file_id": "F", "file_path": path } }));
        let run = act_with(call("media", json!({ "handle": "F" }), &[]), [Ok(answer)]);
        assert_eq!(run.fault().code, FaultCode::Rejected, "{path}");
    }
}

#[test]
fn files_that_are_too_big_or_gone_are_faults() {
    let big =
        act_with(call("media", json!({ "handle": "F" }), &[]), [refusal("Bad Request: file is too big")]);
    assert_eq!(big.fault().code, FaultCode::Rejected);
    let found =
        json_answer(200, json!({ "ok": true, "result": { "file_id": "F", "file_path": "documents/a.pdf" } }));
    let gone =
        act_with(call("media", json!({ "handle": "F" }), &[]), [Ok(found), Ok(text_answer(404, "{}"))]);
    assert_eq!(gone.fault().code, FaultCode::NotFound);
}

#[test]
fn a_picture_of_a_person_is_the_largest_or_none() {
    let run = act(call("getUserPicture", json!({ "userId": "5300100200" }), &[]));
    assert_eq!(run.json(1), json!({ "file_id": "BIG" }));
    assert_eq!(run.output(), &json!({ "blob": "blob-3" }));
    let none = json_answer(200, json!({ "ok": true, "result": { "total_count": 0, "photos": [] } }));
    let run = act_with(call("getUserPicture", json!({ "userId": "5300100200" }), &[]), [Ok(none)]);
    assert_eq!(run.output(), &json!({}));
}

#[test]
fn other_methods_can_be_called_but_not_those_of_the_connection() {
    let run = act(call(
        "callMethod",
        json!({ "method": "pinChatMessage", "parameters": { "chat_id": 5, "message_id": 7 } }),
        &[],
    ));
    assert_eq!(run.json(0), json!({ "chat_id": 5, "message_id": 7 }));
    assert_eq!(run.output(), &json!({ "result": true }));
    for method in ["setWebhook", "DELETEWEBHOOK", "getUpdates", "logOut", "a/../b", "x{token}", ""] {
        let fault = act(call("callMethod", json!({ "method": method }), &[])).fault().clone();
        assert_eq!((fault.code, fault.field.as_deref()), (FaultCode::BadInput, Some("/method")), "{method}");
    }
    let missing = json_answer(404, json!({ "ok": false, "error_code": 404, "description": "Not Found" }));
    let run = act_with(call("callMethod", json!({ "method": "noSuchMethod" }), &[]), [Ok(missing)]);
    assert_eq!(run.fault().code, FaultCode::NotFound, "the token is not in doubt");
}
