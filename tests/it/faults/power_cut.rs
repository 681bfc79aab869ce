//! A power cut: the process is killed, and with it everything is gone that no sync had brought to the disk.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use portico_tests::gateway::GatewaySpec;

use super::kill::{Crash, rounds};
use super::load::Load;
use super::medium::{Medium, Unsynced, writer};
use super::stage::{Kind, Stage};

/// A power cut; in odd rounds all unsynced writes are lost, in even ones any of them.
struct PowerCut(Option<Medium>);

impl Crash for PowerCut {
    fn before(&mut self, spec: &mut GatewaySpec) {
        let medium = Medium::of(&spec.data.join("data"));
        medium.begin();
        spec.env = medium.environment(false);
        self.0 = Some(medium);
    }

    fn after(&mut self, _: &GatewaySpec, round: u32) {
        let unsynced = if round % 2 == 1 { Unsynced::Lost } else { Unsynced::Mixed(u64::from(round)) };
        self.0.take().unwrap().cut(unsynced);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_out_of_order_when_the_power_is_cut_twenty_times() {
    rounds(20, PowerCut(None)).await.assert_promises().await;
}

/// How many lines a writer told as kept, and how many a power cut left.
fn written(mode: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let medium = Medium::of(&root);
    medium.begin();
    let mut child = Command::new(writer())
        .arg(root.join("lines"))
        .arg(mode)
        .arg(&root)
        .envs(medium.environment(false))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    child.wait().unwrap();
    medium.cut(Unsynced::Lost);
    let left = std::fs::read_to_string(root.join("lines")).unwrap();
    (told.lines().count(), left.lines().count())
}

#[test]
fn the_power_cut_takes_from_a_writer_what_it_did_not_sync_and_leaves_what_it_did() {
    let (told, left) = written("sync");
    assert!(told > 10 && left >= told, "{told} told, {left} left");
    let (told, left) = written("hope");
    assert!(told > 10 && left == 0, "{told} told, {left} left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_power_cut_takes_acknowledged_messages_from_a_gateway_whose_disk_lies_about_syncs() {
    let mut stage = Stage::plain().await;
    let medium = Medium::of(&stage.data());
    // A good start first, so that what is lost later are messages and not the whole store.
    medium.begin();
    stage.spec.env = medium.environment(false);
    stage.start().await.stop(Duration::from_secs(30)).await.unwrap();
    medium.begin();
    stage.spec.env = medium.environment(true);
    // The core takes nothing, so that each message is only in the store.
    stage.core.answer_with(|_| portico_tests::sim::core::CoreAnswer::status(503));
    let gateway = stage.start().await;
    let mut load = Load::new(stage.spec.ports.0);
    load.incoming(Kind::Webhook(0), 1, Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.kill().unwrap();
    let acknowledged = load.end().await.acknowledged;
    assert!(acknowledged.len() > 10, "{} acknowledged", acknowledged.len());
    medium.cut(Unsynced::Lost);
    stage.spec.env.clear();
    stage.core.answer_with(|_| portico_tests::sim::core::CoreAnswer::done());
    let arrived = match stage.spec.start().await {
        // Refusing to start is telling the truth, too.
        Err(_) => 0,
        Ok(_gateway) => {
            let everything = stage.core.wait_for(acknowledged.len(), Duration::from_secs(7)).await;
            assert!(everything.is_err(), "the cut lost nothing: the harness has no teeth");
            stage.core.events().len()
        }
    };
    assert!(arrived < acknowledged.len(), "{arrived} of {} survived syncs that never happened", acknowledged.len());
}
