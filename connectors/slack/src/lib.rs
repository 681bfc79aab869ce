#![doc = include_str!("../README.md")]

mod actions;
mod config;
mod deliver;
mod normalize;
mod place;
mod profile;
mod render;
mod respond;
mod send;
mod setup;
mod values;
mod verify;
mod wire;
mod wire_form;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use portico_contract::{
    ActionCall, Connector, Context, Fault, Host, HttpAnswer, InboundRequest, Manifest, OutboundMessage,
    Reply, Turn,
};
use portico_kit::sequence::Sequence;
use serde_json::Value;

pub use config::{ReplyPlace, SlackConfig};
use verify::Arrival;

/// A build with a broken manifest does not pass its first test, so it is never shipped.
static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| Manifest::parse(include_str!("../manifest.json")).expect("manifest.json is a manifest"));

/// The Slack connector.
pub fn connector() -> Arc<dyn Connector> {
    Arc::new(Slack)
}

#[derive(Debug)]
struct Slack;

impl Connector for Slack {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn check_config(&self, config: &Value) -> Vec<Fault> {
        config::check(config)
    }

    fn register(&self, _: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        setup::register(ctx)
    }

    fn unregister(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        // Addresses are set by hand at Slack, and are taken away there.
        Ok(Turn::emit([]))
    }

    fn webhook(&self, host: &dyn Host, ctx: &Context, request: &InboundRequest) -> Result<Turn, Fault> {
        match verify::verify(request)? {
            Arrival::Probe => Ok(Turn::emit([]).with_reply(Reply::status(200))),
            Arrival::Signed(verified) => {
                normalize::normalize(host, &*ctx.config.typed::<SlackConfig>()?, verified)
            }
        }
    }

    fn deliver(&self, host: &dyn Host, ctx: &Context, message: OutboundMessage) -> Result<Turn, Fault> {
        setup::check_alive(host)?;
        deliver::deliver(host, &*ctx.config.typed::<SlackConfig>()?, &message)
    }

    fn act(&self, host: &dyn Host, ctx: &Context, call: ActionCall) -> Result<Turn, Fault> {
        actions::act(host, ctx, &*ctx.config.typed::<SlackConfig>()?, &call)
    }

    fn resume(
        &self,
        host: &dyn Host,
        ctx: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        let config = ctx.config.typed::<SlackConfig>()?;
        let sequence = Sequence::from_memo(memo)?;
        match sequence.job.as_str() {
            deliver::JOB => deliver::resume(host, &config, sequence, &answers),
            setup::JOB => setup::registered(host, &answers),
            _ => actions::resume(host, &config, sequence, &answers),
        }
    }
}
