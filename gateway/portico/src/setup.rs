//! From the checked configuration to what the crates of the gateway are started with.

use std::collections::BTreeMap;
use std::sync::Arc;

use portico_chat_api::ChatLimits;
use portico_config::{
    BotConfig, Checked, CoreKind as ConfiguredCore, InstallationConfig, OnDead, OnUnknown, Rate,
};
use portico_contract::{BotId, Catalog, InstallationId};
use portico_dispatch::{BotCore, CoreKind, Endpoint};
use portico_edge::{Http2, Limits, Quota};
use portico_runtime_api::ApiLimits;
use portico_store::Retention;
use portico_store_sled::{DiskLimits, Options};
use portico_turns::{ExchangeLimits, Installation, InstallationSpec};
use portico_webchat_api::Times;

use anyhow::{Context, Result, anyhow};

/// How the embedded store is opened.
pub(crate) fn store_options(config: &Checked) -> Options {
    let store = &config.store;
    Options {
        retention: Retention {
            events: store.retention.events,
            messages: store.retention.messages,
            attempts: store.retention.attempts,
            dead_letters: store.retention.dead_letters,
            dead_letters_per_bot: store.retention.dead_letters_per_bot,
            files: store.retention.files,
            ..Retention::default()
        },
        disk_limits: DiskLimits {
            warn_percent: store.disk.warn_percent,
            refuse_percent: store.disk.refuse_percent,
            refuse_free: store.disk.refuse_free,
            settle_percent: store.disk.critical_percent,
            settle_free: store.disk.critical_free,
            reserve: store.disk.reserve,
            ..DiskLimits::default()
        },
        checkpoint_every: store.checkpoint.every,
        checkpoint_bytes: store.checkpoint.log,
        ..Options::at(&store.path)
    }
}

fn quota(rate: Rate) -> Quota {
    Quota { count: rate.count, per: rate.per, burst: rate.burst }
}

/// Limits of the public listener.
pub(crate) fn edge_limits(config: &Checked) -> Limits {
    let (edge, webhook) = (&config.limits.edge, &config.limits.webhook);
    Limits {
        connections: edge.connections,
        connections_per_address: edge.connections_per_address,
        tls_handshake: edge.tls_handshake,
        first_byte: edge.first_byte,
        head_time: edge.head_time,
        body_time: edge.body_time,
        body_pace: edge.body_pace,
        keep_alive: edge.keep_alive,
        request_time: edge.request_time,
        requests_per_connection: u32::try_from(edge.requests_per_connection).unwrap_or(u32::MAX),
        head_bytes: edge.head,
        headers: edge.headers,
        target_bytes: edge.target,
        webhook_body: config.limits.body.webhook,
        http2: Http2 {
            streams: edge.h2_streams,
            stream_window: edge.h2_stream_window,
            connection_window: edge.h2_connection_window,
            header_list: edge.h2_header_list,
            pending_resets: edge.h2_pending_resets,
            frame: edge.h2_frame,
        },
        address: Some(quota(edge.address_rate)),
        installation: quota(webhook.rate),
        failures: quota(webhook.failures),
        failure_pause: webhook.failure_pause,
    }
}

/// Bounds of the exchanges with providers.
pub(crate) fn exchange_limits(config: &Checked) -> ExchangeLimits {
    let provider = &config.limits.provider;
    ExchangeLimits {
        timeout: provider.timeout,
        answer: provider.answer,
        media: usize::try_from(provider.media).unwrap_or(usize::MAX),
        media_time: provider.media_time,
    }
}

/// Limits of the runtime API.
pub(crate) fn api_limits(config: &Checked) -> ApiLimits {
    let rate = |rate: Rate| portico_runtime_api::Rate { count: rate.count, per: rate.per, burst: rate.burst };
    ApiLimits {
        body: config.limits.body.api,
        file: config.limits.body.file,
        rate: rate(config.limits.api.rate),
        rates: config
            .bots
            .values()
            .filter_map(|bot| Some((BotId::parse(&bot.id).ok()?, rate(bot.rate?))))
            .collect(),
    }
}

/// Times of the webchat's connections. A poll ends before its request would be cut.
pub(crate) fn webchat_times(config: &Checked) -> Times {
    let limits = &config.limits.webchat;
    Times {
        hello: limits.hello,
        heartbeat: limits.heartbeat,
        poll: limits.poll.min(config.limits.edge.request_time.mul_f64(0.9)),
        rotate: limits.token,
        write: limits.slow_reader,
        link: limits.link,
    }
}

/// Limits of the Chat API and the webchat API.
pub(crate) fn chat_limits(config: &Checked) -> ChatLimits {
    let rate = |rate: Rate| portico_chat_api::Rate { count: rate.count, per: rate.per, burst: rate.burst };
    let limits = &config.limits.chat;
    ChatLimits {
        body: config.limits.body.chat,
        file: config.limits.body.file,
        user: rate(limits.user_rate),
        chat_address: rate(limits.chat_rate),
        webchat_address: rate(limits.webchat_rate),
        chat_users: rate(limits.chat_users),
        webchat_users: rate(limits.webchat_users),
        user_streams: limits.user_streams,
        chat_streams: limits.chat_streams,
        webchat_streams: limits.webchat_streams,
        slow_reader: limits.slow_reader,
    }
}

/// All enabled installations.
///
/// # Errors
/// Names the installation whose connector's manifest is malformed.
pub(crate) fn installations(
    config: &Checked,
    catalog: &Catalog,
    public_url: &str,
) -> Result<Vec<Arc<Installation>>> {
    config
        .installations
        .values()
        .filter(|one| one.enabled)
        .map(|one| installation(one, catalog, public_url))
        .collect()
}

fn installation(one: &InstallationConfig, catalog: &Catalog, public_url: &str) -> Result<Arc<Installation>> {
    let connector =
        catalog.get(&one.connector).with_context(|| format!("there is no connector '{}'", one.connector))?;
    let mut config = one.config.clone();
    // The generic connector has no proof of its own; its configuration says whether that is wanted.
    if one.insecure
        && let Some(fields) = config.as_object_mut()
        && connector.manifest().configuration.schema.pointer("/properties/insecure").is_some()
    {
        fields.entry("insecure").or_insert(true.into());
    }
    let spec = InstallationSpec {
        id: InstallationId::parse(&one.id)?,
        bot: BotId::parse(&one.bot)?,
        alias: one.alias.clone(),
        connector: connector.clone(),
        config,
        secrets: one.secrets.clone(),
        webhook_url: format!("{public_url}/webhooks/{}", one.id),
        locale: one.locale.clone(),
        on_unknown: match one.on_unknown {
            OnUnknown::Retry => portico_turns::OnUnknown::Retry,
            OnUnknown::Hold => portico_turns::OnUnknown::Hold,
            OnUnknown::Drop => portico_turns::OnUnknown::Drop,
        },
        max_age: one.max_age,
        max_body: one.max_body,
    };
    Installation::new(spec).map(Arc::new).map_err(|fault| anyhow!("installation '{}': {fault}", one.id))
}

/// All bots with their cores.
///
/// # Errors
/// When a bot's id is none, which the configuration's checks have ruled out.
pub(crate) fn bots(config: &Checked) -> Result<Vec<BotCore>> {
    config.bots.values().map(|bot| self::bot(config, bot)).collect()
}

fn bot(config: &Checked, bot: &BotConfig) -> Result<BotCore> {
    let endpoint = |url: &url::Url, secrets: Vec<secrecy::SecretString>| Endpoint {
        url: url.clone(),
        secrets,
        timeout: bot.core.timeout,
        max_answer: config.limits.core.answer,
    };
    let core = match &bot.core.kind {
        ConfiguredCore::Http { url, secrets } => CoreKind::Http(endpoint(url, secrets.clone())),
        ConfiguredCore::Botpress { url, secret: _, configuration } => {
            CoreKind::Botpress { endpoint: endpoint(url, Vec::new()), configuration: configuration.clone() }
        }
        ConfiguredCore::Rasa { url, secret: _ } => CoreKind::Rasa(endpoint(url, Vec::new())),
        ConfiguredCore::Echo => CoreKind::Echo,
    };
    Ok(BotCore {
        concurrency: bot.core.concurrency,
        max_age: bot.core.max_age,
        on_dead: match bot.core.on_dead {
            OnDead::Continue => portico_dispatch::OnDead::Continue,
            OnDead::Hold => portico_dispatch::OnDead::Hold,
        },
        ..BotCore::new(BotId::parse(&bot.id)?, core)
    })
}

/// Tokens of all bots, for the runtime API.
pub(crate) fn tokens(config: &Checked) -> Result<BTreeMap<BotId, Vec<secrecy::SecretString>>> {
    config.bots.values().map(|bot| Ok((BotId::parse(&bot.id)?, bot.tokens.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::facts::Facts;

    fn checked(text: &str) -> Checked {
        let catalog = portico_catalog::built_in();
        let none = |_: &str| None;
        portico_config::parse(text, Path::new("/nowhere"), &none, &Facts(&catalog)).unwrap()
    }

    #[test]
    fn the_defaults_of_live_channels_are_those_of_their_crates() {
        let config = checked("");
        assert_eq!(chat_limits(&config), ChatLimits::default());
        assert_eq!(webchat_times(&config), Times::default());
        assert_eq!(config.limits.lane.mailbox, portico_outbound::MAX_MAILBOX);
        assert_eq!(config.limits.lane.outbox as u64, portico_outbound::MAX_LANE);
    }

    #[test]
    fn a_poll_ends_before_its_request_is_cut() {
        let config = checked("[limits.edge]\nrequest_time = \"10s\"");
        assert_eq!(webchat_times(&config).poll, std::time::Duration::from_secs(9));
    }
}
