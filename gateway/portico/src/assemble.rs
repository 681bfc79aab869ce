//! Puts the gateway together. Read it to know what runs.
//!
//! The listeners' workers are threads of their own; everything else runs on the runtime that calls [`start`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use parking_lot::Mutex;
use portico_admin::{Admin, AdminToken};
use portico_chat_api::ChatSignals;
use portico_config::{Checked, ExposeSecret};
use portico_contract::{BotId, Catalog};
use portico_dispatch::{Core, CoreKind, Dispatch};
use portico_edge::{Edge, EdgeOptions, Hooks, Limits};
use portico_inbound::{Inbound, Observer};
use portico_lanes::{Driver, DriverHandle};
use portico_live::{Hub, Live};
use portico_net::{Client, ClientOptions};
use portico_outbound::{Actions, MediaLinks, Outbox, Paces, Scheduler, Sender, SenderOptions};
use portico_runtime_api::{Bots, RuntimeApi};
use portico_store::{Dir, Files, NodeId, Store};
use portico_store_sled::SledStore;
use portico_telemetry::Metrics;
use portico_telemetry::metrics::Listener;
use portico_turns::{BlobStore, Installations, Turns};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::facts::Facts;
use crate::glue::{IntoOutbox, KnownAliases, PublicMedia};
use crate::keys::{self, MasterKey};
use crate::live::{self, ToVisitors};
use crate::operations::{self, Reload};
use crate::pages::{self, Pages};
use crate::register::Registrar;
use crate::{setup, upkeep};

/// What a gateway is started with besides its configuration.
#[derive(Default)]
pub struct Extras {
    /// The file that the configuration came from, for reading it again.
    pub file: Option<PathBuf>,
    /// Sees what comes in, for the demo.
    pub observer: Option<Arc<dyn Observer>>,
    /// What somebody adds who starts the gateway within their own process.
    pub addition: Option<Box<dyn Addition>>,
}

/// What a program that holds a gateway adds to it: the demo, a test.
pub trait Addition: Send {
    /// Cores that stand in this process, in place of those that the bots are configured with.
    fn cores(&self, live: &Live) -> BTreeMap<BotId, Arc<dyn Core>>;

    /// Pages of the public listener.
    fn pages(&self, store: &Arc<dyn Store>) -> Router;

    /// Whether pages of this machine may use channels that list no origin.
    fn allows_localhost(&self) -> bool;
}

impl std::fmt::Debug for Extras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extras").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A running gateway.
pub struct Running {
    /// Address of the public listener.
    pub public: SocketAddr,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    /// How providers reach it.
    pub public_url: String,
    store: Arc<dyn Store>,
    node: NodeId,
    dispatch: Dispatch,
    outbound: DriverHandle,
    edges: [Edge; 2],
    leaving: Arc<AtomicBool>,
    /// Ends what stays open: sockets and streams.
    closing: CancellationToken,
    stop: CancellationToken,
    drain: portico_config::Drain,
    reload: Option<Reload>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("public", &self.public)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// File of the data folder that names the operator's API of the gateway that runs on it.
pub(crate) const ADMIN_ADDRESS: &str = "admin.address";

/// Where operators find a gateway of which nobody said otherwise (`server.admin_listen`).
const USUAL_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

/// Listens for operators. Where nobody chose an address, and another gateway of this machine has the usual one,
/// any free port will do: the commands find it in the data folder.
fn listen_admin(config: &Checked, backlog: u32) -> Result<std::net::TcpListener> {
    let wanted = config.server.admin_listen;
    match Edge::listen(wanted, backlog) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && wanted == USUAL_ADMIN => {
            let free = SocketAddr::new(wanted.ip(), 0);
            Edge::listen(free, backlog).context("no port is free for the admin API")
        }
        listened => listened.with_context(|| format!("server.admin_listen: {wanted} can't be listened on")),
    }
}

/// Starts a gateway on the current runtime.
///
/// # Errors
/// Names what can't be opened or listened on.
pub async fn start(config: Checked, extras: Extras) -> Result<Running> {
    let catalog = portico_catalog::built_in();
    let metrics = Arc::new(Metrics::new());
    let stop = CancellationToken::new();
    raise_file_limit();

    // Addresses first: a second gateway on the same ports must not touch the store.
    let backlog = config.limits.edge.backlog;
    let listen = |address: SocketAddr, key: &str| {
        Edge::listen(address, backlog).with_context(|| format!("{key}: {address} can't be listened on"))
    };
    let public_socket = listen(config.server.listen, "server.listen")?;
    let admin_socket = listen_admin(&config, backlog)?;
    let public_url = config.server.public_url(public_socket.local_addr()?);

    let folder = config.store.path.clone();
    let options = setup::store_options(&config);
    // Recovery reads the log; it must not hold up the runtime's own threads.
    let opened = tokio::task::spawn_blocking(move || SledStore::open(options)).await?;
    let store: Arc<dyn Store> = Arc::new(
        opened.map_err(|error| anyhow!("the store in {} can't be opened: {error}", folder.display()))?,
    );
    // Under the store's lock now: the commands find the operator's API here.
    let admin_address = admin_socket.local_addr()?;
    std::fs::write(folder.join(ADMIN_ADDRESS), admin_address.to_string())
        .with_context(|| format!("{} can't be written in {}", ADMIN_ADDRESS, folder.display()))?;
    let master = Arc::new(MasterKey::of_folder(&folder)?);
    let files = Files::open(folder.join("files")).await.context("the files folder can't be opened")?;
    let blobs = BlobStore::new(files.clone(), store.clone());

    let client = Client::new(ClientOptions {
        allow_private_networks: config.server.allow_private_networks,
        allowed_hosts: config.server.allowed_hosts.clone(),
        connect_timeout: config.limits.provider.connect,
        ..ClientOptions::default()
    })
    .map_err(|error| anyhow!("the outbound client can't be made: {error}"))?;
    let hub = Arc::new(Hub::counted(metrics.clone()));
    let turns = Turns::new(store.clone(), blobs.clone(), client.clone())
        .with_limits(setup::exchange_limits(&config))
        .with_outlet(hub.clone());
    let installations = Installations::new(setup::installations(&config, &catalog, &public_url)?);

    let mut inbound = Inbound::new(store.clone(), turns.clone(), metrics.clone());
    if let Some(observer) = extras.observer {
        inbound = inbound.observed_by(observer);
    }

    let shared_installations = Arc::new(installations.clone());
    let outbox = Arc::new(
        Outbox::new(store.clone(), shared_installations.clone(), metrics.clone())
            .at_most(config.limits.lane.outbox as u64)
            .mailbox_at_most(config.limits.lane.mailbox)
            .with_outlet(hub.clone()),
    );
    let live = Live::new(store.clone(), outbox.clone(), shared_installations.clone(), hub, metrics.clone());
    let paces = Arc::new(Paces::default());
    let actions = Actions::new(
        store.clone(),
        shared_installations.clone(),
        turns.clone(),
        metrics.clone(),
        paces.clone(),
    );
    // An action must end while its caller's request still may.
    let action_time = config.limits.edge.request_time.mul_f64(0.9);
    let actions = Arc::new(actions.time_limit(action_time));
    let media = Arc::new(MediaLinks::new(&public_url, &master.derive("media")));

    let addition = extras.addition;
    let mut cores = setup::bots(&config)?;
    let mut own = addition.as_ref().map(|addition| addition.cores(&live)).unwrap_or_default();
    for bot in &mut cores {
        if let Some(core) = own.remove(&bot.bot) {
            bot.core = CoreKind::Own(core);
        }
    }
    let node = node_id()?;
    let dispatch = Dispatch::start_telling(
        portico_dispatch::Parts {
            store: store.clone(),
            client: client.clone(),
            replies: Arc::new(IntoOutbox(outbox.clone())),
            media: Arc::new(PublicMedia(media.clone())),
            aliases: Arc::new(KnownAliases(installations.clone())),
            metrics: metrics.clone(),
            options: portico_lanes::Options::new(node),
            random: None,
        },
        cores,
        Arc::new(ToVisitors(live.clone())),
        stop.child_token(),
    )
    .map_err(|faults| anyhow!(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;

    let sender = Sender::new(
        store.clone(),
        shared_installations.clone(),
        turns.clone(),
        metrics.clone(),
        paces,
        SenderOptions::default(),
    )
    .with_signals(Arc::new(ChatSignals(live.clone())));
    let sender = Arc::new(sender);
    let outbound = Driver::start(
        store.clone(),
        Dir::Outbound,
        sender.clone(),
        portico_lanes::Options::new(node),
        stop.child_token(),
    );
    let ages = sender.clone();
    background(&stop, async move { ages.watch_ages().await });

    let bots: portico_outbound::Bots = {
        let dispatch = dispatch.clone();
        Arc::new(move || dispatch.bots().into_iter().map(|status| status.bot).collect())
    };
    tokio::spawn(upkeep::expire(
        store.clone(),
        {
            let bots = bots.clone();
            move || bots()
        },
        config.store.retention.messages,
        stop.child_token(),
    ));
    let scheduler = Scheduler::new(store.clone(), shared_installations, turns.clone(), outbox.clone(), bots);
    background(&stop, async move { scheduler.run().await });
    tokio::spawn(upkeep::sweep(store.clone(), stop.child_token()));
    tokio::spawn(upkeep::sweep_files(
        turns.blobs().clone(),
        config.store.retention.files,
        stop.child_token(),
    ));
    tokio::spawn(live::sweep(live.clone(), store.clone(), config.store.retention.files, stop.child_token()));
    tokio::spawn(upkeep::watch(store.clone(), metrics.clone(), stop.child_token()));

    let registrar = Registrar {
        store: store.clone(),
        turns,
        installations: installations.clone(),
        stop: stop.child_token(),
    };
    let bot_tokens = Arc::new(Bots::new(setup::tokens(&config)?));
    let api = portico_runtime_api::router(RuntimeApi {
        store: store.clone(),
        outbox,
        actions,
        installations: installations.clone(),
        files: files.clone(),
        bots: bot_tokens.clone(),
        media,
        metrics: metrics.clone(),
        public_url: public_url.clone(),
        limits: setup::api_limits(&config),
        file_key: master.derive("files"),
    });
    let leaving = Arc::new(AtomicBool::new(false));
    let pages = Pages { store: store.clone(), metrics: metrics.clone(), leaving: leaving.clone() };
    let closing = CancellationToken::new();
    let talk = live::router(live::Parts {
        live,
        store: store.clone(),
        installations: installations.clone(),
        blobs,
        files,
        client,
        metrics: metrics.clone(),
        master,
        public_url: public_url.clone(),
        allow_localhost: addition.as_ref().is_some_and(|addition| addition.allows_localhost()),
        times: setup::webchat_times(&config),
        limits: setup::chat_limits(&config),
        leaving: closing.clone(),
    });
    let own_pages = addition.map(|addition| addition.pages(&store)).unwrap_or_default();
    let router = api.merge(talk).merge(own_pages).merge(pages::router(pages));

    let tls = match &config.server.tls {
        Some(files) => Some(
            portico_net::tls::server_config(&files.cert, &files.key)
                .map_err(|error| anyhow!("server.tls: {error}"))?,
        ),
        None => None,
    };
    let hooks = Hooks { installations: installations.clone(), inbound: inbound.clone() };
    let operations = Arc::new(operations::Running {
        dispatch: dispatch.clone(),
        outbound: outbound.clone(),
        sender: sender.clone(),
        installations: installations.clone(),
        registrar: registrar.clone(),
        reload: Mutex::new(None),
    });
    let token = match config.admin.tokens.first() {
        Some(token) => token.expose_secret().to_owned(),
        None => keys::admin_token(&folder)?,
    };
    let admin = Admin {
        store: store.clone(),
        installations: installations.clone(),
        inbound,
        operations: operations.clone(),
        token: Arc::new(AdminToken::new(
            &token,
            config.limits.api.admin_rate.count,
            config.limits.api.login.count,
        )),
    };
    let admin = Edge::start(
        admin_socket,
        EdgeOptions {
            tls: None,
            workers: 1,
            name: "admin",
            limits: Limits { request_time: Duration::from_secs(3600), ..setup::edge_limits(&config) },
            trusted_proxies: Vec::new(),
        },
        None,
        admin.router(),
        metrics.clone(),
        Listener::Admin,
    )
    .context("the admin listener can't be started")?;

    // Last, so that whoever sees it ready finds everything else there.
    let public = Edge::start(
        public_socket,
        EdgeOptions {
            tls,
            workers: config.server.workers.unwrap_or(0),
            name: "edge",
            limits: setup::edge_limits(&config),
            trusted_proxies: config.server.trusted_proxies.clone(),
        },
        Some(hooks),
        router,
        metrics,
        Listener::Public,
    )
    .context("the public listener can't be started")?;

    registrar.register_changed();
    let reload = extras.file.map(|file| {
        let reloader = Reloader {
            file,
            old: Mutex::new(config.clone()),
            catalog,
            public_url: public_url.clone(),
            installations,
            dispatch: dispatch.clone(),
            tokens: bot_tokens,
            registrar,
        };
        let reload: Reload = Arc::new(move || reloader.reload());
        *operations.reload.lock() = Some(reload.clone());
        reload
    });
    Ok(Running {
        public: public.address(),
        admin: admin.address(),
        public_url,
        store,
        node,
        dispatch,
        outbound,
        edges: [public, admin],
        leaving,
        closing,
        stop,
        drain: config.server.drain,
        reload,
    })
}

impl Running {
    /// Reads the configuration again.
    ///
    /// # Errors
    /// The faults of the file; the old configuration stays.
    pub fn reload(&self) -> Result<(), String> {
        match &self.reload {
            Some(reload) => reload(),
            None => Err("started without a configuration file".into()),
        }
    }

    /// Ends in order: readiness falls, listeners close once requests are answered, what is with a core or a
    /// provider finishes, the store is written. Bounded; whatever is cut is as safe as in a crash.
    ///
    /// # Errors
    /// When the store could not be closed in order; the next start recovers.
    pub async fn drain(self) -> Result<()> {
        let begun = Instant::now();
        let left = |most: Duration, total: Duration| most.min(total.saturating_sub(begun.elapsed()));
        let total = self.drain.total;
        self.leaving.store(true, Ordering::Relaxed);
        let [public, admin] = self.edges;
        let unused = public.connections() == 0;
        if !unused {
            // Balancers look elsewhere while everything is still answered.
            tokio::time::sleep(left(self.drain.readiness, total)).await;
        }
        self.closing.cancel();
        let cut = public.drain(left(self.drain.dispatch, total)).await;
        if cut > 0 {
            warn!(connections = cut, "connections were cut");
        }
        let within = left(self.drain.dispatch, total);
        let (mailboxes, outboxes) = tokio::join!(self.dispatch.drain(within), self.outbound.drain(within));
        let unfinished = mailboxes.unfinished + outboxes.unfinished;
        if unfinished > 0 {
            warn!(
                unfinished,
                "what was with a core or a provider did not finish; it is offered again at the next start"
            );
        }
        if let Err(error) = self.store.release(self.node).await {
            warn!("the leases could not be given back: {error}");
        }
        admin.drain(left(Duration::from_secs(1), total)).await;
        self.stop.cancel();
        match tokio::time::timeout(
            left(Duration::from_secs(60), total).max(Duration::from_secs(2)),
            self.store.close(),
        )
        .await
        {
            Ok(Ok(())) => {
                info!(took_ms = begun.elapsed().as_millis() as u64, "ended in order");
                Ok(())
            }
            Ok(Err(error)) => bail!("the store could not be closed in order: {error}"),
            Err(_) => bail!("the store could not be closed in time"),
        }
    }
}

/// What a new configuration is applied to.
struct Reloader {
    file: PathBuf,
    old: Mutex<Checked>,
    catalog: Catalog,
    public_url: String,
    installations: Installations,
    dispatch: Dispatch,
    tokens: Arc<Bots>,
    registrar: Registrar,
}

impl Reloader {
    /// Checks the whole file first; a wrong one changes nothing.
    fn reload(&self) -> Result<(), String> {
        let facts = Facts(&self.catalog);
        let new = portico_config::load(&self.file, &portico_config::ProcessEnvironment, &facts)
            .map_err(|faults| faults.to_string())?;
        let text = |error: anyhow::Error| format!("{error:#}");
        let installations = setup::installations(&new, &self.catalog, &self.public_url).map_err(text)?;
        let bots = setup::bots(&new).map_err(text)?;
        let tokens = setup::tokens(&new).map_err(text)?;
        self.dispatch
            .replace(bots)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        self.tokens.replace(tokens);
        self.installations.replace(installations);
        self.registrar.register_changed();
        let mut old = self.old.lock();
        for (key, changed) in [
            ("server", format!("{:?}", old.server) != format!("{:?}", new.server)),
            ("store", format!("{:?}", old.store) != format!("{:?}", new.store)),
            ("limits", format!("{:?}", old.limits) != format!("{:?}", new.limits)),
        ] {
            if changed {
                warn!("[{key}] has changed; that takes effect at the next start");
            }
        }
        *old = new;
        info!("the configuration was read again");
        Ok(())
    }
}

fn background(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.child_token();
    tokio::spawn(async move {
        stop.run_until_cancelled(work).await;
    });
}

fn node_id() -> Result<NodeId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).context("the system gives no random numbers")?;
    Ok(NodeId(id))
}

/// As many open files as the system allows: each connection is one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: now.maximum, maximum: now.maximum };
    if now.current != now.maximum && setrlimit(Resource::Nofile, wanted).is_err() {
        warn!("the limit of open files could not be raised");
    }
}
