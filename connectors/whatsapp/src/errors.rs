//! What the provider's refusals mean, decided on the code alone, never on the words.
//!
//! Source: WhatsApp Cloud API, "Error codes" (15 May 2026).

use portico_contract::{Fault, FaultCode, HttpAnswer, InboundResponse, TransportFailure};
use serde::Deserialize;
use serde_json::{Value, json};

/// The Graph API's error object.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct GraphError {
    #[serde(default)]
    pub code: i64,
    #[serde(default)]
    error_subcode: Option<i64>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    error_data: Option<Value>,
    #[serde(default)]
    fbtrace_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: Option<GraphError>,
}

/// Reads the error of an answer that is no success; the code is -1 where the answer names none.
pub(crate) fn read(response: &InboundResponse) -> GraphError {
    let body: ErrorBody = serde_json::from_slice(response.bytes()).unwrap_or_default();
    body.error.unwrap_or(GraphError { code: -1, ..GraphError::default() })
}

/// The answer's response when it is a success.
///
/// # Errors
/// The fault of [`refused`] or [`transport`].
pub(crate) fn success(answer: &HttpAnswer, attempt: u32) -> Result<&InboundResponse, Fault> {
    match &answer.outcome {
        Ok(response) if response.is_success() => Ok(response),
        Ok(response) => Err(refused(response, attempt)),
        Err(failure) => Err(transport(*failure)),
    }
}

/// The fault of a request that got no answer.
pub(crate) fn transport(failure: TransportFailure) -> Fault {
    Fault::new(FaultCode::Unavailable, format!("WhatsApp could not be reached: {failure}"))
}

/// Whether the provider could not get at a message's media, so that its address is sent as text instead.
pub(crate) fn is_media(error: &GraphError) -> bool {
    matches!(error.code, 131_052 | 131_053)
}

/// The fault of an answer that is no success. `attempt` is 1 for the first.
pub(crate) fn refused(response: &InboundResponse, attempt: u32) -> Fault {
    let error = read(response);
    let (code, meaning) = class(&error, response.status);
    let named =
        if error.code >= 0 { format!("code {}", error.code) } else { format!("status {}", response.status) };
    let mut fault = Fault::new(code, format!("WhatsApp refused: {named}: {meaning}")).detail(detail(&error));
    if code == FaultCode::RateLimited {
        fault = fault.retry_after_ms(pause(&error, response, attempt));
    }
    fault
}

fn class(error: &GraphError, status: u16) -> (FaultCode, &'static str) {
    use FaultCode::{
        BadInput, Forbidden, NotFound, RateLimited, Rejected, Unauthenticated, Unavailable, Unreachable,
        Unsupported,
    };
    match error.code {
        1 | 2 | 131_000 | 131_016 | 131_057 | 135_000 => (Unavailable, "trouble at the provider"),
        4 | 80_007 => (RateLimited, "the app or account called the API too often"),
        130_429 => (RateLimited, "the number's throughput is used up"),
        131_048 => (RateLimited, "sending is slowed down for the quality of earlier messages"),
        131_056 => (RateLimited, "too many messages to this person in a short time"),
        133_016 => (RateLimited, "the number was registered too often"),
        0 | 190 => (Unauthenticated, "the access token is invalid or has expired: make a new one"),
        3 | 10 | 200..=299 => {
            (Unauthenticated, "the access token lacks a permission: whatsapp_business_messaging")
        }
        131_031 | 368 => (Unauthenticated, "the business account is locked or restricted by the provider"),
        131_042 => (Unauthenticated, "the business account has a payment problem"),
        130_497 => (Forbidden, "the business may not write to people in this country"),
        131_047 => {
            (Unreachable, "24 hours have passed since the person wrote: only a template can reach them now")
        }
        131_026 => (Unreachable, "the message can't be delivered to this number"),
        131_050 => (Unreachable, "the person does not want marketing messages"),
        131_049 | 130_472 => (Rejected, "the provider holds marketing messages to this person back for now"),
        131_021 => (BadInput, "sender and recipient are the same number"),
        131_030 => (Forbidden, "the recipient is not on the test number's list of allowed recipients"),
        131_045 => (Rejected, "the number is not registered"),
        131_051 => (Unsupported, "the message type is not supported"),
        100 if error.error_subcode == Some(33) => {
            (NotFound, "the object does not exist, or the token can't see it")
        }
        33 => (NotFound, "the phone number does not exist any more"),
        100 | 131_008 | 131_009 => (BadInput, "a parameter is missing or not accepted"),
        131_052 | 131_053 => {
            (Rejected, "the media could not be fetched or is of a kind that is not accepted")
        }
        131_062 => (Rejected, "this template may not be sent to a user id"),
        132_001 => (NotFound, "the template does not exist in this language"),
        132_000 | 132_005 | 132_012 => (BadInput, "the template's parameters do not fit it"),
        132_007 | 132_008 => (Rejected, "the template breaks a policy or format rule"),
        132_015 | 132_016 => (Rejected, "the template is paused or disabled"),
        _ => match status {
            401 => (Unauthenticated, "the access token is not accepted"),
            403 => (Forbidden, "this is not allowed"),
            404 => (NotFound, "there is no such object"),
            408 | 500..=599 => (Unavailable, "trouble at the provider"),
            429 => (RateLimited, "too many calls"),
            _ => (Rejected, "see the detail"),
        },
    }
}

/// How long to wait, in milliseconds. A pair of sender and person earns one message in six seconds, so its
/// growing pause (4ⁿ seconds) begins there.
fn pause(error: &GraphError, response: &InboundResponse, attempt: u32) -> u32 {
    let asked = response.header("retry-after").and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
    let own = match error.code {
        131_056 => 4_u32.pow(attempt.saturating_sub(1).min(4)).max(6),
        130_429 => 2,
        4 | 80_007 => 300,
        131_048 | 133_016 => 3600,
        _ => 5,
    };
    asked.clamp(own, 24 * 3600).saturating_mul(1000)
}

/// What is kept of the provider's words. A token error may repeat the token, so its words are left out.
fn detail(error: &GraphError) -> Value {
    let words = !matches!(error.code, 0 | 190 | 2500 | -1);
    let short = |text: &Option<String>| text.as_ref().map(|text| text.chars().take(1000).collect::<String>());
    let mut detail = json!({
        "code": error.code,
        "error_subcode": error.error_subcode,
        "type": short(&error.kind),
        "fbtrace_id": short(&error.fbtrace_id),
    });
    if let (true, Some(fields)) = (words, detail.as_object_mut()) {
        fields.insert("message".into(), json!(short(&error.message)));
        let details = error.error_data.as_ref().and_then(|data| data.get("details")).and_then(Value::as_str);
        fields.insert("details".into(), json!(short(&details.map(str::to_owned))));
    }
    if let Some(fields) = detail.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    detail
}

#[cfg(test)]
mod tests {
    use portico_contract::{Field, Payload};

    use super::*;

    fn answer(status: u16, body: Value) -> InboundResponse {
        InboundResponse { status, headers: Vec::new(), body: Payload::Text(body.to_string()) }
    }

    #[test]
    fn every_code_of_the_table_has_its_treatment() {
        use FaultCode::*;
        let table: [(&[i64], FaultCode); 10] = [
            (&[1, 2, 131_000, 131_016, 131_057, 135_000], Unavailable),
            (&[4, 80_007, 130_429, 131_048, 131_056, 133_016], RateLimited),
            (&[0, 190, 3, 10, 200, 299, 131_031, 368, 131_042], Unauthenticated),
            (&[131_047, 131_026, 131_050], Unreachable),
            (&[131_021, 131_009, 131_008, 100, 132_000, 132_005, 132_012], BadInput),
            (
                &[131_045, 131_049, 130_472, 131_062, 132_007, 132_008, 132_015, 132_016, 131_052, 131_053],
                Rejected,
            ),
            (&[131_051], Unsupported),
            (&[33, 132_001], NotFound),
            (&[131_030, 130_497], Forbidden),
            (&[999_999], Rejected),
        ];
        for (codes, expected) in table {
            for code in codes {
                let fault = refused(&answer(400, json!({ "error": { "code": code, "message": "m" } })), 1);
                assert_eq!(fault.code, expected, "{code}");
                assert_eq!(fault.retry_after_ms.is_some(), expected == RateLimited, "{code}");
            }
        }
    }

    #[test]
    fn without_a_code_the_status_decides() {
        use FaultCode::*;
        let statuses = [
            (401, Unauthenticated),
            (403, Forbidden),
            (404, NotFound),
            (429, RateLimited),
            (502, Unavailable),
            (400, Rejected),
        ];
        for (status, expected) in statuses {
            assert_eq!(refused(&answer(status, json!("<html>")), 1).code, expected, "{status}");
        }
    }

    #[test]
    fn the_pause_for_one_person_grows_fourfold() {
        let busy = answer(400, json!({ "error": { "code": 131_056 } }));
        let pauses: Vec<_> =
            (1..=7).map(|attempt| refused(&busy, attempt).retry_after_ms.unwrap() / 1000).collect();
        assert_eq!(pauses, [6, 6, 16, 64, 256, 256, 256]);
        let mut asked = answer(429, json!({}));
        asked.headers.push(Field::new("retry-after", "30"));
        assert_eq!(refused(&asked, 1).retry_after_ms, Some(30_000));
    }

    #[test]
    fn a_token_error_keeps_no_words() {
        let fault = refused(
            &answer(
                401,
                json!({ "error": { "code": 190, "message": "Malformed access token EAAB", "fbtrace_id": "A" } }),
            ),
            1,
        );
        assert_eq!(fault.detail, Some(json!({ "code": 190, "fbtrace_id": "A" })));
        assert!(!format!("{fault:?}").contains("EAAB"));
    }
}
