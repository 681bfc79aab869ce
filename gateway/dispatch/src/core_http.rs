//! Core of kind `http`: one signed POST per event; a JSON answer may carry replies.

use async_trait::async_trait;
use http::HeaderMap;
use portico_net::Response;
use serde_json::Value;

use crate::caller::{Caller, is_json};
use crate::core::{Answer, Core, Offer};
use crate::{Reply, envelope, retry};

/// Most replies of one answer.
pub(crate) const MOST_REPLIES: usize = 100;

/// A core that takes one POST per event.
#[derive(Debug)]
pub(crate) struct HttpCore(pub(crate) Caller);

#[async_trait]
impl Core for HttpCore {
    fn kind(&self) -> &'static str {
        "http"
    }

    async fn offer(&self, offer: &Offer) -> Answer {
        let body = match envelope::http_body(offer) {
            Ok(body) => body,
            Err(error) => return Answer::Unsendable(error.to_string()),
        };
        match retry::judge(self.0.post(offer, body, HeaderMap::new()).await) {
            Ok(response) => accepted(&response),
            Err(answer) => answer,
        }
    }
}

/// Reads the replies of a 2xx. The core has the event, so nothing in its answer can make it fail.
fn accepted(response: &Response) -> Answer {
    let nothing = |complaint: Option<&str>| Answer::Accepted {
        replies: Vec::new(),
        complaint: complaint.map(str::to_owned),
    };
    if response.body.iter().all(u8::is_ascii_whitespace) || !is_json(&response.headers, &response.body) {
        return nothing(None);
    }
    let Ok(body) = serde_json::from_slice::<Value>(&response.body) else {
        return nothing(Some("the answer is of type JSON but does not read as such"));
    };
    match body.get("messages") {
        None | Some(Value::Null) => nothing(None),
        Some(Value::Array(items)) => {
            let (replies, complaint) = replies(items);
            Answer::Accepted { replies, complaint }
        }
        Some(_) => nothing(Some("messages: must be a list")),
    }
}

/// The messages that can be taken, each under its own place, and the first fault.
pub(crate) fn replies(items: &[Value]) -> (Vec<Reply>, Option<String>) {
    let mut replies = Vec::new();
    let mut complaint = None;
    let mut complain = |text: String| {
        if complaint.is_none() {
            complaint = Some(text);
        }
    };
    for (index, item) in items.iter().enumerate() {
        if index >= MOST_REPLIES {
            complain(format!("messages: {} are given, {MOST_REPLIES} are allowed", items.len()));
            break;
        }
        match item.get("type") {
            Some(Value::String(kind)) if !kind.is_empty() => match item.get("payload") {
                Some(payload @ Value::Object(_)) => {
                    let draft = item.get("draftId").and_then(Value::as_str).map(str::to_owned);
                    replies.push(Reply { index, kind: kind.clone(), payload: payload.clone(), draft });
                }
                Some(_) => complain(format!("messages[{index}].payload: must be an object")),
                None => complain(format!("messages[{index}].payload: is missing, must be an object")),
            },
            Some(_) => complain(format!("messages[{index}].type: must be a text")),
            None => complain(format!("messages[{index}].type: is missing, must be a text")),
        }
    }
    (replies, complaint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: &str, body: &str) -> (Vec<Reply>, Option<String>) {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        match accepted(&Response { status: 200, headers, body: body.to_owned().into() }) {
            Answer::Accepted { replies, complaint } => (replies, complaint),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn replies_keep_their_place_and_bad_ones_are_named() {
        let body = json!({ "messages": [
            { "type": "text", "payload": { "text": "a" } }, { "type": 5 }, { "type": "text", "payload": { "text": "b" } },
        ] });
        let (replies, complaint) = read("application/json; charset=utf-8", &body.to_string());
        assert_eq!(replies.iter().map(|reply| reply.index).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(complaint.as_deref(), Some("messages[1].type: must be a text"));
    }

    #[test]
    fn answers_that_are_not_ours_to_read_say_nothing() {
        for (kind, body) in
            [("text/plain", "ok"), ("application/json", " "), ("application/json", "{}"), ("text/html", "{")]
        {
            assert_eq!(read(kind, body), (Vec::new(), None), "{kind} {body}");
        }
        assert!(read("application/json", "{").1.is_some());
        assert!(read("application/problem+json", r#"{"messages":5}"#).1.is_some());
        let many = json!({ "messages": vec![json!({ "type": "text", "payload": {} }); 101] });
        let (replies, complaint) = read("application/json", &many.to_string());
        assert_eq!((replies.len(), complaint.is_some()), (100, true));
    }
}
