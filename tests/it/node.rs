//! Programs of the public clients and of the providers' SDKs, run with node from a folder of this crate.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The packages of the public Botpress clients.
pub(crate) const CLIENTS: &str = "clients";
/// The packages of the providers' own verifiers.
pub(crate) const VERIFIERS: &str = "verifiers";

/// A folder with its packages installed, as its lock file says.
pub(crate) fn folder(name: &str) -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let _one = INSTALLING.lock();
    if !folder.join("node_modules/.package-lock.json").exists() {
        let output = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder)
            .output()
            .expect("npm is needed for this test: install Node 20 or newer");
        assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
    }
    folder
}

/// Runs a script to its end and returns its standard output; fails with everything that it wrote.
pub(crate) async fn run(folder: &Path, script: &str, env: &[(&str, String)], input: &str) -> String {
    let mut command = Command::new("node");
    command.arg(script).current_dir(folder).envs(env.iter().map(|(name, value)| (name, value)));
    let (script, input) = (script.to_owned(), input.to_owned());
    let work = tokio::task::spawn_blocking(move || {
        use std::io::Write;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node is needed for this test: install Node 20 or newer");
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).unwrap_or_default();
        }
        child.wait_with_output().unwrap()
    });
    let output = work.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{script}: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// A server of node; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a script and waits until `GET {url}` is answered.
    pub(crate) async fn start(
        folder: &Path,
        script: &str,
        env: &[(&str, String)],
        url: &str,
        log: &Path,
    ) -> Self {
        let output = std::fs::File::create(log).unwrap();
        let child = Command::new("node")
            .arg(script)
            .current_dir(folder)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("node is needed for this test: install Node 20 or newer");
        let mut server = Self { child, log: log.to_owned() };
        let end = Instant::now() + Duration::from_secs(30);
        while !portico_tests::sim::client::get(url, &[]).await.is_ok_and(|reply| reply.is_success()) {
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "{script} does not answer: {ended:?}\n{}",
                server.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
