//! Figures, their bounds, and how they are told: a table for people, JSON lines for machines.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::machine::Facts;

/// What a figure must meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Must {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Shown for its own sake.
    Nothing,
}

/// How a figure stands to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// Strangers were busy: rates and latencies say nothing.
    NotJudged,
    /// No bound.
    Shown,
}

/// One figure of a suite, a value for each round.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) suite: &'static str,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) rounds: Vec<f64>,
    pub(crate) must: Must,
    /// Whether it is CPU or bytes, and so holds on a busy machine too.
    pub(crate) robust: bool,
}

/// One round may miss a bound by this much when the median meets it.
const SLACK: f64 = 0.15;

impl Figure {
    /// Median over the rounds.
    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// A `lenient` judge lets pass what is within twice the bound.
    fn verdict(&self, quiet: bool, lenient: bool) -> Verdict {
        let (low, high) = extremes(&self.rounds);
        let met = match self.must {
            Must::Nothing => return Verdict::Shown,
            _ if !quiet && !self.robust => return Verdict::NotJudged,
            _ if self.rounds.is_empty() => false,
            Must::AtMost(bound) if lenient => self.median() <= bound * 2.0,
            Must::AtLeast(bound) if lenient => self.median() >= bound / 2.0,
            Must::AtMost(bound) => self.median() <= bound && high <= bound * (1.0 + SLACK),
            Must::AtLeast(bound) => self.median() >= bound && low >= bound * (1.0 - SLACK),
        };
        if met { Verdict::Met } else { Verdict::Missed }
    }
}

/// The middle of some values; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted.get(count / 2).copied().unwrap_or(0.0),
        count => {
            let at = |place: usize| sorted.get(place).copied().unwrap_or(0.0);
            f64::midpoint(at(count / 2 - 1), at(count / 2))
        }
    }
}

fn extremes(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}

/// All figures of a run.
pub(crate) struct Report {
    facts: Facts,
    folder: PathBuf,
    figures: Vec<Figure>,
    notes: Vec<String>,
    failures: Vec<String>,
    strangers: Vec<f64>,
    quiet: bool,
    lenient: bool,
}

impl Report {
    pub(crate) fn new(facts: Facts, folder: &Path, lenient: bool) -> Self {
        Self {
            facts,
            folder: folder.to_owned(),
            figures: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
            strangers: Vec::new(),
            quiet: true,
            lenient,
        }
    }

    /// A CPU or size figure.
    pub(crate) fn cost(
        &mut self,
        suite: &'static str,
        name: &str,
        unit: &'static str,
        rounds: &[f64],
        must: Must,
    ) {
        self.add(suite, name, unit, rounds, must, true);
    }

    /// A rate or latency, judged on a quiet machine only.
    pub(crate) fn speed(
        &mut self,
        suite: &'static str,
        name: &str,
        unit: &'static str,
        rounds: &[f64],
        must: Must,
    ) {
        self.add(suite, name, unit, rounds, must, false);
    }

    fn add(
        &mut self,
        suite: &'static str,
        name: &str,
        unit: &'static str,
        rounds: &[f64],
        must: Must,
        robust: bool,
    ) {
        self.figures.push(Figure {
            suite,
            name: name.to_owned(),
            unit,
            rounds: rounds.to_owned(),
            must,
            robust,
        });
    }

    /// Something a reader must know.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// A wrong answer: it fails the run whatever the figures say.
    pub(crate) fn failure(&mut self, text: impl Into<String>) {
        self.failures.push(text.into());
    }

    /// How busy strangers were in a round.
    pub(crate) fn strangers(&mut self, cores: f64) {
        self.strangers.push(cores);
        if cores > crate::machine::QUIET {
            self.quiet = false;
        }
    }

    /// Whether all held.
    pub(crate) fn passed(&self) -> bool {
        self.failures.is_empty()
            && self.figures.iter().all(|one| one.verdict(self.quiet, self.lenient) != Verdict::Missed)
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let facts = &self.facts;
        // Writing to a string can't fail.
        let _fits = writeln!(
            out,
            "portico-bench, commit {}, {}, {} processors, Linux {}, store on {}",
            facts.commit, facts.cpu, facts.cpus, facts.kernel, facts.disk
        );
        let mut suite = "";
        for figure in &self.figures {
            if figure.suite != suite {
                suite = figure.suite;
                let _fits =
                    writeln!(out, "\n{suite:<58} {:>10} {:>23}  {:>10}", "median", "[min..max]", "must");
            }
            let (low, high) = extremes(&figure.rounds);
            let must = match figure.must {
                Must::AtMost(bound) => format!("<= {}", number(bound)),
                Must::AtLeast(bound) => format!(">= {}", number(bound)),
                Must::Nothing => String::new(),
            };
            let verdict = match figure.verdict(self.quiet, self.lenient) {
                Verdict::Met => "met",
                Verdict::Missed => "MISSED",
                Verdict::NotJudged => "not judged",
                Verdict::Shown => "",
            };
            let name = format!("{} ({})", figure.name, figure.unit);
            let range = format!("[{}..{}]", number(low), number(high));
            let median = number(figure.median());
            let _fits = writeln!(out, "  {name:<56} {median:>10} {range:>23}  {must:>10}  {verdict}");
        }
        let (_, most) = extremes(&self.strangers);
        if !self.strangers.is_empty() {
            let quiet = if self.quiet { "quiet" } else { "NOT QUIET: only CPU and size figures are judged" };
            let _fits = writeln!(out, "\nstrangers: at most {most:.2} processors; {quiet}");
        }
        for note in &self.notes {
            let _fits = writeln!(out, "note: {note}");
        }
        for failure in &self.failures {
            let _fits = writeln!(out, "WRONG: {failure}");
        }
        out
    }

    /// Writes the JSON lines; gives the file.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn write(&self) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        let name: String = self.facts.at.chars().filter(|one| one.is_ascii_alphanumeric()).take(15).collect();
        let path = self.folder.join(format!("{name}.jsonl"));
        let mut file = File::options().create(true).append(true).open(&path)?;
        let (_, strangers) = extremes(&self.strangers);
        let head = json!({
            "run": self.facts, "quiet": self.quiet, "quick": self.lenient,
            "strangers": strangers.is_finite().then_some(strangers), "notes": self.notes, "failures": self.failures,
        });
        writeln!(file, "{head}")?;
        for figure in &self.figures {
            let must = match figure.must {
                Must::AtMost(bound) => json!({ "at_most": bound }),
                Must::AtLeast(bound) => json!({ "at_least": bound }),
                Must::Nothing => json!(null),
            };
            let verdict = format!("{:?}", figure.verdict(self.quiet, self.lenient)).to_lowercase();
            let line = json!({
                "suite": figure.suite, "name": figure.name, "unit": figure.unit, "median": figure.median(),
                "rounds": figure.rounds, "must": must, "verdict": verdict,
            });
            writeln!(file, "{line}")?;
        }
        Ok(path)
    }

    /// Says what grew by more than a tenth against the newest earlier run on the same machine.
    pub(crate) fn compare(&mut self) {
        let Some(before) = self.last() else { return };
        let mut worse = Vec::new();
        for figure in self.figures.iter().filter(|one| one.robust && one.must != Must::Nothing) {
            let earlier = before.iter().find(|line| {
                line["suite"] == figure.suite
                    && line["name"] == figure.name.as_str()
                    && line["unit"] == figure.unit
            });
            let Some(was) = earlier.and_then(|line| line["median"].as_f64()).filter(|was| *was > 0.0) else {
                continue;
            };
            let change = figure.median() / was - 1.0;
            if change > 0.1 {
                worse.push(format!("{}: {:+.0}% since the last run", figure.name, change * 100.0));
            }
        }
        self.notes.extend(worse);
    }

    fn last(&self) -> Option<Vec<serde_json::Value>> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.folder).ok()?.flatten().map(|one| one.path()).collect();
        files.sort();
        files.iter().rev().filter(|path| path.extension().is_some_and(|end| end == "jsonl")).find_map(
            |path| {
                let text = fs::read_to_string(path).ok()?;
                let lines: Vec<serde_json::Value> =
                    text.lines().filter_map(|one| serde_json::from_str(one).ok()).collect();
                let run = &lines.first()?["run"];
                let same =
                    run["cpu"] == self.facts.cpu.as_str() && run["kernel"] == self.facts.kernel.as_str();
                (same && run["at"] != self.facts.at.as_str()).then_some(lines)
            },
        )
    }
}

/// Three digits, as many as a reader can use.
fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".into(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(rounds: &[f64], must: Must, robust: bool, quiet: bool, lenient: bool) -> Verdict {
        let figure =
            Figure { suite: "s", name: "n".into(), unit: "u", rounds: rounds.to_owned(), must, robust };
        figure.verdict(quiet, lenient)
    }

    #[test]
    fn a_bound_is_met_by_the_median_and_nearly_by_every_round() {
        let must = Must::AtMost(2.0);
        assert_eq!(verdict(&[1.9, 2.0, 2.2], must, true, true, false), Verdict::Met);
        assert_eq!(verdict(&[1.9, 2.0, 2.4], must, true, true, false), Verdict::Missed);
        assert_eq!(verdict(&[2.1, 2.1, 1.0], must, true, true, false), Verdict::Missed);
        assert_eq!(verdict(&[0.5, 0.43, 0.6], Must::AtLeast(0.5), true, true, false), Verdict::Met);
        assert_eq!(verdict(&[0.5, 0.42, 0.6], Must::AtLeast(0.5), true, true, false), Verdict::Missed);
    }

    #[test]
    fn strangers_spoil_speeds_but_not_costs_and_smoke_fails_below_half() {
        let must = Must::AtMost(2.0);
        assert_eq!(verdict(&[9.0], must, false, false, false), Verdict::NotJudged);
        assert_eq!(verdict(&[9.0], must, true, false, false), Verdict::Missed);
        assert_eq!(verdict(&[3.9], must, true, false, true), Verdict::Met);
        assert_eq!(verdict(&[4.1], must, true, false, true), Verdict::Missed);
        assert_eq!(verdict(&[], must, true, true, false), Verdict::Missed);
    }
}
