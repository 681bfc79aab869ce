//! Whether each 2xx had a sync before it: lone requests under strace, every one with a completed `fdatasync`
//! between its sending and its answer. And none for forged requests.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::child;
use crate::hooks::{Deck, Mix};
use crate::load::{Load, Proof};
use crate::portico::Portico;

/// Counts over `lone` requests. Gives a sentence for the report.
///
/// # Errors
/// When a 2xx came without a sync, or a forged request was synced.
pub(super) fn before_each_answer(portico: &Portico, deck: &mut Deck, lone: usize) -> Result<String> {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        return Ok("syncs were not counted: strace is not installed".into());
    }
    let file = std::env::temp_dir().join(format!("portico-bench-strace-{}", std::process::id()));
    let mut command = Command::new("strace");
    command
        .args(["-f", "-q", "-ttt", "-T", "-e", "trace=fdatasync,fsync", "-o"])
        .arg(&file)
        .args(["-p", &portico.id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut tracer = child::spawn(command, 0)?;
    std::thread::sleep(Duration::from_millis(500));
    let mut load = Load::connect(portico.address, 1)?;
    let mut windows = Vec::new();
    deck.set_mix(Mix::NEW);
    for _ in 0..lone {
        let sent = epoch_s();
        load.count(deck, 1)?.planned(Proof::Unauthorized)?;
        windows.push((sent, epoch_s()));
    }
    // What the core's acceptance brings about settles, so that it is not counted below.
    std::thread::sleep(Duration::from_millis(500));
    let quiet_from = epoch_s();
    deck.set_mix(Mix { large: 0, forged: 1000, repeat: 0 });
    load.count(deck, 200)?.planned(Proof::Unauthorized)?;
    let quiet_to = epoch_s();
    deck.set_mix(Mix::BUDGET);
    tracer.signal(Signal::INT);
    if tracer.ended(Duration::from_secs(5)).is_none() {
        bail!("strace did not end");
    }
    let syncs = read(&file)?;
    std::fs::remove_file(&file)?;
    let without = windows
        .iter()
        .filter(|(sent, answered)| !syncs.iter().any(|(begun, done)| begun >= sent && done <= answered))
        .count();
    if without > 0 {
        bail!("{without} of {lone} requests were answered 2xx without a completed sync since their sending");
    }
    let forged = syncs.iter().filter(|(begun, _)| (quiet_from..quiet_to).contains(begun)).count();
    if forged > 2 {
        bail!("200 forged requests caused {forged} syncs");
    }
    Ok(format!(
        "each of {lone} lone requests was synced before its 2xx ({} syncs); forged ones were not",
        syncs.len()
    ))
}

fn epoch_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Begin and end of each completed sync. A call that another thread interrupts stands on two lines, of which
/// the second tells its duration.
fn read(file: &Path) -> Result<Vec<(f64, f64)>> {
    let text = std::fs::read_to_string(file).context("strace wrote nothing")?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Vec<(f64, f64)> {
    let mut unfinished = std::collections::HashMap::new();
    let mut syncs = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(thread), Some(at)) = (words.next(), words.next().and_then(|word| word.parse::<f64>().ok()))
        else {
            continue;
        };
        if line.ends_with("<unfinished ...>") {
            unfinished.insert(thread, at);
            continue;
        }
        let took = line.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>')?.parse::<f64>().ok());
        if let Some(took) = took.filter(|_| line.contains(" = 0 ")) {
            let begun = if line.contains("resumed>") { unfinished.remove(thread).unwrap_or(at) } else { at };
            syncs.push((begun, begun + took));
        }
    }
    syncs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_interrupted_calls_are_read_and_failed_ones_are_not() {
        let text = "11 100.000100 fdatasync(9) = 0 <0.000090>\n\
                    11 100.001000 fdatasync(9 <unfinished ...>\n\
                    12 100.001010 fsync(7) = -1 EIO (Input/output error) <0.000090>\n\
                    11 100.001200 <... fdatasync resumed>) = 0 <0.000200>\n";
        let syncs = parse(text);
        assert_eq!(syncs.len(), 2);
        assert!((syncs[0].0 - 100.0001).abs() < 1e-9 && (syncs[1].1 - 100.0012).abs() < 1e-9);
    }
}
