//! A conversation to keep: as text, JSON or a page. The page is built by escaping only, and runs nothing.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use portico_contract::{ConversationId, Millis};
use portico_live::What;
use portico_problem::{Kind, Problem};
use portico_store::records::iso;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::asked::{Asked, Named};
use crate::caller::Caller;
use crate::conversations::{addressed, shown};
use crate::errors;
use crate::shared::Api;
use crate::visit::Visit;

/// Most messages of a transcript: the newest.
const MOST: usize = 5000;
const PAGE: usize = 200;

/// In which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Txt,
    Json,
    Html,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TranscriptQuery {
    format: Format,
}

/// Gives out a transcript.
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<String>,
    Asked(query): Asked<TranscriptQuery>,
) -> Result<Response, Problem> {
    let visit = &caller.visit;
    if !visit.channel.looks("transcript") {
        return Err(Problem::new(Kind::Forbidden, "the channel gives out no transcripts"));
    }
    visit.channel.rates.event(&visit.session.id).map_err(errors::too_often)?;
    let id = addressed(&api, visit, &id).await?;
    let messages = collect(&api, visit, id).await?;
    let (text, kind, ending) = match query.format {
        Format::Txt => (as_text(visit, &messages), "text/plain; charset=utf-8", "txt"),
        Format::Json => {
            let all = json!({ "conversation": id.to_string(), "messages": messages });
            (serde_json::to_string_pretty(&all).unwrap_or_default(), "application/json", "json")
        }
        Format::Html => (as_page(visit, &messages), "text/html; charset=utf-8", "html"),
    };
    let mut response = Response::new(Body::from(text));
    let disposition = format!("attachment; filename=\"conversation.{ending}\"");
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, kind),
        (CONTENT_DISPOSITION, &disposition),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("text/plain"));
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// Messages in the order in which they were said.
async fn collect(api: &Api, visit: &Visit, id: ConversationId) -> Result<Vec<Value>, Problem> {
    let (mut messages, mut before) = (Vec::new(), None);
    while messages.len() < MOST {
        let page = api.live.history(&visit.channel.at, id, before, PAGE).await.map_err(errors::problem)?;
        let full = page.len() == PAGE;
        before = page.last().map(|item| item.seq);
        for item in &page {
            if let What::Message { message, .. } = &item.what {
                messages.push(shown(api, visit, message, None).await);
            }
        }
        if !full {
            break;
        }
    }
    messages.reverse();
    Ok(messages)
}

fn field<'a>(message: &'a Value, name: &str) -> &'a str {
    message.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Who said it, as a reader of the transcript knows them.
fn speaker<'a>(visit: &'a Visit, message: &'a Value) -> &'a str {
    let named = message.pointer("/author/name").and_then(Value::as_str);
    match field(message, "from") {
        "user" => "You",
        "bot" => named.unwrap_or(visit.channel.bot_name()),
        "system" => "",
        _ => named.unwrap_or("Agent"),
    }
}

fn time(message: &Value) -> String {
    iso(message.get("ts").and_then(Value::as_u64).unwrap_or_default() as Millis)
}

/// What a message says, in lines.
fn lines(message: &Value) -> Vec<String> {
    let text = |name: &str| Some(field(message, name).to_owned()).filter(|text| !text.is_empty());
    let list =
        |name: &str| message.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let labels =
        |name: &str| list(name).iter().map(|one| format!("- {}", field(one, "label"))).collect::<Vec<_>>();
    match field(message, "type") {
        "image" | "audio" | "video" | "file" => {
            let title = text("title").unwrap_or_else(|| field(message, "type").to_owned());
            vec![format!("[{title}] {}", field(message, "url"))]
        }
        "location" => {
            let degrees = |name: &str| message.get(name).and_then(Value::as_f64).unwrap_or_default();
            let place = format!("{}, {}", degrees("lat"), degrees("lon"));
            text("title").into_iter().chain(text("address")).chain([place]).collect()
        }
        "card" => {
            let buttons = labels("actions");
            text("title").into_iter().chain(text("subtitle")).chain(buttons).collect()
        }
        "carousel" | "bloc" => list("items").iter().flat_map(lines).collect(),
        "choice" | "dropdown" => text("text").into_iter().chain(labels("options")).collect(),
        _ => {
            let values = message.get("values").and_then(Value::as_object);
            let values = values.into_iter().flatten();
            let values =
                values.map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default()));
            text("text").or_else(|| text("fallback")).into_iter().chain(values).collect()
        }
    }
}

fn as_text(visit: &Visit, messages: &[Value]) -> String {
    let mut out = String::new();
    for message in messages {
        let said = lines(message).join("\n    ");
        // A text never fails to take more text.
        write_line(&mut out, format_args!("[{}] {}: {said}", time(message), speaker(visit, message)));
    }
    out
}

fn as_page(visit: &Visit, messages: &[Value]) -> String {
    let mut out = String::from("<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>");
    out.push_str(&escaped(visit.channel.bot_name()));
    out.push_str("</title></head><body>\n");
    for message in messages {
        let said: Vec<String> = lines(message).iter().flat_map(|line| line.lines()).map(escaped).collect();
        let (time, speaker) = (time(message), escaped(speaker(visit, message)));
        let said = said.join("<br>");
        let line = format_args!(
            "<p dir=\"auto\"><time datetime=\"{time}\">{time}</time> <b>{speaker}</b><br>{said}</p>"
        );
        write_line(&mut out, line);
    }
    out.push_str("</body></html>\n");
    out
}

fn write_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    out.push_str(&line.to_string());
    out.push('\n');
}

/// A text as HTML that says just that text.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}
