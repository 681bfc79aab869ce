//! `[limits]`: everything that is bounded, with the bounds of the bounds.

use std::time::Duration;

use crate::section::Section;
use crate::units::Rate;

macro_rules! limits {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty = $getter:ident($($bound:expr),*),)+ }
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name { $($(#[$field_doc])* pub $field: $kind,)+ }

            impl $name {
                fn read(section: &Section<'_>) -> Self {
                    let limits = Self { $($field: $getter(section, stringify!($field), $($bound),*),)+ };
                    section.finish();
                    limits
                }
            }
        )+
    };
}

/// What stands in after a fault.
const NO_RATE: Rate = Rate { count: 1, per: Duration::from_secs(1), burst: 1 };

fn time(section: &Section<'_>, key: &str, least_ms: u64, most_s: u64) -> Duration {
    let least = Duration::from_millis(least_ms);
    section.or(key, section.duration(key, least, Duration::from_secs(most_s)), least)
}

fn size(section: &Section<'_>, key: &str, least: u64, most: u64) -> u64 {
    section.or(key, section.size(key, least, most), least)
}

fn memory(section: &Section<'_>, key: &str, least: u64, most: u64) -> usize {
    usize::try_from(size(section, key, least, most)).unwrap_or(usize::MAX)
}

fn count(section: &Section<'_>, key: &str, least: u64, most: u64) -> u64 {
    section.or(key, section.number(key, least, most), least)
}

fn number(section: &Section<'_>, key: &str, least: u64, most: u64) -> usize {
    usize::try_from(count(section, key, least, most)).unwrap_or(usize::MAX)
}

fn small(section: &Section<'_>, key: &str, least: u32, most: u32) -> u32 {
    u32::try_from(count(section, key, least.into(), most.into())).unwrap_or(most)
}

fn rate(section: &Section<'_>, key: &str) -> Rate {
    section.or(key, section.rate(key), NO_RATE)
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR: u64 = 3600;

limits! {
    /// `[limits.edge]`: connections and requests, before anything is known of the sender.
    EdgeLimits {
        /// Open connections in all.
        connections: usize = number(1, 10_000_000),
        /// Open connections of one address, or one /64 for IPv6.
        connections_per_address: usize = number(1, 10_000_000),
        /// Requests of one address, or one /64 for IPv6.
        address_rate: Rate = rate(),
        /// Connections waiting to be accepted.
        backlog: u32 = small(1, 65_535),
        /// Time for a TLS handshake.
        tls_handshake: Duration = time(100, 60),
        /// Time until the first byte.
        first_byte: Duration = time(100, 300),
        /// Time for the whole head.
        head_time: Duration = time(100, 300),
        /// Time for the whole body.
        body_time: Duration = time(100, HOUR),
        /// Least pace of a body after 3 s, in bytes per second.
        body_pace: u64 = size(0, GIB),
        /// How long an idle connection is kept.
        keep_alive: Duration = time(0, HOUR),
        /// Time for a whole request.
        request_time: Duration = time(100, HOUR),
        /// Requests on one connection.
        requests_per_connection: usize = number(1, 1_000_000_000),
        /// HTTP/1: bytes of the head. The parser needs 8 KiB.
        head: usize = memory(8 * KIB, MIB),
        /// HTTP/1: number of headers.
        headers: usize = number(8, 1024),
        /// Bytes of the address line.
        target: usize = memory(256, 64 * KIB),
        /// HTTP/2: streams at once.
        h2_streams: u32 = small(1, 10_000),
        /// HTTP/2: window of a stream in bytes.
        h2_stream_window: u32 = window(),
        /// HTTP/2: window of a connection in bytes.
        h2_connection_window: u32 = window(),
        /// HTTP/2: bytes of headers.
        h2_header_list: u32 = header_list(),
        /// HTTP/2: resets that may be pending.
        h2_pending_resets: usize = number(1, 10_000),
        /// HTTP/2: bytes of a frame, as the protocol bounds them.
        h2_frame: u32 = frame(),
    }

    /// `[limits.body]`: bodies of requests to Portico.
    BodyLimits {
        /// Webhooks.
        webhook: usize = memory(KIB, 64 * MIB),
        /// Runtime API and admin API.
        api: usize = memory(KIB, 64 * MIB),
        /// Chat API, and the webchat's for the public client.
        chat: usize = memory(KIB, 64 * MIB),
        /// Files.
        file: u64 = size(KIB, 10 * GIB),
    }

    /// `[limits.webhook]`.
    WebhookLimits {
        /// Webhooks of one installation.
        rate: Rate = rate(),
        /// Unsigned or forged requests of one address.
        failures: Rate = rate(),
        /// How long an address above it gets 429.
        failure_pause: Duration = time(0, 24 * HOUR),
    }

    /// `[limits.api]`.
    ApiLimits {
        /// Runtime API calls of one bot.
        rate: Rate = rate(),
        /// Admin API calls of one token.
        admin_rate: Rate = rate(),
        /// Failed logins of one address.
        login: Rate = rate(),
    }

    /// `[limits.core]`: requests to a core.
    CoreLimits {
        /// Time for an answer.
        timeout: Duration = time(100, 600),
        /// Bytes of an answer.
        answer: usize = memory(KIB, 64 * MIB),
        /// Events at once for one bot.
        concurrency: usize = number(1, 100_000),
        /// Age at which an event becomes a dead letter.
        max_age: Duration = time(60_000, 30 * 24 * HOUR),
    }

    /// `[limits.provider]`: requests to providers.
    ProviderLimits {
        /// Time for a connection.
        connect: Duration = time(100, 60),
        /// Time for a whole exchange.
        timeout: Duration = time(100, 600),
        /// Bytes of an answer.
        answer: usize = memory(KIB, 64 * MIB),
        /// Bytes of media that is fetched.
        media: u64 = size(KIB, 10 * GIB),
        /// Time to fetch it.
        media_time: Duration = time(1000, HOUR),
        /// Age at which a message that could not be sent is failed.
        max_age: Duration = time(10_000, 24 * HOUR),
    }

    /// `[limits.lane]`: queues of one conversation.
    LaneLimits {
        /// Messages that wait to be sent.
        outbox: usize = number(1, 1_000_000),
        /// Events of a live conversation that wait for the bot.
        mailbox: u64 = count(1, 1_000_000),
    }

    /// `[limits.webchat]`: connections of visitors.
    WebchatLimits {
        /// Time for the first frame.
        hello: Duration = time(100, 60),
        /// Silence after which both sides ask whether the other is there.
        heartbeat: Duration = time(5_000, 300),
        /// How long a poll waits.
        poll: Duration = time(1_000, 300),
        /// How long a reader may take nothing.
        slow_reader: Duration = time(1_000, 300),
        /// Age at which a token is exchanged.
        token: Duration = time(60_000, 7 * 24 * HOUR),
        /// How long an address of a file is good.
        link: Duration = time(60_000, 365 * 24 * HOUR),
    }

    /// `[limits.chat]`: callers of the Chat API and the webchat API.
    ChatLimits {
        /// Calls of one user.
        user_rate: Rate = rate(),
        /// Calls of one address to a chat.
        chat_rate: Rate = rate(),
        /// Calls of one address to a webchat.
        webchat_rate: Rate = rate(),
        /// New users of one address at a chat.
        chat_users: Rate = rate(),
        /// New users of one address at a webchat.
        webchat_users: Rate = rate(),
        /// Streams of one user.
        user_streams: usize = number(1, 1_000_000),
        /// Streams of one address to a chat.
        chat_streams: usize = number(1, 1_000_000),
        /// Streams of one address to a webchat.
        webchat_streams: usize = number(1, 1_000_000),
        /// How long a reader may take nothing.
        slow_reader: Duration = time(1_000, 300),
    }
}

fn window(section: &Section<'_>, key: &str) -> u32 {
    u32::try_from(size(section, key, 64 * KIB - 1, (1 << 31) - 1)).unwrap_or(u32::MAX)
}

fn header_list(section: &Section<'_>, key: &str) -> u32 {
    u32::try_from(size(section, key, KIB, MIB)).unwrap_or(u32::MAX)
}

fn frame(section: &Section<'_>, key: &str) -> u32 {
    u32::try_from(size(section, key, 16 * KIB, 16 * MIB - 1)).unwrap_or(u32::MAX)
}

/// `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `[limits.edge]`.
    pub edge: EdgeLimits,
    /// `[limits.body]`.
    pub body: BodyLimits,
    /// `[limits.webhook]`.
    pub webhook: WebhookLimits,
    /// `[limits.api]`.
    pub api: ApiLimits,
    /// `[limits.core]`.
    pub core: CoreLimits,
    /// `[limits.provider]`.
    pub provider: ProviderLimits,
    /// `[limits.lane]`.
    pub lane: LaneLimits,
    /// `[limits.webchat]`.
    pub webchat: WebchatLimits,
    /// `[limits.chat]`.
    pub chat: ChatLimits,
}

pub(crate) fn read(section: &Section<'_>) -> Limits {
    let limits = Limits {
        edge: EdgeLimits::read(&section.section("edge")),
        body: BodyLimits::read(&section.section("body")),
        webhook: WebhookLimits::read(&section.section("webhook")),
        api: ApiLimits::read(&section.section("api")),
        core: CoreLimits::read(&section.section("core")),
        provider: ProviderLimits::read(&section.section("provider")),
        lane: LaneLimits::read(&section.section("lane")),
        webchat: WebchatLimits::read(&section.section("webchat")),
        chat: ChatLimits::read(&section.section("chat")),
    };
    section.finish();
    limits
}
