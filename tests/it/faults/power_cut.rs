//! A power cut: the process ends, and with it everything is gone that no sync had brought to the disk. The
//! library that takes it away is `tests/powercut/powercut.c`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use portico_tests::gateway::{Gateway, GatewaySpec};
use portico_tests::sim::core::CoreAnswer;

use super::kill::{Crash, rounds};
use super::load::Load;
use super::stage::{Kind, Stage};

pub(super) const LIBRARY: [&str; 4] = ["-shared", "-fPIC", "-ldl", "-lpthread"];

/// Builds one of the C sources with the system's compiler.
pub(super) fn compile(source: &str, flags: &[&str]) -> PathBuf {
    // One per test: they may be built at the same time.
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{source}-{}", hex::encode(random)));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("powercut").join(source);
    let built = Command::new("cc").args(["-O1", "-o"]).args([&to, &source]).args(flags).output();
    let built = built.expect("a C compiler named cc");
    assert!(built.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&built.stderr));
    to
}

/// The library, and how a process runs with it.
pub(super) struct Medium {
    library: PathBuf,
    lie: Option<PathBuf>,
}

impl Medium {
    pub(super) fn new() -> Self {
        Self { library: compile("powercut.c", &LIBRARY), lie: None }
    }

    /// A disk that says that it has synced and has not.
    fn lying() -> Self {
        let mut medium = Self::new();
        medium.lie = Some(compile("lie.c", &LIBRARY));
        medium
    }

    /// Environment of a process whose unsynced writes below `folder` are undone on SIGUSR1: all of them, or,
    /// `torn`, any of their pages.
    fn environment(&self, folder: &Path, torn: bool) -> Vec<(String, String)> {
        std::fs::create_dir_all(folder).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let preloaded: Vec<String> = self.lie.iter().chain([&self.library]).map(|path| text(path)).collect();
        let mut all =
            vec![("LD_PRELOAD".to_owned(), preloaded.join(":")), ("POWERCUT_DIR".to_owned(), text(folder))];
        all.extend(torn.then(|| ("POWERCUT_TORN".to_owned(), "1".to_owned())));
        all
    }

    /// Sets up the next start of a gateway.
    pub(super) fn under(&self, spec: &mut GatewaySpec, torn: bool) {
        spec.env = self.environment(&spec.data.join("data"), torn);
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        for file in self.lie.iter().chain([&self.library]) {
            std::fs::remove_file(file).unwrap_or_default();
        }
    }
}

/// Cuts the power of a gateway that was started under a [`Medium`].
pub(super) async fn cut(gateway: Gateway) -> GatewaySpec {
    gateway.signal("USR1").unwrap();
    gateway.wait_ended(Duration::from_secs(60)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_out_of_order_when_the_power_is_cut_twenty_times() {
    rounds(20, Crash::PowerCut(Medium::new())).await.assert_promises().await;
}

/// How many lines a writer told as kept, and how many a power cut left.
fn written(mode: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let (medium, program) = (Medium::new(), compile("writer.c", &[]));
    let mut child = Command::new(&program)
        .arg(root.join("lines"))
        .arg(mode)
        .arg(&root)
        .envs(medium.environment(&root, false))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 64];
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut told).unwrap();
    let asked = Command::new("kill").args(["-USR1", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    child.wait().unwrap();
    std::fs::remove_file(program).unwrap();
    let told = told.iter().chain(&rest).filter(|byte| **byte == b'\n').count();
    let left = std::fs::read_to_string(root.join("lines")).unwrap().lines().count();
    (told, left)
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
    // The core takes nothing at first, so that each message is only in the store.
    let mut stage = Stage::set(|_| CoreAnswer::status(503), "", "").await;
    // A good start first, so that what is lost later are messages and not the whole store.
    stage.start().await.stop(Duration::from_secs(30)).await.unwrap();
    let medium = Medium::lying();
    medium.under(&mut stage.spec, false);
    let gateway = stage.start().await;
    let mut load = Load::new(stage.spec.ports.0);
    load.incoming(Kind::Webhook(0), 1, Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(500)).await;
    cut(gateway).await;
    let acknowledged = load.end().await.acknowledged;
    assert!(acknowledged.len() > 10, "{} acknowledged", acknowledged.len());
    stage.spec.env.clear();
    stage.core.answer_with(|_| CoreAnswer::done());
    let arrived = match stage.spec.start().await {
        // To refuse the start is to tell the truth, too.
        Err(_) => 0,
        Ok(_gateway) => {
            let everything = stage.core.wait_for(acknowledged.len(), Duration::from_secs(7)).await;
            assert!(everything.is_err(), "the cut lost nothing: the harness has no teeth");
            stage.core.events().len()
        }
    };
    assert!(
        arrived < acknowledged.len(),
        "{arrived} of {} survived syncs that never were",
        acknowledged.len()
    );
}
