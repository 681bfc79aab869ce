#![doc = include_str!("../README.md")]
//!
//! # In the code
//! Both ways at the border to Telegram: `wire` and `normalize` read updates; `render`, `call` and `send` make
//! calls of the Bot API and read their answers; `buttons` knows both ends of an inline button.

mod actions;
mod buttons;
mod call;
mod config;
mod html;
mod normalize;
mod render;
mod send;
mod setup;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use portico_contract::{
    ActionCall, Connector, Context, Fault, FaultCode, Host, HttpAnswer, InboundRequest, Level, Manifest,
    OutboundMessage, Outcome, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde_json::Value;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the text is part of the program, and a test reads it")]
    Manifest::parse(include_str!("../manifest.json")).expect("manifest.json is a manifest")
});

/// The Telegram connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telegram;

/// The connector, for the catalog.
pub fn connector() -> Arc<dyn Connector> {
    Arc::new(Telegram)
}

impl Connector for Telegram {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn check_config(&self, config: &Value) -> Vec<Fault> {
        config::check(config)
    }

    fn register(&self, host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        setup::register(host, ctx)
    }

    fn unregister(&self, _host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        setup::unregister(ctx)
    }

    fn webhook(&self, host: &dyn Host, ctx: &Context, request: &InboundRequest) -> Result<Turn, Fault> {
        normalize::normalize(host, ctx, verify::verify(request)?)
    }

    fn deliver(&self, host: &dyn Host, ctx: &Context, message: OutboundMessage) -> Result<Turn, Fault> {
        render::deliver(host, ctx, &message)
    }

    fn act(&self, host: &dyn Host, ctx: &Context, call: ActionCall) -> Result<Turn, Fault> {
        actions::act(host, ctx, &call)
    }

    fn resume(
        &self,
        host: &dyn Host,
        ctx: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        let sequence = Sequence::from_memo(memo)?;
        match sequence.job.as_str() {
            render::JOB => send::resume(host, ctx, sequence, &answers),
            normalize::PRESS => Ok(pressed(host, &answers)),
            setup::REGISTER | setup::UNREGISTER => set_up(sequence, &answers),
            job if job.starts_with(actions::PREFIX) => actions::resume(host, ctx, sequence, &answers),
            job => Err(Fault::new(FaultCode::Bug, format!("no run of the name '{job}'"))),
        }
    }
}

/// The event of a press is stored whatever became of its answer, which Telegram takes for a short time only.
fn pressed(host: &dyn Host, answers: &[HttpAnswer]) -> Turn {
    for answer in answers {
        if let Err(refusal) = send::read(answer) {
            let level = if refusal.class == send::Class::Gone { Level::Debug } else { Level::Warn };
            host.log(level, "a pressed button could not be answered", &[("reason", &refusal.fault.message)]);
        }
    }
    Turn::done(Outcome::Nothing)
}

fn set_up(sequence: Sequence, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let mut effects = Vec::new();
    let mut turn = sequence.resume_to(
        answers,
        |request, answer| {
            let result = send::read(answer).map_err(|refusal| refusal.fault)?;
            if request.label == "getMe" {
                effects.push(setup::remember(&result)?);
            }
            Ok(Step::ok())
        },
        |_| Outcome::Nothing,
    )?;
    turn.effects.append(&mut effects);
    Ok(turn)
}
