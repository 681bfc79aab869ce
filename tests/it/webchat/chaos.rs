//! The shipped client, with a proxy before the gateway that kills connections by chance, a reload of the page in the
//! middle, and the gateway itself killed and started again: every message is stored once and in order, every answer is
//! seen once.
//!
//! `PORTICO_CHAOS=full` runs 300 messages at every chance of a kill; else the worst one gets as many as fit in
//! about a minute.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::stage::{OPEN, PAGE, Stage};
use crate::node;

/// The packages of the webchat's client.
const PACKAGES: &str = "../webchat-client";

/// What a run is asked for.
struct Wish {
    /// Messages.
    count: usize,
    /// Chance that a piece of data kills its connection.
    p: f64,
    /// By which the client's delays are divided.
    haste: u32,
    /// Whether the gateway crashes after a third and after two thirds of the answers.
    crashes: bool,
}

/// The runner, built once from the client's own sources.
fn runner() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = node::folder(PACKAGES).join("packages/client");
        let output =
            Command::new("node").args(["build.mjs", "--chaos"]).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "the runner: {}", String::from_utf8_lossy(&output.stderr));
        folder.join("dist-test/chaos-gateway.mjs")
    })
}

/// Runs the client; `answered` gets the number of answers seen, as it grows.
fn run(stage: &Stage, wish: &Wish, answered: mpsc::UnboundedSender<usize>) -> std::thread::JoinHandle<Value> {
    let mut command = Command::new("node");
    let public = stage.gateway.spec.public();
    command
        .arg(runner())
        .env("GATEWAY", public)
        .env("CHANNEL", "site")
        .env("ORIGIN", PAGE)
        .env("COUNT", wish.count.to_string())
        .env("P", wish.p.to_string())
        .env("HASTE", wish.haste.to_string())
        .env("TIMEOUT_S", "300")
        .env("PROGRESS", "10")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    std::thread::spawn(move || {
        let mut child = command.spawn().expect("node is needed for this test: install Node 20 or newer");
        let mut said = Vec::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.strip_prefix("answered ").and_then(|count| count.parse().ok()) {
                // Nobody may be interested any more.
                Some(count) => answered.send(count).unwrap_or_default(),
                None => said.push(line),
            }
        }
        let mut verdict = String::new();
        child.stdout.take().unwrap().read_to_string(&mut verdict).unwrap();
        child.wait().unwrap();
        serde_json::from_str(&verdict)
            .unwrap_or_else(|_| panic!("no verdict: {verdict}\n{}", said.join("\n")))
    })
}

async fn nothing_is_lost(wish: Wish) {
    let mut stage = Stage::set(OPEN).await;
    let (answered, mut progress) = mpsc::unbounded_channel();
    let running = run(&stage, &wish, answered);
    let crashes = [wish.count / 3, 2 * wish.count / 3];
    for crash in crashes.into_iter().filter(|_| wish.crashes) {
        while let Some(count) = progress.recv().await {
            if count >= crash {
                break;
            }
        }
        stage = stage.crash().await;
    }
    let verdict = tokio::task::spawn_blocking(move || running.join().unwrap()).await.unwrap();
    assert_eq!(verdict["ok"], true, "{verdict}\n{}", stage.log());
    assert!(verdict["kills"].as_u64() > Some(5), "hardly a test: {verdict}");
    assert_eq!(verdict["answersSeen"], wish.count);
    // What the client says of itself is what the bot's side has.
    let rows = stage.stored(verdict["conversation"].as_str().unwrap()).await;
    for direction in ["incoming", "outgoing"] {
        let texts: Vec<&str> = rows
            .iter()
            .filter(|(its, _)| its == direction)
            .map(|(_, text)| text.rsplit_once('#').map_or("", |(_, number)| number.trim_end_matches('.')))
            .collect();
        let wanted: Vec<String> = (0..wish.count).map(|number| number.to_string()).collect();
        assert_eq!(texts, wanted, "{direction}\n{}", stage.log());
    }
}

fn is_full() -> bool {
    std::env::var("PORTICO_CHAOS").is_ok_and(|value| value == "full")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_two_percent_and_when_the_gateway_crashes() {
    nothing_is_lost(Wish { count: 300, p: 0.02, haste: 10, crashes: true }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_ten_percent_and_when_the_gateway_crashes() {
    nothing_is_lost(Wish { count: 300, p: 0.1, haste: 10, crashes: true }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_twenty_five_percent() {
    let count = if is_full() { 300 } else { 150 };
    let all = nothing_is_lost(Wish { count, p: 0.25, haste: 50, crashes: is_full() });
    tokio::time::timeout(Duration::from_secs(400), all).await.expect("it never ended");
}
