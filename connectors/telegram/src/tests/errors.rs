//! Refusals, sorted.

use portico_contract::{FaultCode, HttpAnswer, TransportFailure};
use portico_suite::json_answer;
use serde_json::{Value, json};
use teloxide_core::ApiError;

use super::fixtures;
use crate::send::{Class, read, sort};

#[test]
fn errors_are_what_the_table_says() {
    use FaultCode as F;
    let media = |process| Class::Media { process };
    for (status, description, class, code) in [
        (400, "Bad Request: chat not found", Class::Final, F::NotFound),
        (400, "Bad Request: message thread not found", Class::Final, F::NotFound),
        (400, "Bad Request: TOPIC_CLOSED", Class::Final, F::Forbidden),
        (400, "Bad Request: message to be replied not found", Class::Final, F::NotFound),
        (400, "Bad Request: PEER_ID_INVALID", Class::Final, F::NotFound),
        (400, "Bad Request: message is too long", Class::Final, F::BadInput),
        (400, "Bad Request: MESSAGE_TOO_LONG", Class::Final, F::BadInput),
        (400, "Bad Request: message text is empty", Class::Final, F::BadInput),
        (400, "Bad Request: BUTTON_DATA_INVALID", Class::Final, F::BadInput),
        (400, "Bad Request: REACTION_INVALID", Class::Final, F::BadInput),
        (400, "Bad Request: BUTTON_URL_INVALID", Class::ButtonUrl, F::BadInput),
        (400, "Bad Request: can't parse entities: Unsupported start tag", Class::Markup, F::Rejected),
        (400, "Bad Request: message is not modified", Class::NotModified, F::Rejected),
        (
            400,
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
            Class::Gone,
            F::NotFound,
        ),
        (400, "Bad Request: failed to get HTTP URL content", media(false), F::Rejected),
        (400, "Bad Request: wrong file identifier/HTTP URL specified", media(false), F::Rejected),
        (400, "Bad Request: wrong type of the web page content", media(false), F::Rejected),
        (400, "Bad Request: IMAGE_PROCESS_FAILED", media(true), F::Rejected),
        (400, "Bad Request: PHOTO_INVALID_DIMENSIONS", media(true), F::Rejected),
        (400, "Bad Request: not enough rights to send text messages to the chat", Class::Final, F::Forbidden),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Class::Final, F::Forbidden),
        (400, "Bad Request: something new", Class::Final, F::Rejected),
        (
            400,
            "Bad Request: bad webhook: Failed to resolve host: Name or service not known",
            Class::Final,
            F::BadConfig,
        ),
        (401, "Unauthorized", Class::Final, F::Unauthenticated),
        (404, "Not Found", Class::Final, F::Unauthenticated),
        (403, "Forbidden: bot was blocked by the user", Class::Final, F::Unreachable),
        (403, "Forbidden: user is deactivated", Class::Final, F::Unreachable),
        (403, "Forbidden: bot was kicked from the group chat", Class::Final, F::Unreachable),
        (403, "Forbidden: bot is not a member of the supergroup chat", Class::Final, F::Unreachable),
        (403, "Forbidden: bot can't initiate conversation with a user", Class::Final, F::Unreachable),
        (409, "Conflict: terminated by other getUpdates request", Class::Final, F::Rejected),
        (413, "Request Entity Too Large", media(false), F::Rejected),
        (429, "Too Many Requests: retry after 3", Class::Final, F::RateLimited),
        (500, "Internal Server Error", Class::Final, F::Unavailable),
        (502, "", Class::Final, F::Unavailable),
    ] {
        assert_eq!(sort(status, description), (class, code), "{status} {description}");
    }
}

#[test]
fn every_sentence_that_teloxide_knows_has_the_same_meaning_here() {
    // Sentences of the server, and what teloxide's reading of them means.
    for (sentence, known, code) in [
        ("Forbidden: bot was blocked by the user", ApiError::BotBlocked, FaultCode::Unreachable),
        ("Forbidden: user is deactivated", ApiError::UserDeactivated, FaultCode::Unreachable),
        (
            "Forbidden: bot was kicked from the supergroup chat",
            ApiError::BotKickedFromSupergroup,
            FaultCode::Unreachable,
        ),
        (
            "Forbidden: bot was kicked from the channel chat",
            ApiError::BotKickedFromChannel,
            FaultCode::Unreachable,
        ),
        ("Unauthorized", ApiError::InvalidToken, FaultCode::Unauthenticated),
        ("Not Found", ApiError::InvalidToken, FaultCode::Unauthenticated),
        ("Bad Request: chat not found", ApiError::ChatNotFound, FaultCode::NotFound),
        ("Bad Request: message to delete not found", ApiError::MessageToDeleteNotFound, FaultCode::NotFound),
        ("Bad Request: message can't be edited", ApiError::MessageCantBeEdited, FaultCode::Forbidden),
        ("Bad Request: wrong file id", ApiError::WrongFileId, FaultCode::Rejected),
        ("Bad Request: IMAGE_PROCESS_FAILED", ApiError::ImageProcessFailed, FaultCode::Rejected),
        ("Bad Request: BUTTON_DATA_INVALID", ApiError::ButtonDataInvalid, FaultCode::BadInput),
    ] {
        let read: ApiError = serde_json::from_value(Value::String(sentence.into())).unwrap();
        assert_eq!(read, known, "{sentence}");
        // The status is left out: the sentence alone must do.
        assert_eq!(sort(400, sentence).1, code, "{sentence}");
    }
}

#[test]
fn answers_as_files_become_their_faults() {
    for (name, answer) in fixtures().answers() {
        let answer = HttpAnswer { label: "sendMessage".into(), outcome: Ok(answer) };
        let noted = match read(&answer) {
            Ok(result) => json!({ "result": result }),
            Err(refusal) => json!({ "class": format!("{:?}", refusal.class), "fault": refusal.fault }),
        };
        insta::assert_json_snapshot!(format!("answer__{name}"), noted);
    }
}

#[test]
fn waits_are_read_from_body_or_header() {
    let mut answer =
        json_answer(429, json!({ "ok": false, "error_code": 429, "description": "Too Many Requests" }));
    let wait = |answer: &portico_contract::InboundResponse| {
        let answer = HttpAnswer { label: "sendMessage".into(), outcome: Ok(answer.clone()) };
        read(&answer).unwrap_err().fault.retry_after_ms
    };
    assert_eq!(wait(&answer), Some(5_000));
    answer.headers.push(portico_contract::Field::new("retry-after", "9"));
    assert_eq!(wait(&answer), Some(9_000));
    let huge = json_answer(429, json!({ "ok": false, "parameters": { "retry_after": u32::MAX } }));
    assert_eq!(wait(&huge), Some(u32::MAX));
}

#[test]
fn lost_answers_are_trouble_of_the_provider() {
    for failure in [TransportFailure::Connect, TransportFailure::TimedOut, TransportFailure::UnknownResult] {
        let answer = HttpAnswer { label: "sendMessage".into(), outcome: Err(failure) };
        assert_eq!(read(&answer).unwrap_err().fault.code, FaultCode::Unavailable);
    }
}
