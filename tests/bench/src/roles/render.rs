//! The way out, in process: a text becomes the provider's call.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context as _, Result, anyhow, bail};
use portico_contract::{Content, Effect, MessageId, Next, OutboundMessage, Tags};

use super::stages::{Prepared, prepared, time};

/// Times `deliver` up to its requests for each provider and prints `{"slack": µs, …}`.
///
/// # Errors
/// When a connector makes no call of a text.
pub(crate) fn render() -> Result<()> {
    let mut all = BTreeMap::new();
    for name in ["slack", "telegram", "whatsapp"] {
        all.insert(name, of(name).context(name)?);
    }
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&all)?)?;
    Ok(())
}

fn of(name: &str) -> Result<f64> {
    // The answer to one of the bench's own webhooks goes where that came from.
    let Prepared { connector, host, context, request, .. } = prepared(name)?;
    let turn = connector.webhook(&host, &context, &request).map_err(|fault| anyhow!("{fault}"))?;
    let thread = turn.effects.iter().find_map(|effect| match effect {
        Effect::Emit(event) => event.thread().cloned(),
        _ => None,
    });
    let message = OutboundMessage {
        id: MessageId::new(),
        thread: thread.context("the webhook has no thread")?,
        recipient: None,
        parts: vec![Content::text("Your order has left our house and will be with you on Thursday.")],
        reply_to: None,
        tags: Tags::default(),
        attempt: 1,
    };
    let turn = connector.deliver(&host, &context, message.clone()).map_err(|fault| anyhow!("{fault}"))?;
    if !matches!(turn.next, Next::Ask(_)) {
        bail!("a text makes no call");
    }
    let copy = time(|| message.clone().attempt == 1)?;
    let whole = time(|| connector.deliver(&host, &context, message.clone()).is_ok())?;
    Ok((whole - copy).max(0.0))
}
