//! What must cost no more than the good path: forged requests and repeats.

use anyhow::{Context, Result, bail};

use super::{Round, Side, answers};
use crate::bench::Bench;
use crate::hooks::{MessageId, Mix};
use crate::load::Proof;
use crate::portico::Portico;
use crate::report::Must;
use crate::sched::Cpu;

/// CPU in µs per request, and what the load did meanwhile.
pub(super) struct Odd {
    pub(super) forged: f64,
    pub(super) repeat: f64,
    /// CPU of both on the threads that answer, in ns.
    pub(super) spent: u64,
    pub(super) acknowledged: Vec<MessageId>,
}

pub(super) fn measure(bench: &Bench, portico: &Portico, side: &mut Side) -> Result<Odd> {
    let mut part = |mix: Mix| {
        side.deck.set_mix(mix);
        let before = Cpu::of(portico.id());
        let tally = side.load.closed(&mut side.deck, bench.window / 4);
        let spent = Cpu::of(portico.id()).since(&before).named(answers);
        side.deck.set_mix(Mix::BUDGET);
        let tally = tally?;
        tally.planned(Proof::Unauthorized)?;
        anyhow::Ok((spent, tally))
    };
    let (on_forged, bad) = part(Mix { large: 0, forged: 1000, repeat: 0 }).context("forged requests")?;
    let (on_repeats, again) = part(Mix { large: 0, forged: 0, repeat: 1000 }).context("repeats")?;
    if !bad.acknowledged.is_empty() {
        bail!("a forged request was taken");
    }
    let each = |ns: u64, requests: u64| ns as f64 / requests as f64 / 1e3;
    Ok(Odd {
        forged: each(on_forged, bad.requests),
        repeat: each(on_repeats, again.requests),
        spent: on_forged + on_repeats,
        acknowledged: again.ids(),
    })
}

pub(super) fn tell(bench: &mut Bench, rounds: &[Round]) {
    let column = |pick: &dyn Fn(&Round) -> f64| rounds.iter().map(pick).collect::<Vec<f64>>();
    let report = &mut bench.report;
    let forged = column(&|one| one.forged / one.to_answer);
    report.cost("ingest", "forged request ÷ good request", "×", &forged, Must::AtMost(1.0));
    let repeat = column(&|one| one.repeat / one.to_answer);
    report.cost("ingest", "repeat ÷ good request", "×", &repeat, Must::AtMost(1.0));
}
