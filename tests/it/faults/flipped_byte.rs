//! One flipped byte anywhere in the store: the gateway starts with everything right, or refuses by name. It
//! never serves a wrong value.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portico_tests::gateway::{Gateway, GatewaySpec, free_port};
use portico_tests::sim::core::CoreAnswer;
use serde_json::Value;

use super::stage::{Kind, Stage, all_pages, say, wait_look};

/// Positions for each way in which the store ended.
const POSITIONS: u64 = 22;
const CONVERSATIONS: u32 = 6;
const MESSAGES: u64 = 5;

/// What the store must say, by path of the admin API.
type Facts = BTreeMap<String, Value>;

async fn facts(gateway: &Gateway) -> Facts {
    let mut facts = Facts::new();
    let conversations = all_pages(gateway, "/bots/support/conversations").await;
    for conversation in &conversations {
        let path = format!("/bots/support/conversations/{}/messages", conversation["id"].as_str().unwrap());
        facts.insert(path.clone(), Value::from(all_pages(gateway, &path).await));
    }
    facts.insert("/bots/support/conversations".into(), Value::from(conversations));
    let events = all_pages(gateway, "/events").await;
    for event in &events {
        let path = format!("/events/{}", event["id"].as_str().unwrap());
        let mut shown = super::stage::look(gateway, &path).await;
        // Attempts go on while the core is down.
        shown.as_object_mut().unwrap().remove("attempts");
        facts.insert(path, shown);
    }
    facts.insert("/events".into(), Value::from(events));
    facts
}

/// What a damaged gateway says, compared with what is right: a refusal must name the place.
async fn assert_right_or_refused(gateway: &Gateway, right: &Facts, what: &str) {
    for (path, value) in right {
        let asked = if path.starts_with("/events/") { path.clone() } else { format!("{path}?limit=500") };
        let reply = super::stage::admin(gateway, http::Method::GET, &asked, None).await;
        if reply.status != 200 {
            assert!(is_named(&reply.text()), "{what}: {path} is refused without a name: {}", reply.text());
            continue;
        }
        let mut seen = reply.json();
        if path.starts_with("/events/") {
            seen.as_object_mut().unwrap().remove("attempts");
        } else {
            seen = seen["items"].clone();
        }
        assert_eq!(&seen, value, "{what}: {path}");
    }
}

/// Whether a refusal names what is damaged: a segment and an offset, or a file, or a row.
fn is_named(text: &str) -> bool {
    [".seg", "segment", "checkpoint", "sled", "index", "row"].iter().any(|name| text.contains(name))
}

/// Files of the store, each with the places where it has something other than zeros.
fn places(data: &Path, skip_tail: bool) -> Vec<(PathBuf, Vec<u64>)> {
    let mut files = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !["LOCK", "reserve", "admin.token", "master.key"].contains(&name.as_str()) {
                let bytes = fs::read(&path).unwrap();
                let mut places: Vec<u64> = Vec::new();
                for (at, block) in blocks(&bytes) {
                    places.extend((at..).zip(block).filter(|(_, byte)| **byte != 0).map(|(at, _)| at));
                }
                // After a kill the last frame cannot be told from one whose write was cut off, and then nobody
                // was answered; so the damage goes elsewhere.
                if skip_tail && name.ends_with(".seg") {
                    let end = places.last().copied().unwrap_or(0);
                    places.retain(|at| *at < 4_096 || *at + 4_096 < end);
                }
                if !places.is_empty() {
                    files.push((path.strip_prefix(data).unwrap().to_owned(), places));
                }
            }
        }
    }
    files.sort();
    files
}

/// Blocks that are not all zeros, with their places: log segments are mostly zeros.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    const ZEROS: &[u8] = &[0; 65_536];
    let all = (0_u64..).step_by(ZEROS.len()).zip(bytes.chunks(ZEROS.len()));
    // Compared as a whole, which is quick in an unoptimised build, too.
    all.filter(|(_, block)| *block != &ZEROS[..block.len()])
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else if entry.file_name() != "reserve" {
            let bytes = fs::read(&path).unwrap();
            let file = File::create(&to).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            for (at, block) in blocks(&bytes) {
                file.write_all_at(block, at).unwrap();
            }
            fs::set_permissions(&to, fs::metadata(&path).unwrap().permissions()).unwrap();
        }
    }
}

async fn flip_everywhere(is_killed: bool) {
    let mut stage = Stage::set(|_| CoreAnswer::done(), "", "[store.checkpoint]\nevery = \"1s\"\n").await;
    stage.spec.config.push_str("[store.disk]\nreserve = \"0B\"\n");
    let gateway = stage.start().await;
    let kinds = [Kind::Webhook(0), Kind::Slack, Kind::Telegram];
    for conversation in 0..CONVERSATIONS {
        for number in 1..=MESSAGES {
            let kind = kinds[conversation as usize % 3];
            say(&gateway, kind, conversation, number, &format!("{conversation} says {number}")).await;
        }
    }
    stage
        .core
        .wait_for((CONVERSATIONS as usize) * (MESSAGES as usize), Duration::from_secs(20))
        .await
        .unwrap();
    wait_look(&gateway, "/stats", "no backlog", Duration::from_secs(10), |stats| {
        stats["backlog"]["inbound"] == 0
    })
    .await;
    // From here on the core is down, so some events wait, and nothing changes by itself.
    stage.core.answer_with(|_| CoreAnswer::status(503));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for conversation in 0..CONVERSATIONS {
        let kind = kinds[conversation as usize % 3];
        say(&gateway, kind, conversation, MESSAGES + 1, &format!("{conversation} says {}", MESSAGES + 1))
            .await;
    }
    let open = |bots: &Value| bots["items"][0]["dispatch"]["breaker"]["state"] == "open";
    wait_look(&gateway, "/bots", "an open breaker", Duration::from_secs(20), open).await;
    // Each waiting event was offered once, so its rows are written.
    let whole = |list: &Value| {
        list["items"].as_array().is_some_and(|all| all.iter().all(|one| one["messageCount"] == MESSAGES + 1))
    };
    wait_look(&gateway, "/bots/support/conversations", "all rows", Duration::from_secs(60), whole).await;
    let right = facts(&gateway).await;
    assert_eq!(right["/events"].as_array().unwrap().len() as u64, u64::from(CONVERSATIONS) * (MESSAGES + 1));
    if is_killed {
        gateway.kill().unwrap();
    } else {
        gateway.stop(Duration::from_secs(30)).await.unwrap();
    }

    let data = stage.data();
    let files = places(&data, is_killed);
    let (mut started, mut refused) = (0, 0);
    for position in 0..POSITIONS {
        // Every file in turn; the log, which holds most, twice as often.
        let logs: Vec<_> = files.iter().filter(|(path, _)| path.starts_with("log")).collect();
        let (path, places) = if position % 3 == 0 {
            logs[position as usize / 3 % logs.len()]
        } else {
            &files[position as usize % files.len()]
        };
        let mut random = [0; 9];
        getrandom::fill(&mut random).unwrap();
        let [bit, place @ ..] = random;
        let at = places[(u64::from_le_bytes(place) % places.len() as u64) as usize];
        let what = format!("{} at {at}, bit {}", path.display(), bit % 8);

        let folder = tempfile::tempdir().unwrap();
        copy(&data, &folder.path().join("data"));
        let file =
            File::options().read(true).write(true).open(folder.path().join("data").join(path)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << (bit % 8))], at).unwrap();

        let mut spec = GatewaySpec::new(&stage.spec.config, folder.path());
        spec.ports = (free_port(), free_port());
        match spec.start().await {
            Ok(gateway) => {
                started += 1;
                assert_right_or_refused(&gateway, &right, &what).await;
                gateway.kill().unwrap();
            }
            Err(why) => {
                refused += 1;
                let why = format!("{why:#}");
                assert!(why.contains("ended with"), "{what}: {why}");
                assert!(is_named(&why) && !why.contains("panicked"), "{what}: refused without a name: {why}");
            }
        }
    }
    assert_eq!(started + refused, POSITIONS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_store_that_was_closed_is_mended_or_named() {
    flip_everywhere(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_store_whose_process_was_killed_is_mended_or_named() {
    flip_everywhere(true).await;
}
