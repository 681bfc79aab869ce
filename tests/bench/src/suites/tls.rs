//! TLS: what a handshake and what records cost, beside a bare server that does nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::ingest::{PATIENCE, answers};
use super::limits::CONNECTIONS;
use crate::bench::Bench;
use crate::caller::{Call, Measured, NAME, call};
use crate::child;
use crate::core::NullCore;
use crate::hooks::{CONVERSATIONS, Deck, Mix};
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Portico, Setup, provider_stub};
use crate::report::Must;
use crate::sched::Cpu;

/// A certificate that was just made.
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new(bench: &Bench) -> Result<Self> {
        let folder = bench.folder("certificate")?;
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        Ok(Self { cert, key, der: made.cert.der().clone() })
    }

    /// A client of it that begins anew each time: TLS 1.3, no resumption.
    fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

#[derive(Default)]
struct Columns {
    handshake: Vec<f64>,
    share: Vec<f64>,
    bare_added: Vec<f64>,
    added: Vec<f64>,
    whole: Vec<f64>,
}

/// Measures TLS.
pub(crate) fn tls(bench: &mut Bench) -> Result<()> {
    let certificate = Certificate::new(bench)?;
    let client = certificate.client()?;
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let setup = |folder: PathBuf, more: String| Setup {
        folder,
        cores: vec![core.address()],
        provider: provider.address(),
        more,
    };
    let files = format!(
        "[server.tls]\ncert = \"{}\"\nkey = \"{}\"",
        certificate.cert.display(),
        certificate.key.display()
    );
    let plain = setup(bench.folder("tls-plain")?, String::new()).start(bench.plan.server)?;
    let secure = setup(bench.folder("tls")?, files).start(bench.plan.server)?;
    let (bare, bare_at) = child::role("bare-hyper", &[], bench.plan.server)?;
    let pem = [certificate.cert.display().to_string(), certificate.key.display().to_string()];
    let (bare_tls, bare_tls_at) = child::role("bare-tls", &pem, bench.plan.server)?;
    let mut columns = Columns::default();
    let mut number = 0;
    for round in 1..=bench.rounds {
        bench.say(&format!("tls, round {round} of {}", bench.rounds));
        let ours = [plain.id(), secure.id(), bare.id(), bare_tls.id()];
        wait_quiet(&ours, bench.patient);
        let strangers = Strangers::begin(&ours);

        let limit = handshakes(bare_tls.id(), bare_tls_at, &client, bench.window / 2)?;
        let each = handshakes(secure.id(), secure.address, &client, bench.window / 2)?;
        columns.handshake.push(each);
        columns.share.push(each / limit);

        let mut per = |pid: u32, at: SocketAddr, tls: Option<&Arc<ClientConfig>>, all: bool| {
            let mut deck = Deck::new(&Portico::paths(), Mix::NEW, CONNECTIONS, CONVERSATIONS, number);
            // More than one connection can send in the time; numbers must not come twice.
            number += 10_000_000;
            let (warm, window) = (bench.warm, bench.window);
            let plan = Call { pid, address: at, tls, connections: CONNECTIONS, warm, window };
            let found = call(&plan, move |connection, out| {
                deck.next(connection, out);
            })?;
            found.all_good()?;
            let spent = if all { found.spent.total() } else { found.spent.named(answers) };
            anyhow::Ok((spent as f64 / found.requests() as f64 / 1e3, found))
        };
        let (r0, _) = per(bare.id(), bare_at, None, true)?;
        let (r0_tls, _) = per(bare_tls.id(), bare_tls_at, Some(&client), true)?;
        core.hold(true);
        let (without, first) = per(plain.id(), plain.address, None, false)?;
        let (with, second) = per(secure.id(), secure.address, Some(&client), false)?;
        core.hold(false);
        let cores = strangers.cores();
        bench.report.strangers(cores);
        settle(&core, &[first, second])?;
        columns.bare_added.push(r0_tls / r0);
        columns.added.push((with - without + r0) / r0);
        columns.whole.push(with / r0);
    }
    let (s, report) = ("tls", &mut bench.report);
    report.cost(
        s,
        "new connection, full handshake, one request",
        "µs CPU",
        &columns.handshake,
        Must::Nothing,
    );
    report.cost(s, "same ÷ bare rustls server", "×", &columns.share, Must::AtMost(1.15));
    report.cost(s, "keep-alive: bare with TLS ÷ R0", "×", &columns.bare_added, Must::Nothing);
    report.cost(
        s,
        "keep-alive: (R0 + what TLS adds to Portico) ÷ R0",
        "×",
        &columns.added,
        Must::AtMost(1.25),
    );
    report.cost(s, "up to the 2xx over TLS ÷ R0", "×", &columns.whole, Must::Nothing);
    Ok(())
}

/// Waits until the core has all that was answered 2xx, and forgets it.
fn settle(core: &NullCore, found: &[Measured]) -> Result<()> {
    core.wait_for(found.iter().map(|one| one.accepted).sum(), PATIENCE)?;
    core.take();
    Ok(())
}

/// Connections one after the other, each with a handshake and a request for nothing: server CPU in µs of one.
fn handshakes(pid: u32, address: SocketAddr, client: &Arc<ClientConfig>, lasting: Duration) -> Result<f64> {
    let (before, begin) = (Cpu::of(pid), Instant::now());
    let mut count = 0_u32;
    while begin.elapsed() < lasting {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let connection = ClientConnection::new(client.clone(), ServerName::try_from(NAME)?)?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        let status = loop {
            let got = stream.read(&mut piece).context("an answer over TLS could not be read")?;
            text.extend_from_slice(piece.get(..got).unwrap_or_default());
            match crate::wire::whole(&text)? {
                Some(whole) => break whole.status,
                None if got == 0 => bail!("half an answer over TLS"),
                None => {}
            }
        };
        if status != 200 {
            bail!("/healthz answered {status} over TLS");
        }
        count += 1;
    }
    Ok(Cpu::of(pid).since(&before).total() as f64 / f64::from(count) / 1e3)
}
