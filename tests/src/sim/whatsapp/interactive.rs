//! Interactive messages: reply buttons, lists, link buttons, carousels.

use std::collections::HashSet;

use serde_json::Value;

use super::carousel;
use super::graph::{GraphError, optional_text, text};

/// Checks a media object of a kind (`image`, `video`, …).
pub(super) type CheckMedia<'a> = &'a dyn Fn(&str, &Value) -> Result<(), GraphError>;

/// Checks the `interactive` part of a message.
pub(super) fn check(part: &Value, media: CheckMedia<'_>) -> Result<(), GraphError> {
    let kind = text(part, "type", 64)?;
    let action = part.get("action").filter(|action| action.is_object());
    let action = action.ok_or_else(|| GraphError::missing("action"))?;
    let body = part.get("body").ok_or_else(|| GraphError::missing("body"))?;
    text(body, "text", 1024)?;
    if let Some(footer) = part.get("footer") {
        text(footer, "text", 60)?;
    }
    if let Some(header) = part.get("header") {
        check_header(header, kind, media)?;
    }
    match kind {
        "button" => buttons(action),
        "list" => list(action),
        "cta_url" => link(action),
        "carousel" => carousel::check(part, action, media),
        "location_request_message" => match action.get("name").and_then(Value::as_str) {
            Some("send_location") => Ok(()),
            _ => Err(GraphError::value("action.name must be send_location")),
        },
        "flow" => text(action, "name", 64).map(|_| ()),
        other => Err(GraphError::value(format!("interactive type {other} is not supported"))),
    }
}

fn check_header(header: &Value, kind: &str, media: CheckMedia<'_>) -> Result<(), GraphError> {
    match text(header, "type", 32)? {
        "text" => text(header, "text", 60).map(|_| ()),
        other if kind == "list" => {
            Err(GraphError::value(format!("a list takes a text header only, not {other}")))
        }
        kind @ ("image" | "video" | "document") => {
            let part = header.get(kind).ok_or_else(|| GraphError::missing(kind))?;
            media(kind, part)
        }
        other => Err(GraphError::value(format!("header type {other} is not supported"))),
    }
}

/// One to three reply buttons with unique ids and titles.
pub(super) fn buttons(action: &Value) -> Result<(), GraphError> {
    let buttons = items(action, "buttons")?;
    if !(1..=3).contains(&buttons.len()) {
        return Err(GraphError::value(
            "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3",
        ));
    }
    let (mut ids, mut titles) = (HashSet::new(), HashSet::new());
    for button in buttons {
        let (id, title) = reply(button)?;
        if !ids.insert(id) || !titles.insert(title) {
            return Err(GraphError::value("Button ids and titles must be unique"));
        }
    }
    Ok(())
}

/// Id and title of one reply button.
pub(super) fn reply(button: &Value) -> Result<(&str, &str), GraphError> {
    if button.get("type").and_then(Value::as_str) != Some("reply") {
        return Err(GraphError::value("button type must be reply"));
    }
    let reply = button.get("reply").ok_or_else(|| GraphError::missing("reply"))?;
    let id = text(reply, "id", 256)?;
    if id != id.trim() {
        return Err(GraphError::value("Button id must not begin or end with a space"));
    }
    Ok((id, text(reply, "title", 20)?))
}

fn list(action: &Value) -> Result<(), GraphError> {
    text(action, "button", 20)?;
    let sections = items(action, "sections")?;
    if !(1..=10).contains(&sections.len()) {
        return Err(GraphError::value("Invalid sections count. Min: 1, Max: 10"));
    }
    let mut ids = HashSet::new();
    let mut rows_in_all = 0;
    for section in sections {
        match optional_text(section, "title", 24)? {
            Some(title) if !title.trim().is_empty() => {}
            _ if sections.len() > 1 => {
                return Err(GraphError::missing("section title"));
            }
            _ => {}
        }
        let rows = items(section, "rows")?;
        if rows.is_empty() {
            return Err(GraphError::value("A section needs at least one row"));
        }
        rows_in_all += rows.len();
        for row in rows {
            let id = text(row, "id", 200)?;
            text(row, "title", 24)?;
            if optional_text(row, "description", 72)?.is_some_and(str::is_empty) {
                return Err(GraphError::value("Row description is too short. Min length: 1, Max length: 72"));
            }
            if !ids.insert(id) {
                return Err(GraphError::value(format!("Duplicated row id {id}")));
            }
        }
    }
    if rows_in_all > 10 {
        return Err(GraphError::value("Total row count exceed max allowed count: 10"));
    }
    Ok(())
}

/// One link button.
pub(super) fn link(action: &Value) -> Result<(), GraphError> {
    if action.get("name").and_then(Value::as_str) != Some("cta_url") {
        return Err(GraphError::value("action.name must be cta_url"));
    }
    let parameters = action.get("parameters").ok_or_else(|| GraphError::missing("parameters"))?;
    text(parameters, "display_text", 20)?;
    let link = text(parameters, "url", 2000)?;
    match url::Url::parse(link) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
        _ => Err(GraphError::value("url must be an http or https URL")),
    }
}

/// A list that must be there.
pub(super) fn items<'v>(object: &'v Value, field: &str) -> Result<&'v Vec<Value>, GraphError> {
    object.get(field).and_then(Value::as_array).ok_or_else(|| GraphError::missing(field))
}
