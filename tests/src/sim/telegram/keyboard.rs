//! `reply_markup`: inline keyboards within their limits, reply keyboards by shape.
//!
//! Sources: Bot API, "InlineKeyboardMarkup", "InlineKeyboardButton"; server messages; 8 per row and 100 in
//! all after python-telegram-bot's constants.

use serde_json::Value;

use super::answer::{Refused, bad};
use super::params::Params;

/// Checks `reply_markup` and gives it as an object.
pub(super) fn read(params: &Params) -> Result<Option<Value>, Refused> {
    let Some(markup) = params.nested("reply_markup")? else { return Ok(None) };
    if !markup.is_object() {
        return Err(bad("object expected as reply markup"));
    }
    if let Some(rows) = markup.get("inline_keyboard") {
        inline(rows)?;
    } else if let Some(rows) = markup.get("keyboard") {
        reply(rows)?;
    } else if markup.get("remove_keyboard").is_none() && markup.get("force_reply").is_none() {
        return Err(bad("object expected as reply markup"));
    }
    Ok(Some(markup))
}

fn rows(rows: &Value) -> Result<Vec<&Vec<Value>>, Refused> {
    let rows = rows.as_array().ok_or_else(|| bad("field \"inline_keyboard\" must be of type Array"))?;
    let mut all = Vec::new();
    for row in rows {
        all.push(row.as_array().ok_or_else(|| bad("inline keyboard row must be an Array"))?);
    }
    Ok(all)
}

fn inline(keyboard: &Value) -> Result<(), Refused> {
    let rows = rows(keyboard)?;
    if rows.iter().any(|row| row.len() > 8) || rows.iter().map(|row| row.len()).sum::<usize>() > 100 {
        return Err(bad("REPLY_MARKUP_TOO_LONG"));
    }
    for button in rows.into_iter().flatten() {
        let text = button.get("text").and_then(Value::as_str).unwrap_or_default();
        if text.trim().is_empty() {
            return Err(bad(
                "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
            ));
        }
        let kinds = [
            "url",
            "callback_data",
            "web_app",
            "login_url",
            "switch_inline_query",
            "switch_inline_query_current_chat",
            "switch_inline_query_chosen_chat",
            "copy_text",
            "callback_game",
            "pay",
        ];
        if kinds.iter().filter(|kind| button.get(**kind).is_some()).count() != 1 {
            return Err(bad(
                "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
            ));
        }
        if let Some(data) = button.get("callback_data") {
            match data.as_str().map(str::len) {
                Some(1..=64) => {}
                _ => return Err(bad("BUTTON_DATA_INVALID")),
            }
        }
        if let Some(link) = button.get("url") {
            check_link(link.as_str().unwrap_or_default())?;
        }
    }
    Ok(())
}

fn check_link(link: &str) -> Result<(), Refused> {
    let refuse = |why: &str| bad(format!("inline keyboard button URL '{link}' is invalid: {why}"));
    // A link without a scheme is taken as http.
    let whole = if link.contains("://") { link.to_owned() } else { format!("http://{link}") };
    let url = url::Url::parse(&whole).map_err(|_| refuse("wrong HTTP URL"))?;
    match url.scheme() {
        "tg" | "ton" => Ok(()),
        "http" | "https" => match url.host() {
            Some(url::Host::Domain(host)) if !host.contains('.') => Err(refuse("Wrong HTTP URL")),
            Some(_) => Ok(()),
            None => Err(refuse("Wrong HTTP URL")),
        },
        _ => Err(refuse("Unsupported URL protocol")),
    }
}

fn reply(keyboard: &Value) -> Result<(), Refused> {
    let rows = rows(keyboard)?;
    if rows.iter().any(|row| row.len() > 12) || rows.iter().map(|row| row.len()).sum::<usize>() > 300 {
        return Err(bad("REPLY_MARKUP_TOO_LONG"));
    }
    for button in rows.into_iter().flatten() {
        let text = button.as_str().or_else(|| button.get("text").and_then(Value::as_str)).unwrap_or_default();
        if text.is_empty() {
            return Err(bad("can't parse keyboard button: field \"text\" must be non-empty"));
        }
    }
    Ok(())
}
