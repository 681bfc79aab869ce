//! The native carousel: two to ten cards of one shape.
//!
//! Source: developers.facebook.com, "Interactive media carousel messages" (2026).

use std::collections::HashSet;

use serde_json::Value;

use super::graph::{GraphError, optional_text};
use super::interactive::{CheckMedia, items, link, reply};

/// What the buttons of a card are; the same on every card.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Link,
    Replies(usize),
}

/// Checks the cards of a carousel.
pub(super) fn check(part: &Value, action: &Value, media: CheckMedia<'_>) -> Result<(), GraphError> {
    if part.get("header").is_some() || part.get("footer").is_some() {
        return Err(GraphError::value("A carousel takes neither header nor footer"));
    }
    let cards = items(action, "cards")?;
    if !(2..=10).contains(&cards.len()) {
        return Err(GraphError::value("Invalid cards count. Min: 2, Max: 10"));
    }
    let mut shape = None;
    let mut header_kind = None;
    let mut ids = HashSet::new();
    for (index, card) in cards.iter().enumerate() {
        if card.get("card_index").and_then(Value::as_u64) != u64::try_from(index).ok() {
            return Err(GraphError::value(format!("card_index of card {index} must be {index}")));
        }
        let header = card.get("header").ok_or_else(|| GraphError::missing("header"))?;
        let kind = header.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind != "image" && kind != "video" {
            return Err(GraphError::value("The header of a card must be an image or a video"));
        }
        media(kind, header.get(kind).ok_or_else(|| GraphError::missing(kind))?)?;
        if *header_kind.get_or_insert(kind) != kind {
            return Err(GraphError::value("All cards must have the same header type"));
        }
        if let Some(body) = card.get("body")
            && optional_text(body, "text", 160)?.is_none_or(|text| text.trim().is_empty())
        {
            return Err(GraphError::missing("body text"));
        }
        let action = card.get("action").ok_or_else(|| GraphError::missing("action"))?;
        let this = if action.get("buttons").is_some() {
            if action.get("name").is_some() {
                return Err(GraphError::value("A card takes a link or replies, not both"));
            }
            let buttons = items(action, "buttons")?;
            if !(1..=2).contains(&buttons.len()) {
                return Err(GraphError::value("A card takes one or two reply buttons"));
            }
            for button in buttons {
                let (id, _) = match reply(button) {
                    Ok(reply) => reply,
                    // The page on carousels calls them quick_reply; the fields are the same.
                    Err(_) if button.get("type").and_then(Value::as_str) == Some("quick_reply") => {
                        quick(button)?
                    }
                    Err(error) => return Err(error),
                };
                if !ids.insert(id) {
                    return Err(GraphError::value(format!("Duplicated button id {id}")));
                }
            }
            Shape::Replies(buttons.len())
        } else {
            link(action)?;
            Shape::Link
        };
        if *shape.get_or_insert(this) != this {
            return Err(GraphError::value("All cards must have the same buttons"));
        }
    }
    Ok(())
}

fn quick(button: &Value) -> Result<(&str, &str), GraphError> {
    let reply = button.get("quick_reply").ok_or_else(|| GraphError::missing("quick_reply"))?;
    Ok((super::graph::text(reply, "id", 256)?, super::graph::text(reply, "title", 20)?))
}
