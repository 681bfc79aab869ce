//! `[server]`: where Portico listens, how it is reached, how it stops.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use crate::section::Section;

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Webhooks, runtime API, health, metrics.
    pub listen: SocketAddr,
    /// Admin API.
    pub admin_listen: SocketAddr,
    /// How providers reach `listen`, without a slash at the end; see [`Server::public_url`].
    pub public_url: Option<String>,
    /// Whether outbound requests may go anywhere.
    pub allow_private_networks: bool,
    /// `host` or `host:port` that may be private.
    pub allowed_hosts: Vec<String>,
    /// Networks whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// TLS on `listen`.
    pub tls: Option<TlsFiles>,
    /// Threads; `None`: one for each processor.
    pub workers: Option<usize>,
    /// How to stop.
    pub drain: Drain,
}

impl Server {
    /// How providers reach Portico, without a slash at the end: as configured, or the address that was bound
    /// (which differs from `listen` when its port is 0).
    pub fn public_url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{bound}"))
    }
}

/// PEM files of `[server.tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, leaf first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// `[server.drain]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long readiness is false before listeners close.
    pub readiness: Duration,
    /// How long running dispatches may take to end.
    pub dispatch: Duration,
    /// When the process ends in any case.
    pub total: Duration,
}

const SECOND: Duration = Duration::from_secs(1);
const ADDRESS: &str = "write an address and port like \"127.0.0.1:8080\" or \"[::]:8080\"";
const NETWORKS: &str = "write networks like [\"10.0.0.0/8\", \"fd00::/8\"]";
const HOSTS: &str = "write names or name:port like [\"core.internal:9000\"], without scheme or path";

pub(crate) fn read(section: &Section<'_>) -> Server {
    let unset = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen: SocketAddr = section.or("listen", section.parsed("listen", ADDRESS), unset);
    let network = |text: &str| {
        text.trim().parse().ok().or_else(|| text.trim().parse::<std::net::IpAddr>().ok().map(IpNet::from))
    };
    let drain = section.section("drain");
    let limit = 600 * SECOND;
    let server = Server {
        listen,
        admin_listen: section.or("admin_listen", section.parsed("admin_listen", ADDRESS), unset),
        allow_private_networks: section.flag("allow_private_networks").unwrap_or_default(),
        allowed_hosts: section.texts("allowed_hosts", HOSTS, host).unwrap_or_default(),
        trusted_proxies: section.texts("trusted_proxies", NETWORKS, network).unwrap_or_default(),
        tls: tls(&section.section("tls")),
        workers: section.number("workers", 0, 1024).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0),
        public_url: public_url(section, listen),
        drain: Drain {
            readiness: drain.or("readiness", drain.duration("readiness", Duration::ZERO, limit), limit),
            dispatch: drain.or("dispatch", drain.duration("dispatch", Duration::ZERO, limit), limit),
            total: drain.or("total", drain.duration("total", SECOND, limit), limit),
        },
    };
    let sound = !section.loader.faulty(&drain.path);
    if sound && server.drain.readiness + server.drain.dispatch > server.drain.total {
        drain.fault("total", "is shorter than readiness and dispatch together", "make it at least their sum");
    }
    drain.finish();
    section.finish();
    server
}

fn host(text: &str) -> Option<String> {
    let text = text.trim();
    // Only what stands between `https://` and the path of an address is a host with a port.
    let url = Url::parse(&format!("https://{text}/")).ok()?;
    let plain =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (plain && url.password().is_none() && !text.contains('/')).then(|| text.to_ascii_lowercase())
}

fn tls(section: &Section<'_>) -> Option<TlsFiles> {
    let (cert, key) = (section.text("cert"), section.text("key"));
    section.finish();
    let file = |path: String| section.loader.file_path(&path);
    match (cert, key) {
        (Some(cert), Some(key)) => {
            let files = TlsFiles { cert: file(cert), key: file(key) };
            for (name, path) in [("cert", &files.cert), ("key", &files.key)] {
                if let Err(error) = std::fs::File::open(path) {
                    section.fault(
                        name,
                        format!("{} can't be read: {error}", path.display()),
                        "name a PEM file",
                    );
                }
            }
            Some(files)
        }
        (None, None) => None,
        (Some(_), None) => {
            section.required::<()>("key", None, "name the PEM file of the certificate's private key");
            None
        }
        (None, Some(_)) => {
            section.required::<()>("cert", None, "name the PEM file of the certificate chain");
            None
        }
    }
}

/// Whether a host can only be this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn public_url(section: &Section<'_>, listen: SocketAddr) -> Option<String> {
    let expected = "write an address like \"https://portico.example.com\"";
    let Some(text) = section.text("public_url") else {
        if !listen.ip().is_loopback() && !section.loader.faulty("server") {
            section.fault("public_url", "is missing, and 'listen' is reachable from outside", expected);
        }
        return None;
    };
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        section.fault("public_url", "is no http or https address", expected);
        return None;
    };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        section.fault("public_url", "has a query, a fragment or a user name", expected);
    }
    let free = section.flag("allow_private_networks").unwrap_or_default();
    if url.scheme() == "http" && !is_loopback(&url) && !free {
        section.fault(
            "public_url",
            "is not https, and providers call nothing else",
            "write https://, or set allow_private_networks = true for a trial",
        );
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}
