//! `portico demo`: everything in one process. The echo bot stands behind four installations whose providers
//! are stood in for on loopback; what travels is shown as it travels.

mod commands;
mod journal;
mod providers;
mod showcase;
mod site;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use axum::Router;
use portico_contract::BotId;
use portico_dispatch::Core;
use portico_inbound::Observer;
use portico_live::Live;
use portico_store::Store;
use portico_telemetry::metrics::WebhookOutcome;
use portico_telemetry::{LogFormat, LogOptions, init};
use portico_turns::Installation;

use super::{BadConfig, say, serve};
use crate::cli::Demo;
use crate::facts::Facts;
use crate::{Addition, Extras};

/// The shop's colour, on the widget too.
const ACCENT: &str = "#1f5c4a";

/// Made up at each start: nothing of the demo is a secret worth keeping.
pub(super) struct Secrets {
    pub(super) slack: String,
    pub(super) telegram: String,
    pub(super) whatsapp: String,
    pub(super) webhook: String,
}

pub(super) fn run(options: &Demo) -> Result<()> {
    init(&LogOptions { format: LogFormat::Text, filter: "warn".into() })
        .map_err(|error| anyhow!("{error}"))?;
    let (folder, temporary) = match &options.data {
        Some(folder) => (folder.clone(), false),
        None => (std::env::temp_dir().join(format!("portico-demo-{}", std::process::id())), true),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let done = super::runtime()?.block_on(demo(options.listen, &folder, temporary));
    if temporary && let Err(error) = std::fs::remove_dir_all(&folder) {
        say(&format!("{} could not be removed: {error}", folder.display()));
    }
    done
}

async fn demo(listen: SocketAddr, folder: &Path, temporary: bool) -> Result<()> {
    let secrets = Secrets { slack: random()?, telegram: random()?, whatsapp: random()?, webhook: random()? };
    let providers = providers::start().await.context("the stand-in for the providers can't be started")?;
    let text = configuration(listen, &folder.join("data"), providers, &secrets);
    let catalog = portico_catalog::built_in();
    let config = portico_config::parse(&text, folder, &|_: &str| None, &Facts(&catalog))
        .map_err(|faults| anyhow!(BadConfig(format!("the demo's configuration:\n{faults}"))))?;
    let kept = if temporary { " (removed at the end; keep it with --data FOLDER)" } else { "" };
    say(&format!("Portico demo: echo bot, embedded store in {}{kept}\n", folder.display()));
    say(
        "Send a message as each provider would, from another terminal. Each command is signed, and new each time:\n",
    );
    for (name, command) in commands::all(&format!("http://{listen}"), &secrets) {
        say(&format!("# {name}\n{command}\n"));
    }
    say("Send one twice with the same id to see the repeat recognised; change a byte to see it refused.");
    say(&format!(
        "Health: http://{listen}/readyz   Metrics: http://{listen}/metrics   Admin API: http://{} (token in {})",
        config.server.admin_listen,
        folder.join("data/admin.token").display()
    ));
    say(&format!("\nAn example shop with the webchat on it, and the journal beside it: http://{listen}/\n"));
    say("What travels, as it travels (Ctrl-C ends):\n");
    let shop = Shop { public_url: format!("http://{listen}") };
    let extras =
        Extras { observer: Some(Arc::new(Shown)), addition: Some(Box::new(shop)), ..Extras::default() };
    serve::serve(config, extras).await
}

fn random() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(hex::encode(bytes))
}

fn configuration(listen: SocketAddr, data: &Path, providers: SocketAddr, secrets: &Secrets) -> String {
    // The admin API takes the next port, so that two demos on different ports don't meet.
    let mut admin = listen;
    admin.set_port(if listen.port() == 0 { 0 } else { listen.port().wrapping_add(1) });
    let api = format!("http://{providers}");
    let data = toml_text(&data.display().to_string());
    let Secrets { slack, telegram, whatsapp, webhook } = secrets;
    format!(
        r#"
[server]
listen = "{listen}"
admin_listen = "{admin}"
public_url = "http://{listen}"
allow_private_networks = true
[server.drain]
readiness = "0s"
[store]
path = {data}
[bots.demo]
core = {{ kind = "echo" }}
[installations.site]
bot = "demo"
connector = "webchat"
[installations.site.config.limits]
messages = 600
[installations.site.config.look]
bot_name = "Tide & Timber"
description = "The echo bot of this demo. Ask it for a card, a carousel, a choice, or a stream."
accent = "{ACCENT}"
[installations.backend]
bot = "demo"
connector = "chat"
[installations.slack]
bot = "demo"
connector = "slack"
[installations.slack.config]
bot_token = "xoxb-demo"
signing_secret = "{slack}"
api_url = "{api}"
[installations.telegram]
bot = "demo"
connector = "telegram"
[installations.telegram.config]
bot_token = "1:demo"
webhook_secret = "{telegram}"
api_url = "{api}"
[installations.whatsapp]
bot = "demo"
connector = "whatsapp"
[installations.whatsapp.config]
access_token = "demo"
app_secret = "{whatsapp}"
verify_token = "demo"
phone_number_id = "15550001111"
api_url = "{api}"
[installations.webhook]
bot = "demo"
connector = "webhook"
[installations.webhook.config]
secret = "{webhook}"
messages = true
outbound_url = "{api}/webhook"
"#
    )
}

/// A text as TOML writes it.
fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Shows webhooks as they are answered.
struct Shown;

impl Observer for Shown {
    fn webhook(&self, installation: &Installation, outcome: WebhookOutcome, events: usize, status: u16) {
        let events = match events {
            0 => String::new(),
            1 => ", 1 event on disk".to_owned(),
            many => format!(", {many} events on disk"),
        };
        say(&format!("{:>9} ──▶ portico   {status} {outcome}{events}", installation.alias));
    }
}

/// What the demo adds to the gateway: its bot, and the example shop.
struct Shop {
    public_url: String,
}

impl Addition for Shop {
    fn cores(&self, live: &Live) -> BTreeMap<BotId, Arc<dyn Core>> {
        let media = format!("{}/demo", self.public_url);
        let bot: Arc<dyn Core> = Arc::new(showcase::Showcase { live: live.clone(), media });
        BotId::parse("demo").map(|id| (id, bot)).into_iter().collect()
    }

    fn pages(&self, store: &Arc<dyn Store>) -> Router {
        site::router(store.clone())
    }

    fn allows_localhost(&self) -> bool {
        true
    }
}
