//! R3 and R4: a full disk, and a disk that fails.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use portico_tests::gateway::Gateway;
use portico_tests::sim::core::CoreAnswer;

use super::load::{Load, assert_all_arrived};
use super::power_cut::{LIBRARY, compile};
use super::stage::{Kind, Stage, readiness, say, tail};

/// A small disk of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is refused: it takes root.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let asked = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .output();
        match asked {
            Ok(done) if done.status.success() => Some(Self(at.to_owned())),
            Ok(done) => {
                let why = String::from_utf8_lossy(&done.stderr).into_owned();
                assert!(!is_root(), "root was refused to mount a tmpfs: {why}");
                None
            }
            Err(_) => None,
        }
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
        && std::fs::read_to_string("/proc/self/status")
            .is_ok_and(|it| it.contains("CapEff:\t000001ffffffffff"))
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: a gateway that is just ending may still have files open.
        Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
    }
}

/// Writes until there is no room left.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![1; size];
        while file.write(&block).is_ok_and(|written| written > 0) {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_everything_is_refused_with_503_nothing_is_lost_and_it_goes_on_when_there_is_room() {
    let mut stage = Stage::set(|_| CoreAnswer::done(), "", "[store.checkpoint]\nevery = \"2s\"\n").await;
    stage.spec.config.push_str(
        "[store.disk]\nwarn_percent = 100\nrefuse_percent = 100\ncritical_percent = 100\nrefuse_free = \"0B\"\n\
         critical_free = \"0B\"\nreserve = \"4MiB\"\n",
    );
    let Some(disk) = SmallDisk::mount(&stage.spec.data.join("data"), "224m") else {
        #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
        let () = eprintln!("skipped: a tmpfs can't be mounted here; run the tests as root");
        return;
    };
    let gateway = stage.start().await;
    // Until the first segments are there, so that it is the load that meets the end of the disk.
    say(&gateway, Kind::Webhook(0), 99, 1, "before 1").await;
    let ballast = disk.0.join("ballast");
    let mut load = Load::new(stage.spec.ports.0);
    for conversation in 0..12 {
        load.padded(Kind::Webhook(0), conversation, 200_000);
    }
    let started = Instant::now();
    while readiness(&stage.spec).await == 200 && load.book().refused.is_empty() {
        fill(&ballast);
        assert!(started.elapsed() < Duration::from_secs(60), "the disk never filled\n{}", tail(&stage.spec));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Everything is refused for a while, and what was acknowledged before is what counts.
    let refused = wait_refused(&load, &gateway).await;
    assert!(refused > 0);
    std::fs::remove_file(&ballast).unwrap();
    let room = Instant::now();
    let before = load.book().acknowledged.len();
    while load.book().acknowledged.len() < before + 12 {
        assert!(
            room.elapsed() < Duration::from_secs(10),
            "not served again: {:?}\n{}",
            load.book().refused,
            tail(&stage.spec)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(readiness(&stage.spec).await, 200);
    let book = load.end().await;
    assert!(
        book.refused.keys().all(|status| *status == 503) && book.broken.is_empty(),
        "{:?} {:?} {:?}",
        book.refused,
        book.broken,
        book.odd
    );
    assert_all_arrived(&stage.core, &book.acknowledged, Duration::from_secs(60), &|| tail(&stage.spec)).await;
    // A restart finds the same: nothing was acknowledged that is not on the disk.
    gateway.kill().unwrap();
    let gateway = stage.start().await;
    // It may have to look at its disk first; a provider repeats.
    let end = Instant::now() + Duration::from_secs(10);
    let last = Kind::Webhook(0).message(99, 2, "after 2");
    loop {
        let reply = last.clone().send(&gateway.webhook(Kind::Webhook(0).installation())).await.unwrap();
        if reply.is_success() {
            break;
        }
        assert!(reply.status == 503 && Instant::now() < end, "{}\n{}", reply.status, tail(&stage.spec));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage
        .core
        .wait_until("the last message", Duration::from_secs(10), |core| {
            core.events().iter().any(|event| event.text() == "after 2")
        })
        .await
        .unwrap();
    super::load::assert_in_order(&stage.core, &|| tail(&stage.spec));
    drop(gateway);
}

/// Waits until only refusals come, and says how many more came within a second.
async fn wait_refused(load: &Load, gateway: &Gateway) -> usize {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let before = load.book();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = load.book();
        let refused = |book: &super::load::Book| book.refused.get(&503).copied().unwrap_or(0);
        if after.acknowledged.len() == before.acknowledged.len() && refused(&after) > refused(&before) {
            return refused(&after) - refused(&before);
        }
        assert!(
            Instant::now() < end,
            "messages are still taken: {:?}\n{}",
            after.refused,
            tail(&gateway.spec)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_nothing_is_answered_2xx_readiness_falls_and_a_restart_has_all_that_was() {
    let library = compile("failing_sync.c", &LIBRARY);
    for number in [2, 15, 120] {
        let mut stage = Stage::plain().await;
        stage.spec.env = vec![
            ("LD_PRELOAD".into(), library.to_str().unwrap().into()),
            ("FAILING_SYNC".into(), format!("portico-commit {number}")),
        ];
        let gateway = stage.start().await;
        let mut load = Load::new(stage.spec.ports.0);
        for conversation in 0..6 {
            for kind in [Kind::Webhook(0), Kind::Slack, Kind::Telegram] {
                load.incoming(kind, conversation, Duration::from_millis(10));
            }
        }
        let end = Instant::now() + Duration::from_secs(60);
        while readiness(&stage.spec).await != 503 {
            assert!(Instant::now() < end, "readiness did not fall at sync {number}\n{}", tail(&stage.spec));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Answers to what was synced before the failure may still be on their way.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let at_failure = load.book();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let later = load.book();
        assert_eq!(
            at_failure.acknowledged, later.acknowledged,
            "answered 2xx after sync {number} had failed"
        );
        let refused = |book: &super::load::Book| book.refused.get(&503).copied().unwrap_or(0);
        assert!(refused(&later) > refused(&at_failure), "{:?}", later.refused);
        assert!(
            tail(&stage.spec).contains(".seg"),
            "the log does not name the segment\n{}",
            tail(&stage.spec)
        );

        // It ends when it is asked to, and the next start has everything.
        gateway.stop(Duration::from_secs(30)).await.unwrap();
        stage.spec.env.clear();
        let gateway = stage.start().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let book = load.end().await;
        assert!(book.odd.is_empty(), "{:?}", book.odd);
        assert!(book.acknowledged.len() > later.acknowledged.len(), "the restart takes nothing");
        assert_all_arrived(&stage.core, &book.acknowledged, Duration::from_secs(30), &|| tail(&stage.spec))
            .await;
        drop(gateway);
    }
    std::fs::remove_file(library).unwrap();
}
