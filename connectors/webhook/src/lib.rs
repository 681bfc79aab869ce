#![doc = include_str!("../README.md")]

mod actions;
mod config;
mod cors;
mod normalize;
mod render;
mod send;
mod setup;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use http::Method;
use portico_contract::{
    ActionCall, Connector, Context, Fault, FaultCode, Field, Host, HttpAnswer, InboundRequest, Manifest,
    OutboundMessage, Outcome, Reply, Turn,
};
use portico_kit::sequence::Sequence;
use serde_json::Value;

#[expect(clippy::expect_used, reason = "the manifest is part of the program, and a test reads it")]
static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    Manifest::parse(include_str!("../manifest.json")).expect("the built-in manifest parses")
});

/// Requests of any system in and out; see the crate's own text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Webhook;

/// The connector, for the catalog.
pub fn connector() -> Arc<dyn Connector> {
    Arc::new(Webhook)
}

impl Connector for Webhook {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn check_config(&self, config: &Value) -> Vec<Fault> {
        config::check(config)
    }

    fn register(&self, host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        setup::register(host, &*config::read(ctx)?)
    }

    fn unregister(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }

    fn webhook(&self, host: &dyn Host, ctx: &Context, request: &InboundRequest) -> Result<Turn, Fault> {
        let config = config::read(ctx)?;
        // A browser asks first, and can't send the secret with its question.
        if request.method == Method::OPTIONS {
            return Ok(Turn::done(Outcome::Nothing).with_reply(cors::preflight(request, &config)));
        }
        if request.method != Method::GET && request.method != Method::POST {
            let reply = Reply { headers: vec![Field::new("allow", cors::METHODS)], ..Reply::status(405) };
            return Ok(Turn::done(Outcome::Nothing).with_reply(reply));
        }
        let verified = verify::verify(host, &config, request)?;
        let event = normalize::normalize(host, &config, verified)?;
        let turn = Turn::emit([event]);
        Ok(match cors::answer(request, &config) {
            Some(reply) => turn.with_reply(reply),
            None => turn,
        })
    }

    fn deliver(&self, host: &dyn Host, ctx: &Context, message: OutboundMessage) -> Result<Turn, Fault> {
        let config = config::read(ctx)?;
        Sequence::new(send::JOB, render::render(host, &config, &message)?).start()
    }

    fn act(&self, _: &dyn Host, ctx: &Context, call: ActionCall) -> Result<Turn, Fault> {
        actions::act(&*config::read(ctx)?, &call)
    }

    fn resume(
        &self,
        host: &dyn Host,
        _: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        let sequence = Sequence::from_memo(memo)?;
        match sequence.job.as_str() {
            send::JOB => sequence.resume(&answers, |request, answer| send::read(host, request, answer)),
            actions::CALL_WEBHOOK => actions::resume(&answers),
            other => Err(Fault::new(FaultCode::Bug, format!("memo of an unknown job '{other}'"))),
        }
    }
}
