#![doc = include_str!("../README.md")]

mod actions;
mod config;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use portico_contract::{
    ActionCall, Connector, Context, Fault, FaultCode, Host, InboundRequest, Manifest, Outcome, Turn,
};
use serde_json::Value;

#[expect(clippy::expect_used, reason = "the manifest is part of the program, and a test reads it")]
static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    Manifest::parse(include_str!("../manifest.json")).expect("the built-in manifest parses")
});

/// The chat of a website; see the crate's own text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Webchat;

/// The connector, for the catalog.
pub fn connector() -> Arc<dyn Connector> {
    Arc::new(Webchat)
}

impl Connector for Webchat {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn check_config(&self, config: &Value) -> Vec<Fault> {
        config::check(config)
    }

    fn register(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        // Visitors come to the gateway; nobody has to be told.
        Ok(Turn::done(Outcome::Nothing))
    }

    fn webhook(&self, _: &dyn Host, _: &Context, _: &InboundRequest) -> Result<Turn, Fault> {
        Err(Fault::new(
            FaultCode::Unsupported,
            "webchat has no webhook: visitors speak to the gateway itself",
        ))
    }

    fn act(&self, _: &dyn Host, _: &Context, call: ActionCall) -> Result<Turn, Fault> {
        actions::act(call)
    }
}
