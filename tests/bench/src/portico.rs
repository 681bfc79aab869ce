//! Portico itself as a child: the release binary, with settings as they come but for three rate limits that
//! stand against strangers, and a provider stub that its connectors may call.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::child::{self, Process};
use crate::hooks::{Paths, SECRETS};
use crate::server::{Reply, Server};

/// The binary under test: `PORTICO_BIN`, or the one beside this.
///
/// # Errors
/// Says how to build it.
pub(crate) fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PORTICO_BIN") {
        return Ok(path.into());
    }
    let beside = std::env::current_exe()?.with_file_name("portico");
    if !beside.is_file() {
        bail!("there is no {}: run `cargo build --release -p portico` first", beside.display());
    }
    Ok(beside)
}

/// A provider that says yes to everything.
///
/// # Errors
/// When there is no socket to be had.
pub(crate) fn provider_stub(cpu: usize) -> Result<Server> {
    let handler = |head: &[u8], _: &[u8]| {
        let who: &str = if memchr::memmem::find(head, b"/getMe").is_some() {
            r#"{"ok":true,"result":{"id":4242,"is_bot":true,"first_name":"Bench","username":"bench_bot"}}"#
        } else {
            r#"{"ok":true,"success":true,"result":true,"user_id":"U0BOT","bot_id":"B0BENCH","team_id":"T0BENCH"}"#
        };
        let text = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{who}",
            who.len()
        );
        Reply::Now(text.into_bytes())
    };
    Server::start(cpu, Arc::new(AtomicBool::new(false)), Box::new(handler))
}

/// How a gateway is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Holds configuration, log and data.
    pub(crate) folder: PathBuf,
    /// Cores, one bot each; the first is `core` in names, further ones are counted.
    pub(crate) cores: Vec<SocketAddr>,
    /// Where the providers are.
    pub(crate) provider: SocketAddr,
    /// More configuration.
    pub(crate) more: String,
}

impl Setup {
    fn config(&self, public: u16, admin: u16) -> String {
        let ours =
            "[limits.webhook]\nrate = \"1000000/s burst 1000000\"\nfailures = \"1000000/s burst 1000000\"";
        let webhook = if self.more.contains("[limits.webhook]") { "" } else { ours };
        let scheme = if self.is_secure() { "https" } else { "http" };
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:{public}\"\nadmin_listen = \"127.0.0.1:{admin}\"\n\
             public_url = \"{scheme}://127.0.0.1:{public}\"\nallow_private_networks = true\n\
             [server.drain]\nreadiness = \"0s\"\n\
             [store]\nkind = \"embedded\"\npath = \"./data\"\n\
             [limits.edge]\nrequests_per_connection = 1000000000\naddress_rate = \"1000000/s burst 1000000\"\n\
             {webhook}\n{}\n",
            self.more
        );
        for (number, core) in self.cores.iter().enumerate() {
            // Writing to a string can't fail.
            let _fits = write!(
                text,
                "[bots.bench-{number}]\ntoken = \"bench-token-{number:032}\"\n[bots.bench-{number}.core]\nkind = \"http\"\n\
                 url = \"http://{core}/\"\nsecret = \"whsec_YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gh\"\ntimeout = \"60s\"\n\
                 [installations.slack-{number}]\nbot = \"bench-{number}\"\nconnector = \"slack\"\n\
                 [installations.slack-{number}.config]\nbot_token = \"xoxb-bench\"\nsigning_secret = \"{slack}\"\n\
                 api_url = \"http://{provider}\"\n",
                slack = SECRETS.slack,
                provider = self.provider,
            );
            if number > 0 {
                continue;
            }
            let _fits = write!(
                text,
                "[installations.telegram-0]\nbot = \"bench-0\"\nconnector = \"telegram\"\n[installations.telegram-0.config]\n\
                 bot_token = \"4242:bench\"\nwebhook_secret = \"{telegram}\"\napi_url = \"http://{provider}\"\n\
                 [installations.whatsapp-0]\nbot = \"bench-0\"\nconnector = \"whatsapp\"\n[installations.whatsapp-0.config]\n\
                 phone_number_id = \"700100200300400\"\naccess_token = \"bench-access\"\napp_secret = \"{whatsapp}\"\n\
                 verify_token = \"bench-verify\"\napi_url = \"http://{provider}\"\n",
                telegram = SECRETS.telegram,
                whatsapp = SECRETS.whatsapp,
                provider = self.provider,
            );
        }
        text
    }

    /// Whether webhooks come over TLS.
    fn is_secure(&self) -> bool {
        self.more.contains("[server.tls]")
    }

    /// The folder of the store.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// With the end of its log, when it does not get ready.
    pub(crate) fn start(&self, cpu: usize) -> Result<Portico> {
        self.start_with(Command::new(binary()?), cpu)
    }

    /// As [`Setup::start`], with a prepared command.
    ///
    /// # Errors
    /// As [`Setup::start`].
    pub(crate) fn start_with(&self, mut command: Command, cpu: usize) -> Result<Portico> {
        std::fs::create_dir_all(&self.folder)?;
        let (public, admin) = (free_port()?, free_port()?);
        let config = self.folder.join("portico.toml");
        std::fs::write(&config, self.config(public, admin))?;
        let log = File::options().create(true).append(true).open(self.log())?;
        command
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let begin = Instant::now();
        let process = child::spawn(command, cpu)?;
        let mut portico = Portico {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], public)),
            ready_in: Duration::ZERO,
        };
        let patience = Duration::from_secs(120);
        while begin.elapsed() < patience {
            let ready = match self.is_secure() {
                // A plain question is no answer there; the admin listener comes up first.
                true => TcpStream::connect(portico.address).is_ok(),
                false => get(portico.address, "/readyz").is_ok_and(|(status, _)| status == 200),
            };
            if ready {
                portico.ready_in = begin.elapsed();
                return Ok(portico);
            }
            if let Some(status) = portico.process.ended(Duration::from_millis(1)) {
                bail!("portico ended with {status} before it was ready:\n{}", self.tail());
            }
        }
        bail!("portico was not ready within {} s:\n{}", patience.as_secs(), self.tail())
    }

    /// Its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("portico.log")
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(20)).copied().collect::<Vec<_>>().join("\n")
    }
}

/// A running gateway; killed when dropped.
pub(crate) struct Portico {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From its start to its first ready answer.
    pub(crate) ready_in: Duration,
}

impl Portico {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// All three providers' webhooks of the first bot.
    pub(crate) fn paths() -> Paths {
        Paths {
            slack: Some("/webhooks/slack-0".into()),
            telegram: Some("/webhooks/telegram-0".into()),
            whatsapp: Some("/webhooks/whatsapp-0".into()),
            ..Paths::default()
        }
    }
}

/// A GET over a connection of its own: status and body.
///
/// # Errors
/// When there is no answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let whole = crate::wire::whole(&text)?.context("half an answer")?;
    Ok((
        whole.status,
        String::from_utf8_lossy(text.get(whole.body..whole.end).unwrap_or_default()).into_owned(),
    ))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Bytes of all files under a folder, as they occupy the disk and as they are long.
pub(crate) fn disk_use(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(facts) = entry.metadata() else { continue };
        sum += if facts.is_dir() { disk_use(&entry.path()) } else { facts.blocks() * 512 };
    }
    sum
}
