//! The one list of metrics: names, help, labels, and handles that are resolved once.

mod handles;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::RwLock;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry};

use crate::Histogram;

pub use handles::{ApiMetrics, BotMetrics, ConnectorWaits, Held, LiveMetrics, SendMetrics, WebhookMetrics};
pub use words::{
    BreakerState, DiskLevel, DispatchOutcome, EventOutcome, HelloRefusal, Limit, Listener, PerWord, Refusal,
    Road, SendOutcome, WebhookOutcome, Word,
};

/// Label names with their values.
type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge>;
type Histograms = Family<Labels, Histogram>;
type Seconds = Gauge<f64, AtomicU64>;

/// Media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the gateway. One per process, shared behind an `Arc`.
///
/// What has labels is reached through a handle (`webhook`, `bot`, `sends`, `api`, `live`), which a component resolves
/// once and keeps; what has none, or a closed set of label values, is a field.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    described: Vec<(String, &'static str, &'static str)>,

    webhooks: Counters,
    webhook_bytes: Counters,
    webhook_seconds: Histograms,
    dispatch_attempts: Counters,
    dispatch_seconds: Histograms,
    breaker_state: Gauges,
    dead_letters_made: Counters,
    sends: Counters,
    provider_seconds: Histograms,
    outbox_backlog: Gauges,
    outbox_oldest: Family<Labels, Seconds>,
    waits: Counters,
    waited: Family<Labels, Counter<f64, AtomicU64>>,
    api_requests: Counters,
    api_seconds: Histograms,
    connections: Gauges,
    attention: Gauges,
    live_open: Gauges,
    live_slow: Counters,

    webhook_handles: Handles<WebhookMetrics>,
    bot_handles: Handles<BotMetrics>,
    send_handles: Handles<SendMetrics>,
    api_handles: Handles<ApiMetrics>,
    live_handles: Handles<LiveMetrics>,

    /// Strangers turned away, by reason.
    pub refusals: PerWord<Refusal>,
    /// Events on their way into the journal.
    pub events: PerWord<EventOutcome>,
    /// Limits met.
    pub limits: PerWord<Limit>,
    /// Visitors who were not let in, by reason.
    pub hellos_refused: PerWord<HelloRefusal>,
    /// Messages that grow while a bot writes them.
    pub drafts_open: Gauge,
    /// How long the last syncs of the journal took, median, in seconds.
    pub journal_sync_p50: Seconds,
    /// The same, 99th percentile.
    pub journal_sync_p99: Seconds,
    /// Events kept and not yet settled.
    pub backlog: Gauge,
    /// Age of the oldest of them, in seconds.
    pub backlog_oldest: Seconds,
    /// Group commits of the journal.
    pub journal_commits: Counter,
    /// From the acceptance of a message by the API to the provider's answer.
    pub outbound_seconds: Histogram,
    /// Dead letters that wait for a person.
    pub dead_letters: Gauge,
    /// Free bytes on the store's disk.
    pub disk_free: Gauge,
    disk_level: Gauge,
    /// Bytes that the store holds on disk.
    pub store_bytes: Gauge,
    /// 1 while the store takes writes.
    pub store_writable: Gauge,
}

/// Handles that were resolved already.
#[derive(Debug)]
struct Handles<T>(RwLock<HashMap<String, Arc<T>>>);

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> Handles<T> {
    fn get(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(known) = self.0.read().get(name) {
            return known.clone();
        }
        self.0.write().entry(name.to_owned()).or_insert_with(|| Arc::new(make())).clone()
    }
}

struct Registrar {
    registry: Registry,
    described: Vec<(String, &'static str, &'static str)>,
}

impl Registrar {
    fn add<M: Metric + EncodeMetric + Clone + Default>(
        &mut self,
        name: &'static str,
        help: &'static str,
    ) -> M {
        let metric = M::default();
        self.put(name, help, metric.clone());
        metric
    }

    fn put<M: Metric + EncodeMetric>(&mut self, name: &'static str, help: &'static str, metric: M) {
        let (kind, ending) = match metric.metric_type() {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Gauge => ("gauge", ""),
            MetricType::Histogram => ("histogram", ""),
            _ => ("unknown", ""),
        };
        self.described.push((format!("portico_{name}{ending}"), kind, help));
        self.registry.register(name, help, metric);
    }

    fn per_word<W: Word>(
        &mut self,
        name: &'static str,
        label: &'static str,
        help: &'static str,
    ) -> PerWord<W> {
        let family: Counters = self.add(name, help);
        PerWord::resolve(|word| family.get_or_create_owned(&vec![(label, word.to_owned())]))
    }
}

/// Log lines that the rate limit left out; counted by the logger, which exists before any `Metrics`.
#[derive(Clone, Debug, Default)]
struct LogLinesDropped;

impl TypedMetric for LogLinesDropped {
    const TYPE: MetricType = MetricType::Counter;
}

impl EncodeMetric for LogLinesDropped {
    fn encode(
        &self,
        mut encoder: prometheus_client::encoding::MetricEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        let none = None::<&prometheus_client::metrics::exemplar::Exemplar<Labels, u64>>;
        encoder.encode_counter(&crate::log::lines_dropped(), none)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at nought.
    pub fn new() -> Self {
        let mut to = Registrar { registry: Registry::with_prefix("portico"), described: Vec::new() };
        let build: Gauges = to.add("build", "1, with the version that runs as a label");
        build.get_or_create_owned(&vec![("version", env!("CARGO_PKG_VERSION").to_owned())]).set(1);
        to.put(
            "log_lines_dropped",
            "Log lines left out, because one place in the code wrote too many",
            LogLinesDropped,
        );
        let metrics = Self {
            webhooks: to.add("webhooks", "Webhook requests, by installation and outcome"),
            webhook_bytes: to.add("webhook_bytes", "Bytes of webhook bodies, by installation"),
            webhook_seconds: to
                .add("webhook_seconds", "From a webhook's last byte to its answer, by installation"),
            refusals: to.per_word("refusals", "reason", "Requests turned away, by reason"),
            limits: to.per_word("limits_refused", "limit", "Requests or connections above a limit, by limit"),
            connections: to.add("connections_open", "Open connections, by listener"),

            events: to.per_word(
                "events",
                "outcome",
                "Events taken from webhooks: new, known already, or not understood",
            ),
            journal_sync_p50: to
                .add("journal_sync_p50_seconds", "How long the last syncs of the journal took, median"),
            journal_sync_p99: to.add(
                "journal_sync_p99_seconds",
                "How long the last syncs of the journal took, 99th percentile",
            ),
            journal_commits: to.add("journal_commits", "Group commits of the journal, each with one sync"),

            backlog: to.add("backlog", "Events kept and not yet settled, of all bots"),
            backlog_oldest: to.add("backlog_oldest_seconds", "Age of the oldest unsettled event"),
            dispatch_attempts: to
                .add("dispatch_attempts", "Attempts to hand an event to a core, by bot and outcome"),
            dispatch_seconds: to.add("dispatch_seconds", "How long a core took to answer, by bot"),
            breaker_state: to
                .add("breaker_state", "Breaker of a core: 0 closed, 1 half open, 2 open, by bot"),
            dead_letters_made: to.add("dead_letters_made", "Items given up, by reason"),
            dead_letters: to.add("dead_letters", "Dead letters that wait for a person"),

            outbox_backlog: to
                .add("outbox_backlog", "Messages accepted and not yet sent or failed, by installation"),
            outbox_oldest: to
                .add("outbox_oldest_seconds", "Age of the oldest unsent message, by installation"),
            sends: to.add("sends", "Attempts to send a message to a provider, by installation and outcome"),
            provider_seconds: to
                .add("provider_seconds", "How long a provider took to answer, by installation"),
            outbound_seconds: to
                .add("outbound_seconds", "From the acceptance of a message to the provider's answer"),
            waits: to.add("rate_limited_waits", "Pauses to keep a provider's rate limit, by installation"),
            waited: to.add("rate_limited_wait_seconds", "Seconds spent in these pauses, by installation"),
            attention: to.add("needs_attention", "1 while an installation needs a person, by installation"),

            api_requests: to.add("api_requests", "Runtime API requests, by operation and status"),
            api_seconds: to.add("api_seconds", "How long a runtime API request took, by operation"),

            live_open: to.add(
                "live_open",
                "Visitors and apps that listen, by installation and road: websocket, events, poll, listen, \
                 listen_websocket",
            ),
            live_slow: to.add(
                "live_slow_readers_cut",
                "Listeners cut because they read nothing for too long, by installation",
            ),
            hellos_refused: to.per_word(
                "hellos_refused",
                "reason",
                "Visitors of webchats who were not let in, by reason",
            ),
            drafts_open: to.add("drafts_open", "Messages that grow while a bot writes them"),

            disk_level: to
                .add("disk_level", "Disk: 0 ok, 1 warn, 2 webhooks refused, 3 all but settling refused"),
            disk_free: to.add("disk_free_bytes", "Free bytes on the store's disk"),
            store_bytes: to.add("store_bytes", "Bytes that the store holds on disk"),
            store_writable: to.add("store_writable", "1 while the store takes writes"),

            webhook_handles: Handles::default(),
            bot_handles: Handles::default(),
            send_handles: Handles::default(),
            api_handles: Handles::default(),
            live_handles: Handles::default(),
            registry: Registry::default(),
            described: Vec::new(),
        };
        for listener in Listener::ALL {
            drop(metrics.connections(*listener));
        }
        Self { registry: to.registry, described: to.described, ..metrics }
    }

    /// The metrics of an installation's webhooks; resolve once.
    pub fn webhook(&self, installation: &str) -> Arc<WebhookMetrics> {
        self.webhook_handles.get(installation, || {
            let labels = installation_label(installation);
            WebhookMetrics {
                outcomes: per_word(&self.webhooks, &labels, "outcome"),
                bytes: self.webhook_bytes.get_or_create_owned(&labels),
                seconds: self.webhook_seconds.get_or_create_owned(&labels),
            }
        })
    }

    /// The metrics of a bot's core; resolve once.
    pub fn bot(&self, bot: &str) -> Arc<BotMetrics> {
        self.bot_handles.get(bot, || {
            let labels = vec![("bot", bot.to_owned())];
            BotMetrics {
                attempts: per_word(&self.dispatch_attempts, &labels, "outcome"),
                seconds: self.dispatch_seconds.get_or_create_owned(&labels),
                breaker: self.breaker_state.get_or_create_owned(&labels),
            }
        })
    }

    /// The metrics of what an installation sends; resolve once.
    pub fn sends(&self, installation: &str) -> Arc<SendMetrics> {
        self.send_handles.get(installation, || {
            let labels = installation_label(installation);
            SendMetrics {
                outcomes: per_word(&self.sends, &labels, "outcome"),
                provider: self.provider_seconds.get_or_create_owned(&labels),
                backlog: self.outbox_backlog.get_or_create_owned(&labels),
                oldest: self.outbox_oldest.get_or_create_owned(&labels),
                attention: self.attention.get_or_create_owned(&labels),
                waits: ConnectorWaits {
                    times: self.waits.get_or_create_owned(&labels),
                    seconds: self.waited.get_or_create_owned(&labels),
                },
            }
        })
    }

    /// The metrics of a runtime API operation; resolve once.
    pub fn api(&self, operation: &'static str) -> Arc<ApiMetrics> {
        self.api_handles.get(operation, || {
            let labels = vec![("operation", operation.to_owned())];
            ApiMetrics::new(
                self.api_requests.clone(),
                self.api_seconds.get_or_create_owned(&labels),
                operation,
            )
        })
    }

    /// The metrics of those who listen to an installation's live conversations; resolve once.
    pub fn live(&self, installation: &str) -> Arc<LiveMetrics> {
        self.live_handles.get(installation, || {
            let labels = installation_label(installation);
            let open = |road: &Road| {
                let mut all = labels.clone();
                all.push(("road", road.to_string()));
                self.live_open.get_or_create_owned(&all)
            };
            LiveMetrics {
                open: Road::ALL.iter().map(open).collect(),
                slow: self.live_slow.get_or_create_owned(&labels),
            }
        })
    }

    /// Counts an item that was given up. `reason` is the store's word for it: a fixed text, never a message.
    pub fn dead_letter(&self, reason: &str) {
        self.dead_letters_made.get_or_create_owned(&vec![("reason", reason.to_owned())]).inc();
    }

    /// Open connections of a listener; resolve once.
    pub fn connections(&self, listener: Listener) -> Gauge {
        self.connections.get_or_create_owned(&vec![("listener", listener.as_str().to_owned())])
    }

    /// Sets how full the disk is.
    pub fn set_disk_level(&self, level: DiskLevel) {
        self.disk_level.set(i64::try_from(level.index()).unwrap_or(i64::MAX));
    }

    /// All metrics as OpenMetrics text, of type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        // Writing to a String fails never; an encoder's own error leaves what was written so far.
        if text::encode(&mut out, &self.registry).is_err() {
            tracing::error!("metrics could not be encoded");
        }
        out
    }

    /// Name, type and help of each metric, in the order in which they are shown.
    pub fn describe() -> Vec<(String, &'static str, &'static str)> {
        Self::new().described
    }
}

fn installation_label(installation: &str) -> Labels {
    vec![("installation", installation.to_owned())]
}

fn per_word<W: Word>(family: &Counters, labels: &Labels, label: &'static str) -> PerWord<W> {
    PerWord::resolve(|word| {
        let mut all = labels.clone();
        all.push((label, word.to_owned()));
        family.get_or_create_owned(&all)
    })
}

#[cfg(test)]
mod tests;
