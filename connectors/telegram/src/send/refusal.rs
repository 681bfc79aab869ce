//! Telegram's errors, sorted by what follows from them.
//!
//! The server tells them apart by an English sentence only. teloxide keeps a list of these sentences, which is
//! asked first; newer and shortened ones are found by what they contain, and the status decides the rest.

use portico_contract::{Fault, FaultCode, HttpAnswer, InboundResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use teloxide_core::ApiError;

use super::lost;

/// Longest description that is kept, in characters.
const MAX_DESCRIPTION: usize = 500;
/// Wait when Telegram says to slow down but not for how long.
const DEFAULT_WAIT_MS: u32 = 5_000;

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Class {
    /// The HTML could not be read: plain text will do.
    Markup,
    /// A button's address was not taken.
    ButtonUrl,
    /// The file was not taken; `process`: its bytes were there, but nothing could be made of them.
    Media {
        /// Whether it is the bytes that displease.
        process: bool,
    },
    /// It says already what it should say.
    NotModified,
    /// The message to delete or edit is not there any more, or the query is too old to answer.
    Gone,
    /// The group has this id now.
    Moved(i64),
    /// Nothing but the fault.
    Final,
}

/// A call that did not succeed.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What follows.
    pub(crate) class: Class,
    /// The fault, when nothing else follows.
    pub(crate) fault: Fault,
}

/// The Bot API's envelope.
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    retry_after: Option<u32>,
    #[serde(default)]
    migrate_to_chat_id: Option<i64>,
}

/// The result of a call, or why there is none.
pub(crate) fn read(answer: &HttpAnswer) -> Result<Value, Refusal> {
    let label = method_of(&answer.label);
    let response = match &answer.outcome {
        Ok(response) => response,
        Err(failure) => return Err(Refusal { class: Class::Final, fault: lost(label, *failure) }),
    };
    match serde_json::from_slice::<Envelope>(response.bytes()) {
        Ok(envelope) if envelope.ok && response.is_success() => Ok(envelope.result),
        Ok(envelope) => Err(refusal(label, response, envelope)),
        // A proxy's page, or an answer cut short: nothing is known of the call.
        Err(_) if response.is_success() => Err(Refusal {
            class: Class::Final,
            fault: Fault::new(FaultCode::Unavailable, format!("{label}: the answer is not the Bot API's")),
        }),
        Err(_) => Err(refusal(label, response, Envelope::default())),
    }
}

/// Labels of files name the field; the method is shown without that.
fn method_of(label: &str) -> &str {
    if label.starts_with("media.") { "file" } else { label }
}

fn refusal(label: &str, response: &InboundResponse, envelope: Envelope) -> Refusal {
    let status = envelope.error_code.filter(|code| (400..600).contains(code)).unwrap_or(response.status);
    let description: String =
        envelope.description.unwrap_or_default().chars().take(MAX_DESCRIPTION).collect();
    let parameters = envelope.parameters.unwrap_or_default();
    let (class, code) = match parameters.migrate_to_chat_id {
        Some(to) => (Class::Moved(to), FaultCode::NotFound),
        None => sort(status, &description),
    };
    let shown = if description.is_empty() { "no description" } else { &description };
    let mut fault = Fault::new(code, format!("{label}: {status} {shown}"));
    if code == FaultCode::RateLimited {
        let seconds = parameters.retry_after.or_else(|| response.header("retry-after")?.trim().parse().ok());
        fault = fault.retry_after_ms(seconds.map_or(DEFAULT_WAIT_MS, |seconds| seconds.saturating_mul(1000)));
    }
    let fault = fault.detail(json!({ "error_code": status, "description": description }));
    Refusal { class, fault }
}

/// Sorts an error by its status and sentence.
pub(crate) fn sort(status: u16, description: &str) -> (Class, FaultCode) {
    match status {
        429 => return (Class::Final, FaultCode::RateLimited),
        413 => return (Class::Media { process: false }, FaultCode::Rejected),
        408 | 500..=599 => return (Class::Final, FaultCode::Unavailable),
        _ => {}
    }
    by_name(description).or_else(|| by_words(description)).unwrap_or(match status {
        401 | 404 => (Class::Final, FaultCode::Unauthenticated),
        403 => (Class::Final, FaultCode::Unreachable),
        _ => (Class::Final, FaultCode::Rejected),
    })
}

fn by_name(description: &str) -> Option<(Class, FaultCode)> {
    use ApiError as E;
    let error: ApiError = serde_json::from_value(Value::String(description.to_owned())).ok()?;
    Some(match error {
        E::CantParseEntities(_) => (Class::Markup, FaultCode::Rejected),
        E::MessageNotModified => (Class::NotModified, FaultCode::Rejected),
        E::ButtonUrlInvalid => (Class::ButtonUrl, FaultCode::BadInput),
        E::ButtonDataInvalid | E::TextButtonsAreUnallowed | E::MessageTextIsEmpty => {
            (Class::Final, FaultCode::BadInput)
        }
        E::MessageIsTooLong | E::EditedMessageIsTooLong => (Class::Final, FaultCode::BadInput),
        E::ImageProcessFailed | E::PhotoAsInputFileRequired => {
            (Class::Media { process: true }, FaultCode::Rejected)
        }
        E::WrongFileId
        | E::WrongFileIdOrUrl
        | E::FailedToGetUrlContent
        | E::WrongHttpUrl
        | E::FileIdInvalid
        | E::RequestEntityTooLarge => (Class::Media { process: false }, FaultCode::Rejected),
        E::MessageToDeleteNotFound | E::MessageToEditNotFound | E::MessageIdInvalid | E::InvalidQueryId => {
            (Class::Gone, FaultCode::NotFound)
        }
        E::ChatNotFound
        | E::UserNotFound
        | E::MessageToReplyNotFound
        | E::MessageToForwardNotFound
        | E::MessageToCopyNotFound => (Class::Final, FaultCode::NotFound),
        E::BotBlocked
        | E::BotKicked
        | E::BotKickedFromSupergroup
        | E::BotKickedFromChannel
        | E::UserDeactivated
        | E::CantInitiateConversation
        | E::CantTalkWithBots
        | E::GroupDeactivated => (Class::Final, FaultCode::Unreachable),
        E::InvalidToken => (Class::Final, FaultCode::Unauthenticated),
        E::NotEnoughRightsToPinMessage
        | E::NotEnoughRightsToManagePins
        | E::NotEnoughRightsToChangeChatPermissions
        | E::NotEnoughRightsToRestrict
        | E::NotEnoughRightsToPostMessages
        | E::MessageCantBeEdited
        | E::MessageCantBeDeleted => (Class::Final, FaultCode::Forbidden),
        E::WebhookRequireHttps | E::BadWebhookPort | E::UnknownHost => (Class::Final, FaultCode::BadConfig),
        _ => return None,
    })
}

/// Parts of sentences, lower case; the first that is found decides.
const WORDS: [(&str, Class, FaultCode); 41] = [
    ("can't parse entities", Class::Markup, FaultCode::Rejected),
    ("message is not modified", Class::NotModified, FaultCode::Rejected),
    ("button_url_invalid", Class::ButtonUrl, FaultCode::BadInput),
    ("inline keyboard button url", Class::ButtonUrl, FaultCode::BadInput),
    ("button_data_invalid", Class::Final, FaultCode::BadInput),
    ("reaction_invalid", Class::Final, FaultCode::BadInput),
    ("reactions_too_many", Class::Final, FaultCode::BadInput),
    ("message is too long", Class::Final, FaultCode::BadInput),
    ("message_too_long", Class::Final, FaultCode::BadInput),
    ("caption is too long", Class::Final, FaultCode::BadInput),
    ("text must be non-empty", Class::Final, FaultCode::BadInput),
    ("image_process_failed", Class::Media { process: true }, FaultCode::Rejected),
    ("photo_invalid_dimensions", Class::Media { process: true }, FaultCode::Rejected),
    ("photo_ext_invalid", Class::Media { process: true }, FaultCode::Rejected),
    ("photo_save_file_invalid", Class::Media { process: true }, FaultCode::Rejected),
    ("voice_messages_forbidden", Class::Media { process: true }, FaultCode::Rejected),
    ("video_messages_forbidden", Class::Media { process: true }, FaultCode::Rejected),
    ("failed to get http url content", Class::Media { process: false }, FaultCode::Rejected),
    ("wrong type of the web page content", Class::Media { process: false }, FaultCode::Rejected),
    ("wrong file identifier", Class::Media { process: false }, FaultCode::Rejected),
    ("wrong remote file", Class::Media { process: false }, FaultCode::Rejected),
    ("webpage_", Class::Media { process: false }, FaultCode::Rejected),
    ("media_empty", Class::Media { process: false }, FaultCode::Rejected),
    ("url host is empty", Class::Media { process: false }, FaultCode::Rejected),
    ("invalid file http url", Class::Media { process: false }, FaultCode::Rejected),
    ("file is too big", Class::Media { process: false }, FaultCode::Rejected),
    ("type of file mismatch", Class::Media { process: false }, FaultCode::Rejected),
    ("message to delete not found", Class::Gone, FaultCode::NotFound),
    ("message to edit not found", Class::Gone, FaultCode::NotFound),
    ("query is too old", Class::Gone, FaultCode::NotFound),
    ("chat not found", Class::Final, FaultCode::NotFound),
    ("thread not found", Class::Final, FaultCode::NotFound),
    ("topic_deleted", Class::Final, FaultCode::NotFound),
    ("topic_closed", Class::Final, FaultCode::Forbidden),
    ("peer_id_invalid", Class::Final, FaultCode::NotFound),
    ("not found", Class::Final, FaultCode::NotFound),
    ("not enough rights", Class::Final, FaultCode::Forbidden),
    ("have no rights", Class::Final, FaultCode::Forbidden),
    ("_forbidden", Class::Final, FaultCode::Forbidden),
    ("administrator rights", Class::Final, FaultCode::Forbidden),
    ("bad webhook", Class::Final, FaultCode::BadConfig),
];

fn by_words(description: &str) -> Option<(Class, FaultCode)> {
    let lower = description.to_lowercase();
    // Only sentences: the bare "Not Found" is the answer to a token that does not exist.
    if !lower.contains("bad request") && !lower.contains("forbidden:") {
        return None;
    }
    WORDS.iter().find(|(words, ..)| lower.contains(words)).map(|(_, class, code)| (*class, *code))
}
