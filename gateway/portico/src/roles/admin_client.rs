//! The operator's API as the commands call it: over HTTP where a gateway runs, else on the store itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt;
use portico_config::{Checked, ExposeSecret};
use portico_net::{Client, ClientOptions, NetErrorKind, Request};
use serde_json::Value;
use tower::ServiceExt;

use crate::assemble::ADMIN_ADDRESS;
use crate::keys;
use crate::offline;

/// The operator's API, wherever it is.
pub(super) enum AdminClient {
    /// A running gateway.
    Remote { client: Client, base: String, token: String },
    /// No gateway runs: the store is open in this process.
    Local { router: Router, token: String, store: Arc<portico_store_sled::SledStore> },
}

impl AdminClient {
    /// Finds the running gateway of a configuration, or opens its store.
    pub(super) async fn of(config: &Checked) -> Result<Self> {
        let token = match config.admin.tokens.first() {
            Some(token) => Some(token.expose_secret().to_owned()),
            None => config
                .store
                .path
                .join("admin.token")
                .exists()
                .then(|| keys::admin_token(&config.store.path))
                .transpose()?,
        };
        let said = std::fs::read_to_string(config.store.path.join(ADMIN_ADDRESS)).ok();
        let address = said.and_then(|text| text.trim().parse().ok()).unwrap_or(config.server.admin_listen);
        let base = format!("http://{address}/admin/v1");
        let client = Client::new(ClientOptions::default())?;
        if let Some(token) = token {
            let remote = Self::Remote { client, base: base.clone(), token };
            match remote.call(Method::GET, "/stats", None).await {
                Ok(_) => return Ok(remote),
                Err(error) if is_unreachable(&error) => {}
                Err(error) => return Err(error.context(format!("the gateway at {base} refuses"))),
            }
        }
        if !config.store.path.exists() {
            bail!("no gateway answers at {base}, and there is no store in {}", config.store.path.display());
        }
        let (router, token, store) = offline::open(config).await?;
        Ok(Self::Local { router, token, store })
    }

    /// Calls an operation and gives back its JSON.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut text = Vec::new();
        self.stream(method, path, body, &mut |piece| {
            text.extend_from_slice(&piece);
            Ok(())
        })
        .await?;
        serde_json::from_slice(&text).context("the admin API's answer is not JSON")
    }

    /// Calls an operation and hands over its answer piece by piece.
    pub(super) async fn stream(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        sink: &mut dyn FnMut(Bytes) -> Result<()>,
    ) -> Result<()> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        match self {
            Self::Remote { client, base, token } => {
                let url = format!("{base}{path}").parse().context("the path makes no URL")?;
                let request = Request {
                    headers: headers(token)?,
                    body: portico_net::Body::Bytes(body),
                    timeout: Duration::from_secs(3600),
                    max_answer: usize::MAX,
                    private: true,
                    ..Request::new(method, url)
                };
                let mut answer = client.open(request).await?;
                let status = answer.head.status;
                let mut problem = Vec::new();
                while let Some(piece) = answer.chunk().await? {
                    if status < 300 { sink(piece)? } else { problem.extend_from_slice(&piece) }
                }
                refused(status, &problem)
            }
            Self::Local { router, token, .. } => {
                let mut request = http::Request::new(Body::from(body));
                *request.method_mut() = method;
                *request.uri_mut() = format!("/admin/v1{path}").parse().context("the path makes no URI")?;
                *request.headers_mut() = headers(token)?;
                let answer = router.clone().oneshot(request).await?;
                let status = answer.status().as_u16();
                let mut answer = answer.into_body();
                let mut problem = Vec::new();
                while let Some(frame) = answer.frame().await {
                    let frame = frame.map_err(|error| anyhow!("the answer broke off: {error}"))?;
                    if let Ok(piece) = frame.into_data() {
                        if status < 300 { sink(piece)? } else { problem.extend_from_slice(&piece) }
                    }
                }
                refused(status, &problem)
            }
        }
    }

    /// All items of a list, page after page.
    pub(super) async fn all(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.call(Method::GET, &format!("{path}{separator}limit=500{cursor}"), None).await?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Writes what is behind; a local store must be closed before the process ends.
    pub(super) async fn close(self) -> Result<()> {
        match self {
            Self::Remote { .. } => Ok(()),
            Self::Local { store, .. } => {
                portico_store::Store::close(store.as_ref()).await.map_err(|error| anyhow!("{error}"))
            }
        }
    }
}

fn headers(token: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut value =
        HeaderValue::try_from(format!("Bearer {token}")).context("the admin token is malformed")?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

fn refused(status: u16, problem: &[u8]) -> Result<()> {
    if status < 300 {
        return Ok(());
    }
    let body: Value = serde_json::from_slice(problem).unwrap_or_default();
    match body["message"].as_str() {
        Some(message) => bail!("{message}"),
        None => bail!("the admin API answered {status}"),
    }
}

fn is_unreachable(error: &anyhow::Error) -> bool {
    error.downcast_ref::<portico_net::NetError>().is_some_and(|error| error.kind == NetErrorKind::Connect)
}
