#![doc = include_str!("../README.md")]

mod actions;
mod config;
mod errors;
mod fallback;
mod normalize;
mod phone;
mod render;
mod send;
mod setup;
mod template;
mod values;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use portico_contract::{
    ActionCall, Connector, Context, Effect, Fault, FaultCode, Host, HttpAnswer, InboundRequest, Manifest,
    OutboundMessage, OutboundRequest, Turn,
};
use portico_kit::sequence::Sequence;
use serde_json::Value;

pub use config::{Subscribe, WhatsAppConfig};

/// The one kind of conversation: one of the bot's numbers with one person.
const CHANNEL: &str = "channel";

/// What tells conversations apart; `userId` is empty where the number is known.
const IDENTITY: [&str; 3] = ["botPhoneNumberId", "userPhone", "userId"];

/// The job's name of an outbound message in a sequence.
const DELIVER: &str = "deliver";

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the document is part of the program, and a test reads it")]
    Manifest::parse(include_str!("../manifest.json")).expect("manifest.json is a manifest")
});

/// The WhatsApp Cloud API connector.
pub fn connector() -> Arc<dyn Connector> {
    Arc::new(WhatsApp)
}

/// Speaks the WhatsApp Cloud API.
#[derive(Clone, Copy, Debug)]
pub struct WhatsApp;

fn config(ctx: &Context) -> Result<Arc<WhatsAppConfig>, Fault> {
    ctx.config.typed()
}

impl Connector for WhatsApp {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn check_config(&self, config: &Value) -> Vec<Fault> {
        config::check(config)
    }

    fn register(&self, host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        setup::register(host, ctx, &*config(ctx)?)
    }

    fn unregister(&self, host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        setup::unregister(host, &*config(ctx)?)
    }

    fn webhook(&self, host: &dyn Host, ctx: &Context, request: &InboundRequest) -> Result<Turn, Fault> {
        if request.method == "GET" {
            return verify::handshake(host, request);
        }
        let config = config(ctx)?;
        let found = normalize::normalize(host, &config, verify::event(host, &config, request)?)?;
        if found.refused_media.is_empty() {
            return Ok(Turn::emit(found.events));
        }
        fallback::begin(host, &config, found)
    }

    fn deliver(&self, host: &dyn Host, ctx: &Context, message: OutboundMessage) -> Result<Turn, Fault> {
        let config = config(ctx)?;
        let mut note = send::Note {
            attempt: message.attempt,
            target: send::Target::of(&message.thread, &config)?,
            ..send::Note::default()
        };
        let mut renderer = render::Renderer::new(host, &config, &ctx.webhook_url);
        for (index, part) in message.parts.iter().enumerate() {
            renderer.part(part, &format!("/parts/{index}"))?;
        }
        let (drafts, writes) = renderer.end();
        let calls = note.calls(&config, drafts, message.reply_to.as_deref())?;
        let mut turn = Sequence::new(DELIVER, calls).with_note(note.json()?).start()?;
        turn.effects.extend(writes.into_iter().map(Effect::Write));
        Ok(turn)
    }

    fn act(&self, _: &dyn Host, ctx: &Context, call: ActionCall) -> Result<Turn, Fault> {
        actions::act(&*config(ctx)?, &call)
    }

    fn resume(
        &self,
        host: &dyn Host,
        ctx: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        let config = config(ctx)?;
        let mut sequence = Sequence::from_memo(memo)?;
        match sequence.job.as_str() {
            DELIVER => {
                let mut note = send::Note::read(&sequence.note)?;
                let Some(answer) = answers.first() else {
                    return Err(Fault::new(FaultCode::Bug, "resumed without an answer"));
                };
                if let Some(step) = note.advance(host, &config, answer)? {
                    sequence.note = note.json()?;
                    return sequence.resume(&answers, |_, _| Ok(step));
                }
                let first = sequence.sent().external_ids.is_empty();
                let mut effects = Vec::new();
                let read = |asked: &OutboundRequest, answer: &HttpAnswer| {
                    send::message(host, &config, &note, first, asked, answer, &mut effects)
                };
                let mut turn = sequence.resume(&answers, read)?;
                turn.effects.extend(effects);
                Ok(turn)
            }
            setup::REGISTER | setup::UNREGISTER => setup::resume(sequence, &answers),
            fallback::JOB => fallback::resume(sequence, &answers),
            job if job.starts_with(actions::JOB) => actions::resume(host, &config, sequence, &answers),
            job => Err(Fault::new(FaultCode::Bug, format!("no job named '{job}'"))),
        }
    }
}
