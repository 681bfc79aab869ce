//! The shipped client, with a proxy before the gateway that kills connections by chance, a reload of the page in the
//! middle, and the gateway itself killed and started again: every message is stored once and in order, every answer is
//! seen once.
//!
//! At 25 % one try in three gets as far as `welcome`, so nearly all of the time is the client's patience between two
//! tries. The worse the network, the more its delays are divided; what is promised does not depend on them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tokio::sync::mpsc;

use super::stage::{OPEN, PAGE, Stage};
use crate::node;

/// The packages of the webchat's client.
const PACKAGES: &str = "../webchat-client";

/// Messages of a run.
const COUNT: usize = 300;

/// What a run is asked for.
struct Wish {
    /// Chance that a piece of data kills its connection.
    p: f64,
    /// By which the client's delays are divided.
    haste: u32,
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
        .env("COUNT", COUNT.to_string())
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
    // The gateway crashes after a third and after two thirds of the answers.
    for crash in [COUNT / 3, 2 * COUNT / 3] {
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
    assert_eq!(verdict["answersSeen"], COUNT);
    // What the client says of itself is what the bot's side has.
    let rows = stage.stored(verdict["conversation"].as_str().unwrap()).await;
    for direction in ["incoming", "outgoing"] {
        let texts: Vec<&str> = rows
            .iter()
            .filter(|(its, _)| its == direction)
            .map(|(_, text)| text.rsplit_once('#').map_or("", |(_, number)| number.trim_end_matches('.')))
            .collect();
        let wanted: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
        assert_eq!(texts, wanted, "{direction}\n{}", stage.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_two_percent_and_when_the_gateway_crashes() {
    nothing_is_lost(Wish { p: 0.02, haste: 10 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_ten_percent_and_when_the_gateway_crashes() {
    nothing_is_lost(Wish { p: 0.1, haste: 10 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_twenty_five_percent_and_when_the_gateway_crashes() {
    nothing_is_lost(Wish { p: 0.25, haste: 200 }).await;
}
