//! One visitor on many devices: a session, its conversation, and as many sockets as a session may have.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::subjects::Subject;
use crate::sockets::{Heard, Sockets};

/// A visitor who is in, with what the gateway told.
pub(super) struct Crowd {
    pub(super) token: String,
    pub(super) conversation: String,
}

/// Lets a visitor in on `count` sockets, the first of which begins the conversation.
pub(super) fn gather(sockets: &mut Sockets, subject: &Subject, count: usize) -> Result<Crowd> {
    let (target, none) = (&subject.target, json!({}));
    let first = sockets.count();
    let told = sockets.enter(target, 1, |_| target.dialect.greeting(None, &none))?;
    let token =
        told.first().and_then(|told| told["tok"].as_str()).context("a visitor got no token")?.to_owned();
    let send = json!({ "t": "send", "id": "begin-0001", "msg": { "type": "text", "text": "hello" } });
    sockets.say(first, &send.to_string())?;
    let mut conversation = None;
    sockets.until(|at, heard, _| {
        if let Heard::Text(text) = heard
            && at == first
            && text.starts_with(br#"{"t":"ack""#)
        {
            let ack: Value = serde_json::from_slice(text)?;
            conversation = ack["conv"].as_str().map(str::to_owned);
        }
        Ok(conversation.is_some())
    })?;
    let conversation = conversation.context("the ack names no conversation")?;
    let others = sockets.enter(target, count - 1, |_| target.dialect.greeting(Some(&token), &none))?;
    if let Some(other) = others.iter().find(|told| told["conv"] != conversation.as_str()) {
        bail!("a device of the visitor was let in elsewhere: {other}");
    }
    Ok(Crowd { token, conversation })
}
