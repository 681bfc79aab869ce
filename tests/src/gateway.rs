//! The real gateway as a child process: the release or debug binary, a configuration of its own, a data
//! folder of its own, ports of its own on loopback.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Levels of the disk that are switched off: how full the machine is has nothing to do with what is tested.
const FULL_DISK: [&str; 3] = [
    "PORTICO_STORE__DISK__WARN_PERCENT",
    "PORTICO_STORE__DISK__REFUSE_PERCENT",
    "PORTICO_STORE__DISK__CRITICAL_PERCENT",
];

/// How a gateway is started.
#[derive(Clone, Debug)]
pub struct GatewaySpec {
    /// `[bots]`, `[installations]` and whatever else, as TOML. `{public}` becomes the public address.
    pub config: String,
    /// Data folder; kept between starts of the same spec.
    pub data: PathBuf,
    /// Environment of the process, besides an empty one.
    pub env: Vec<(String, String)>,
    /// Ports of the public and the admin listener.
    pub ports: (u16, u16),
    /// PEM files of certificate and key, where the public listener speaks TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// A port of loopback that was free a moment ago.
///
/// Below those that systems give to outgoing connections, one of which could take it before the gateway does, or
/// while it is being restarted.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % 12_000 * 37;
    loop {
        let number = first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (number % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The binary under test: `PORTICO_BIN`, or the one that cargo built beside this test.
///
/// # Errors
/// When there is none; `cargo build -p portico` makes it.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PORTICO_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let folder = test.ancestors().find(|folder| folder.join("portico").is_file());
    match folder {
        Some(folder) => Ok(folder.join("portico")),
        None => bail!("no portico binary beside the tests: run `cargo build -p portico` first"),
    }
}

impl GatewaySpec {
    /// A gateway over a folder that is new and is removed with the returned guard.
    ///
    /// # Errors
    /// The file system's.
    pub fn temporary(config: &str) -> Result<(Self, tempfile::TempDir)> {
        let folder = tempfile::tempdir()?;
        Ok((Self::new(config, folder.path()), folder))
    }

    /// A gateway over a folder.
    pub fn new(config: &str, folder: &Path) -> Self {
        Self {
            config: config.to_owned(),
            data: folder.to_owned(),
            env: Vec::new(),
            ports: (free_port(), free_port()),
            tls: None,
        }
    }

    /// Base address of the public listener.
    pub fn public(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.ports.0)
    }

    /// Base address of the admin listener.
    pub fn admin(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.1)
    }

    /// Path of the configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.data.join("portico.toml")
    }

    /// Writes the configuration file.
    ///
    /// # Errors
    /// The file system's.
    pub fn write_config(&self) -> Result<()> {
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:{}\"\nadmin_listen = \"127.0.0.1:{}\"\npublic_url = \"{}\"\n\
             allow_private_networks = true\n[server.drain]\nreadiness = \"50ms\"\n[store]\nkind = \"embedded\"\n\
             path = \"{}\"\n[log]\nfilter = \"info\"\n",
            self.ports.0,
            self.ports.1,
            self.public(),
            self.data.join("data").display(),
        );
        if let Some((cert, key)) = &self.tls {
            let files = format!("[server.tls]\ncert = \"{}\"\nkey = \"{}\"\n", cert.display(), key.display());
            text.push_str(&files);
        }
        text.push_str(&self.config.replace("{public}", &self.public()));
        std::fs::create_dir_all(&self.data)?;
        std::fs::write(self.config_file(), text)?;
        Ok(())
    }

    /// The command that starts it; its output goes to `gateway.log` in the folder, after what is there.
    ///
    /// # Errors
    /// When there is no binary, or the log can't be opened.
    pub fn command(&self) -> Result<Command> {
        let log = File::options().create(true).append(true).open(self.data.join("gateway.log"))?;
        let mut command = Command::new(binary()?);
        command
            .args(["serve", "--config"])
            .arg(self.config_file())
            .env_clear()
            .envs(FULL_DISK.map(|name| (name, "100")))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }

    /// Starts the gateway and waits until it is ready.
    ///
    /// # Errors
    /// With the end of its log, when it ends or is not ready within 30 s.
    pub async fn start(&self) -> Result<Gateway> {
        self.write_config()?;
        self.launch(self.command()?).await
    }

    /// Starts a prepared command and waits until it is ready.
    ///
    /// # Errors
    /// As [`GatewaySpec::start`].
    pub async fn launch(&self, mut command: Command) -> Result<Gateway> {
        let child = command.spawn().context("the gateway could not be started")?;
        let mut gateway = Gateway { spec: self.clone(), child };
        gateway.wait_ready(Duration::from_secs(30)).await?;
        Ok(gateway)
    }

    /// What the gateway has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("gateway.log")).unwrap_or_default()
    }
}

/// A running gateway; killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    /// How it was started.
    pub spec: GatewaySpec,
    child: Child,
}

impl Gateway {
    /// Address of an installation's webhook.
    pub fn webhook(&self, installation: &str) -> String {
        format!("{}/webhooks/{installation}", self.spec.public())
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Token of the admin API, as made at the first start.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn admin_token(&self) -> Result<String> {
        let path = self.spec.data.join("data/admin.token");
        Ok(std::fs::read_to_string(&path).with_context(|| path.display().to_string())?.trim().to_owned())
    }

    async fn wait_ready(&mut self, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        let url = format!("{}/readyz", self.spec.public());
        // The admin listener comes up a moment later.
        let promises = format!("{}/health/promises", self.spec.admin());
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the gateway ended with {status}:\n{}", tail(&self.spec.log()));
            }
            let is_well = async |url: &str| {
                crate::sim::client::get(url, &[]).await.is_ok_and(|answer| answer.status == 200)
            };
            // Who speaks TLS to it has a client of their own.
            let listens = match self.spec.tls {
                Some(_) => tokio::net::TcpStream::connect(("127.0.0.1", self.spec.ports.0)).await.is_ok(),
                None => is_well(&url).await,
            };
            if listens && is_well(&promises).await {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the gateway was not ready in time:\n{}", tail(&self.spec.log()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(mut self) -> io::Result<GatewaySpec> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.spec.clone())
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it has not ended in time.
    pub async fn stop(self, within: Duration) -> Result<GatewaySpec> {
        self.signal("TERM")?;
        self.wait_ended(within).await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn wait_ended(mut self, within: Duration) -> Result<GatewaySpec> {
        let end = Instant::now() + within;
        loop {
            if self.child.try_wait()?.is_some() {
                return Ok(self.spec.clone());
            }
            if Instant::now() > end {
                bail!("the gateway did not end in time:\n{}", tail(&self.spec.log()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal by name.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        if !status.success() {
            bail!("the signal could not be sent");
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
