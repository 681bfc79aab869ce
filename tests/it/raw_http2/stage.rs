//! A gateway that speaks TLS with a certificate of its own, one webhook, and a core that takes note.

use std::sync::Arc;

use portico_tests::gateway::{Gateway, GatewaySpec};
use portico_tests::sim::app::AppSim;
use portico_tests::sim::core::{CoreAnswer, HttpCore};
use portico_tests::sim::sign::{self, SignedRequest};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, block, frame};
use crate::scene::{self, SOON};

/// Everything together.
pub(super) struct Stage {
    pub(super) core: HttpCore,
    pub(super) gateway: Gateway,
    app: AppSim,
    authority: CertificateDer<'static>,
    _folder: TempDir,
}

impl Stage {
    /// With more configuration.
    pub(super) async fn set(more: &str) -> Self {
        let core = HttpCore::start(|_| CoreAnswer::done()).await.unwrap();
        let app = AppSim::start().await.unwrap();
        let config = format!(
            "{more}\n{}\n[installations.hook]\nbot = \"support\"\nconnector = \"webhook\"\n\
             [installations.hook.config]\nsecret = \"{}\"\nmessages = true\noutbound_url = \"{}\"\n",
            scene::bot(&scene::http_core(&core)),
            app.secret(),
            app.url(),
        );
        let (mut spec, folder) = GatewaySpec::temporary(&config).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        spec.tls = Some((cert, key));
        let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { core, gateway, app, authority: made.cert.der().clone(), _folder: folder }
    }

    /// A TLS connection that offers these protocols.
    pub(super) async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        let stream = TcpStream::connect(("127.0.0.1", self.gateway.spec.ports.0)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// A message in a conversation, signed, as HTTP/2 carries it.
    pub(super) fn message(&self, conversation: &str, text: &str) -> Draft {
        let body = json!({
            "type": "message", "id": format!("raw-{}", scene::next()), "conversation": {"id": conversation},
            "user": {"id": "customer-1", "name": "Ada"}, "message": {"type": "text", "payload": {"text": text}},
        });
        Draft::of(&sign::webhook_signed(self.app.secret(), "application/json", body.to_string()))
    }

    /// What the core has taken, as (text) in order of arrival, once `last` is among it.
    pub(super) async fn texts_up_to(&self, last: &str) -> Vec<String> {
        let is_there =
            |core: &portico_tests::sim::core::Ledger| core.events().iter().any(|event| event.text() == last);
        if let Err(error) = self.core.wait_until(&format!("'{last}'"), SOON, is_there).await {
            panic!("{error:#}\n{}", self.gateway.spec.log());
        }
        self.core.events().iter().map(|event| event.text().to_owned()).collect()
    }

    /// Resident memory of the gateway in MiB.
    pub(super) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

/// A request that is right, to be made wrong in one way.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Draft {
    fn of(request: &SignedRequest) -> Self {
        let mut draft = Self { fields: Vec::new(), body: request.body.to_vec() };
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", "/webhooks/hook"),
        ] {
            draft = draft.with(name, value);
        }
        for (name, value) in &request.headers {
            draft = draft.with(name.to_ascii_lowercase(), value);
        }
        draft.with("content-length", request.body.len().to_string())
    }

    /// One more field at the end.
    pub(super) fn with(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// One more field at the beginning.
    pub(super) fn after(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(0, (name.into(), value.into()));
        self
    }

    /// A field left out.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(present, _)| present != name.as_bytes());
        self
    }

    /// A field with another value, where it was.
    pub(super) fn but(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for (present, old) in &mut self.fields {
            if present == name.as_bytes() {
                *old = value.as_ref().to_vec();
            }
        }
        self
    }

    /// The fields as one block.
    pub(super) fn block(&self) -> Vec<u8> {
        block(&self.fields)
    }

    /// HEADERS that end their block.
    pub(super) fn head(&self, stream: u32, flags: u8) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | flags, stream, &self.block())
    }

    /// Head and body.
    pub(super) fn on(&self, stream: u32) -> Vec<u8> {
        [self.head(stream, 0), frame(DATA, END_STREAM, stream, &self.body)].concat()
    }
}
