//! Runs: a job with all its turns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use portico_contract::{
    Ask, Connector, Context, ConversationId, EventId, Fault, FaultCode, Host, HttpAnswer, InboundRequest,
    Millis, Next, RunId, Thread, Turn,
};
use portico_net::Client;
use portico_store::records::{Conversation, Records, TagMap};
use portico_store::{Commit, Key, Store, StoreError, Table};
use tracing::error;

use crate::host::RunHost;
use crate::send::{ExchangeLimits, Sender};
use crate::{BlobStore, Emitted, Finished, Installation, Job, NoOutlet, Outlet, changes, guard};

/// Most turns of one run. A long text cut into parts takes one turn for each.
const MAX_TURNS: usize = 64;
/// How often a turn is run again when the state that it read has changed.
const MAX_CONFLICTS: usize = 3;

/// The turn processor.
#[derive(Clone)]
pub struct Turns {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: BlobStore,
    pub(crate) client: Client,
    pub(crate) limits: ExchangeLimits,
    pub(crate) outlet: Arc<dyn Outlet>,
    /// Whether the store gives what a turn reads at once.
    local: bool,
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

/// Milliseconds since 1970.
pub fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// A store's refusal, as a fault of the run.
pub(crate) fn store_fault(error: &StoreError) -> Fault {
    match error {
        StoreError::Conflict { .. } => Fault::new(FaultCode::Conflict, "the state that was read has changed"),
        StoreError::DiskFull { .. } => {
            Fault::new(FaultCode::Unavailable, "the disk is too full").retry_after_ms(60_000)
        }
        other => Fault::new(FaultCode::Unavailable, other.to_string()),
    }
}

/// What began a run, for turns that are made again.
pub(crate) enum Call<'a> {
    Job(&'a Job),
    Webhook(&'a InboundRequest),
    Resume { memo: &'a [u8], answers: &'a [HttpAnswer] },
}

impl Turns {
    /// A processor over a store, its blobs and the outbound client.
    pub fn new(store: Arc<dyn Store>, blobs: BlobStore, client: Client) -> Self {
        let local = store.get_local(Table::Meta, &Key::new()).is_some();
        Self { store, blobs, client, limits: ExchangeLimits::default(), outlet: Arc::new(NoOutlet), local }
    }

    /// Bounds the exchanges with providers.
    #[must_use]
    pub fn with_limits(mut self, limits: ExchangeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Shows signals of live connectors to those who listen.
    #[must_use]
    pub fn with_outlet(mut self, outlet: Arc<dyn Outlet>) -> Self {
        self.outlet = outlet;
        self
    }

    /// Where signals of live connectors go.
    pub fn outlet(&self) -> &dyn Outlet {
        self.outlet.as_ref()
    }

    /// The blobs.
    pub fn blobs(&self) -> &BlobStore {
        &self.blobs
    }

    /// The outbound client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What a run is told about where it runs.
    pub(crate) fn context(installation: &Installation, run_id: RunId) -> Context {
        Context {
            run_id,
            installation_id: installation.id.clone(),
            config: installation.config.clone(),
            webhook_url: installation.webhook_url.clone(),
            locale: installation.locale.clone(),
        }
    }

    /// Makes one turn. A panic of the connector is caught and counts as a `bug`.
    pub(crate) fn turn(
        &self,
        installation: &Installation,
        ctx: &Context,
        now: Millis,
        call: &Call<'_>,
    ) -> Result<Turn, Fault> {
        let host = RunHost {
            installation,
            store: &self.store,
            blobs: &self.blobs,
            run_id: ctx.run_id,
            now,
            lines: std::cell::Cell::new(0),
        };
        let connector = installation.connector.as_ref();
        let made = catch_unwind(AssertUnwindSafe(|| call.make(connector, &host, ctx)));
        let turn = made.unwrap_or_else(|_| {
            installation.panicked(now);
            error!(installation.id = %installation.id, "the connector panicked");
            Err(Fault::new(FaultCode::Bug, "the connector panicked")
                .detail(serde_json::json!({ "panic": true })))
        })?;
        if let Next::Ask(ask) = &turn.next {
            guard::check_ask(ask)?;
        }
        Ok(turn)
    }

    /// As [`Turns::turn`], on the blocking pool where the store can't answer a turn's reads at once.
    async fn turn_anywhere(
        &self,
        installation: &Arc<Installation>,
        ctx: &Context,
        now: Millis,
        call: OwnedCall,
    ) -> Result<Turn, Fault> {
        if self.local {
            return self.turn(installation, ctx, now, &call.borrow());
        }
        let (turns, installation, ctx) = (self.clone(), installation.clone(), ctx.clone());
        tokio::task::spawn_blocking(move || turns.turn(&installation, &ctx, now, &call.borrow()))
            .await
            .unwrap_or_else(|_| Err(Fault::new(FaultCode::Unavailable, "the gateway is stopping")))
    }

    /// First turn of a webhook run; the request's declared checks have passed.
    ///
    /// # Errors
    /// The connector's fault.
    pub async fn webhook(
        &self,
        installation: &Arc<Installation>,
        run_id: RunId,
        request: &InboundRequest,
    ) -> Result<Turn, Fault> {
        let ctx = Self::context(installation, run_id);
        if self.local {
            return self.turn(installation, &ctx, request.received_at, &Call::Webhook(request));
        }
        self.turn_anywhere(installation, &ctx, request.received_at, OwnedCall::Webhook(request.clone())).await
    }

    /// Goes on with a webhook run after its caller was answered.
    ///
    /// # Errors
    /// The connector's fault, for the log: nobody waits for it.
    pub async fn webhook_rest(
        &self,
        installation: &Arc<Installation>,
        run_id: RunId,
        ask: Ask,
    ) -> Result<Finished, Fault> {
        self.rest(installation, run_id, now(), Next::Ask(ask), Vec::new()).await
    }

    /// Runs a job to its end.
    ///
    /// # Errors
    /// The connector's fault, or `unavailable` when the store refuses.
    pub async fn run(&self, installation: &Arc<Installation>, job: Job) -> Result<Finished, Fault> {
        let (run_id, now) = (EventId::new(), now());
        let ctx = Self::context(installation, run_id);
        let (next, opened) = self.stored_turn(installation, &ctx, now, OwnedCall::Job(job)).await?;
        self.rest(installation, run_id, now, next, opened).await
    }

    async fn rest(
        &self,
        installation: &Arc<Installation>,
        run_id: RunId,
        now: Millis,
        mut next: Next,
        mut opened: Vec<ConversationId>,
    ) -> Result<Finished, Fault> {
        let ctx = Self::context(installation, run_id);
        for _ in 0..MAX_TURNS {
            let ask = match next {
                Next::Done(outcome) => return Ok(Finished { outcome, opened }),
                Next::Ask(ask) => ask,
            };
            let answers = self.sender(installation, now).send_all(&ask.requests).await;
            let call = OwnedCall::Resume { memo: ask.memo, answers };
            let (after, more) = self.stored_turn(installation, &ctx, now, call).await?;
            opened.extend(more);
            next = after;
        }
        Err(Fault::new(FaultCode::Bug, "bad turn: a run has at most 64 turns"))
    }

    pub(crate) fn sender<'a>(&'a self, installation: &'a Installation, now: Millis) -> Sender<'a> {
        Sender { installation, client: &self.client, blobs: &self.blobs, limits: self.limits, now }
    }

    /// Makes a turn and stores its effects; makes it again when the state that it read has changed.
    pub(crate) async fn stored_turn(
        &self,
        installation: &Arc<Installation>,
        ctx: &Context,
        now: Millis,
        call: OwnedCall,
    ) -> Result<(Next, Vec<ConversationId>), Fault> {
        let mut tries = 0;
        loop {
            let turn = self.turn_anywhere(installation, ctx, now, call.clone()).await?;
            let emitted = changes::webhook_changes(installation, turn.effects, bytes::Bytes::new(), now)?;
            let writes = emitted.changes.len() > emitted.events;
            let stored = self.store_effects(installation, emitted, now).await;
            if writes {
                installation.state_changed();
            }
            match stored {
                Ok(opened) => return Ok((turn.next, opened)),
                Err(StoreError::Conflict { .. }) if tries < MAX_CONFLICTS => tries += 1,
                Err(error) => return Err(store_fault(&error)),
            }
        }
    }

    /// Commits what a turn wants stored and opens its threads.
    async fn store_effects(
        &self,
        installation: &Arc<Installation>,
        emitted: Emitted,
        now: Millis,
    ) -> Result<Vec<ConversationId>, StoreError> {
        if !emitted.changes.is_empty() {
            self.store.commit(Commit::of(emitted.changes)).await?;
        }
        let mut opened = Vec::with_capacity(emitted.open.len());
        for thread in emitted.open {
            opened.push(self.open(installation, &thread, now).await?);
        }
        for (conversation, signal) in emitted.signals {
            self.outlet.signal(conversation, signal);
        }
        Ok(opened)
    }

    /// Makes the conversation of a thread, unless it is there.
    ///
    /// # Errors
    /// As the store's.
    pub async fn open(
        &self,
        installation: &Installation,
        thread: &Thread,
        now: Millis,
    ) -> Result<ConversationId, StoreError> {
        let id = installation.conversation_of(thread);
        let records = Records::of(self.store.clone(), installation.bot.clone());
        if records.conversation(id).await?.is_some() {
            return Ok(id);
        }
        let tags: TagMap = thread
            .tags
            .iter()
            .map(|(name, value)| (format!("{}:{name}", installation.alias), value.to_owned()))
            .collect();
        let conversation = Conversation {
            id,
            installation: Some(installation.id.clone()),
            integration: installation.alias.to_string(),
            channel: thread.channel.to_string(),
            key: thread.key.clone(),
            tags,
            properties: TagMap::new(),
            recipient: None,
            message_count: 0,
            current_task: None,
            created_at: now,
            updated_at: now,
        };
        match self.store.commit(Commit::of(records.conversation_changes(None, &conversation))).await {
            // Somebody else made it at the same moment.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(id),
            Err(error) => Err(error),
        }
    }
}

/// A call that can move to another thread.
#[derive(Clone)]
pub(crate) enum OwnedCall {
    Job(Job),
    Webhook(InboundRequest),
    Resume { memo: bytes::Bytes, answers: Vec<HttpAnswer> },
}

impl OwnedCall {
    fn borrow(&self) -> Call<'_> {
        match self {
            Self::Job(job) => Call::Job(job),
            Self::Webhook(request) => Call::Webhook(request),
            Self::Resume { memo, answers } => Call::Resume { memo, answers },
        }
    }
}

impl Call<'_> {
    fn make(&self, connector: &dyn Connector, host: &dyn Host, ctx: &Context) -> Result<Turn, Fault> {
        match self {
            Self::Webhook(request) => connector.webhook(host, ctx, request),
            Self::Resume { memo, answers } => connector.resume(host, ctx, memo, answers.to_vec()),
            Self::Job(Job::Register) => connector.register(host, ctx),
            Self::Job(Job::Unregister) => connector.unregister(host, ctx),
            Self::Job(Job::Deliver(message)) => connector.deliver(host, ctx, message.as_ref().clone()),
            Self::Job(Job::Act(call)) => connector.act(host, ctx, call.as_ref().clone()),
            Self::Job(Job::Tick(tick)) => connector.tick(host, ctx, tick.clone()),
        }
    }
}
