#![doc = include_str!("../README.md")]

mod actions;
mod config;
mod tell;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use portico_contract::{
    ActionCall, Connector, Context, Fault, FaultCode, Host, HttpAnswer, InboundRequest, Manifest, Outcome,
    TELL_SIGNAL, Turn,
};
use portico_kit::sequence::Sequence;
use serde_json::Value;

#[expect(clippy::expect_used, reason = "the manifest is part of the program, and a test reads it")]
static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    Manifest::parse(include_str!("../manifest.json")).expect("the built-in manifest parses")
});

/// Conversations of apps over the Chat API; see the crate's own text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chat;

/// The connector, for the catalog.
pub fn connector() -> Arc<dyn Connector> {
    Arc::new(Chat)
}

impl Connector for Chat {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn check_config(&self, config: &Value) -> Vec<Fault> {
        config::check(config)
    }

    fn register(&self, _: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        match config::check(ctx.config.json()).into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(Turn::done(Outcome::Nothing)),
        }
    }

    fn webhook(&self, _: &dyn Host, _: &Context, _: &InboundRequest) -> Result<Turn, Fault> {
        // Apps are served by the gateway itself, at /chat/<installation>.
        Err(Fault::new(FaultCode::NotFound, "a chat has no webhooks; apps call /chat/<installation>"))
    }

    fn act(&self, host: &dyn Host, ctx: &Context, call: ActionCall) -> Result<Turn, Fault> {
        match call.name.as_str() {
            TELL_SIGNAL => tell::tell(host, &*config::read(ctx)?, &call),
            _ => actions::act(&call),
        }
    }

    fn resume(
        &self,
        _: &dyn Host,
        _: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        Sequence::from_memo(memo)?.resume(&answers, |_, answer| tell::read(answer))
    }
}
