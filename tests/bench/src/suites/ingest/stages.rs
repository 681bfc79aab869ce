//! Single stages beside R0: which of them to look at when the whole is too much.

use anyhow::Result;

use super::Round;
use crate::bench::Bench;
use crate::child;
use crate::report::{Must, median};

const PROVIDERS: [&str; 3] = ["slack", "telegram", "whatsapp"];

pub(super) fn tell(bench: &mut Bench, rounds: &[Round]) -> Result<()> {
    let result = child::outcome("stages", &[], bench.plan.server)?;
    let r0 = median(&rounds.iter().map(|one| one.bare.cpu).collect::<Vec<f64>>());
    let stages = [
        ("verify", Must::AtMost(0.25)),
        ("normalize", Must::AtMost(0.35)),
        ("raw request", Must::Nothing),
        ("event as changes", Must::Nothing),
    ];
    for (stage, must) in stages {
        for provider in PROVIDERS {
            let each = result[provider][stage].as_f64().unwrap_or(f64::NAN) / r0;
            bench.report.cost("stages", &format!("{stage}, {provider} ÷ R0"), "×", &[each], must);
        }
    }
    Ok(())
}
