//! The stages of the inbound path one by one, in process: what the whole costs is decided elsewhere, this says
//! where it goes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use portico_contract::{BotId, Connector, Context, Effect, InboundRequest, InstallationId};
use portico_store::records::RawRequest;
use portico_suite::{TestContext, TestHost};
use portico_turns::{Installation, InstallationSpec, OnUnknown, webhook_changes};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::hooks::{Deck, Mix, Paths, SECRETS};
use crate::portico::Portico;

const TIMES: usize = 20_000;

/// What a provider's installation is made of: connector, configuration, secrets.
fn provider(name: &str) -> (Value, Vec<(&'static str, &'static str)>) {
    match name {
        "slack" => (json!({}), vec![("bot_token", "xoxb-bench"), ("signing_secret", SECRETS.slack)]),
        "telegram" => (json!({}), vec![("bot_token", "4242:bench"), ("webhook_secret", SECRETS.telegram)]),
        _ => (
            json!({ "phone_number_id": "700100200300400" }),
            vec![
                ("access_token", "bench"),
                ("app_secret", SECRETS.whatsapp),
                ("verify_token", "bench-verify"),
            ],
        ),
    }
}

/// Times each stage for each provider and prints `{"slack": {"verify": µs, …}, …}`.
///
/// # Errors
/// When a connector does not take the bench's own body.
pub(crate) fn stages() -> Result<()> {
    let mut all = BTreeMap::new();
    for name in ["slack", "telegram", "whatsapp"] {
        all.insert(name, of(name).context(name)?);
    }
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&all)?)?;
    Ok(())
}

/// A connector with a webhook of its provider that has passed the checks.
pub(super) struct Prepared {
    pub(super) connector: Arc<dyn Connector>,
    pub(super) host: TestHost,
    pub(super) context: Context,
    pub(super) request: InboundRequest,
    installation: Installation,
}

/// Prepares a provider.
///
/// # Errors
/// When its connector does not take the bench's own webhook.
pub(super) fn prepared(name: &str) -> Result<Prepared> {
    let catalog = portico_catalog::built_in();
    let connector = catalog.get(name).context("there is no such connector")?.clone();
    let (config, secrets) = provider(name);
    let mut host = TestHost::new(connector.manifest()).at(now_ms());
    for (secret, value) in &secrets {
        host = host.secret(secret, value);
    }
    let installation = Installation::new(InstallationSpec {
        id: InstallationId::parse("bench")?,
        bot: BotId::parse("bench")?,
        alias: name.into(),
        connector: Arc::clone(&connector),
        config: config.clone(),
        secrets: secrets
            .iter()
            .map(|(key, value)| ((*key).into(), vec![(*value).to_owned().into()]))
            .collect(),
        webhook_url: "https://bench.example/webhooks/bench".into(),
        locale: "en".into(),
        on_unknown: OnUnknown::Retry,
        max_age: std::time::Duration::from_secs(3600),
        max_body: None,
    })
    .map_err(|fault| anyhow!(fault))?;
    let context = TestContext::with(config);
    let mut request = request(name)?;
    let passed =
        installation.checks.pass(&installation.secrets, &request).map_err(|why| anyhow!(why.as_str()))?;
    request.passed_checks = passed;
    Ok(Prepared { connector, host, context, request, installation })
}

fn of(name: &str) -> Result<BTreeMap<&'static str, f64>> {
    let Prepared { connector, host, context, request, installation } = prepared(name)?;
    let mut found = BTreeMap::new();
    found.insert("verify", time(|| installation.checks.pass(&installation.secrets, &request).is_ok())?);
    found.insert("normalize", time(|| connector.webhook(&host, &context, &request).is_ok())?);
    let turn = connector.webhook(&host, &context, &request).map_err(|fault| anyhow!("{fault}"))?;
    let effects: Vec<Effect> = turn.effects;
    let headers: Vec<&str> = installation.keep_headers.iter().map(String::as_str).collect();
    let raw = || RawRequest::encode("POST", "/", "", &request.headers, &headers, &request.body);
    found.insert("raw request", time(|| !raw().is_empty())?);
    let kept = raw();
    let copy = time(|| !effects.clone().is_empty())?;
    let changes =
        time(|| webhook_changes(&installation, effects.clone(), kept.clone(), request.received_at).is_ok())?;
    found.insert("event as changes", (changes - copy).max(0.0));
    Ok(found)
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// One of the bench's own webhooks.
fn request(name: &str) -> Result<InboundRequest> {
    let all = Portico::paths();
    let paths = match name {
        "slack" => Paths { slack: all.slack, ..Paths::default() },
        "telegram" => Paths { telegram: all.telegram, ..Paths::default() },
        _ => Paths { whatsapp: all.whatsapp, ..Paths::default() },
    };
    let mut bytes = Vec::new();
    Deck::new(&paths, Mix::NEW, 1, 1000, 0).next(0, &mut bytes);
    let whole = crate::wire::whole(&bytes)?.context("half a request")?;
    let head = std::str::from_utf8(bytes.get(..whole.body).unwrap_or_default())?;
    let mut headers = http::HeaderMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    Ok(InboundRequest {
        method: Method::POST,
        path: "/".into(),
        query: String::new(),
        headers,
        body: Bytes::copy_from_slice(bytes.get(whole.body..whole.end).unwrap_or_default()),
        received_at: now_ms(),
        source_ip: None,
        passed_checks: std::sync::Arc::default(),
    })
}

/// Microseconds of CPU for one call, the median of nine runs.
pub(super) fn time(mut work: impl FnMut() -> bool) -> Result<f64> {
    let mut runs = Vec::new();
    for _ in 0..9 {
        let begin = clock_gettime(ClockId::ThreadCPUTime);
        for _ in 0..TIMES / 9 {
            if !std::hint::black_box(work()) {
                bail!("the stage failed");
            }
        }
        let end = clock_gettime(ClockId::ThreadCPUTime);
        let nanos = (end.tv_sec - begin.tv_sec) * 1_000_000_000 + (end.tv_nsec - begin.tv_nsec);
        runs.push(nanos as f64 / 1e3 / (TIMES / 9) as f64);
    }
    Ok(crate::report::median(&runs))
}
