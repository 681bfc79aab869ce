//! What the simulators share: the record of what came in, and the faults that a test asks for.
//!
//! Stands between the HTTP floor (`server`) and one provider's rules (`slack`, `telegram`, `whatsapp`).

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::clock::SimClock;
use super::server::{Answer, Answering, Handler, RawRequest, Server};

/// A way to fail, for the next requests of one route.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer in place of the provider's own; the request is not acted on.
    Status {
        /// HTTP status.
        code: u16,
        /// Body, as it is.
        body: String,
        /// Headers; without a content type the body is sent as JSON.
        headers: Vec<(String, String)>,
    },
    /// The connection is reset and the provider has *not* acted on the request.
    Reset,
    /// The provider reads the body and acts on it, then resets the connection: an unknown outcome.
    ResetAfterBody,
    /// The right answer, this much later.
    Slow(Duration),
    /// 200 with a web page, as proxies and login walls answer; the request is not acted on.
    Html,
}

impl Fault {
    /// [`Fault::Status`] without headers.
    pub fn status(code: u16, body: impl Into<String>) -> Self {
        Self::Status { code, body: body.into(), headers: Vec::new() }
    }
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request as it arrived.
    pub request: RawRequest,
    /// When it arrived, on the simulator's clock (since 1970).
    pub at: Duration,
    /// The status answered; `None` when the connection was reset, or no answer is out yet.
    pub status: Option<u16>,
    /// The fault that was applied, if any.
    pub fault: Option<Fault>,
}

/// A file that came with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFile {
    /// File name as given; empty when none was.
    pub name: String,
    /// Media type as given; empty when none was.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// One call that the provider accepted.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it was: `chat.postMessage`, `sendPhoto`, `text`, `reaction`, …
    pub kind: String,
    /// To whom: channel id, chat id or phone number.
    pub to: String,
    /// The provider's id of the message that it made or touched; empty when there is none.
    pub id: String,
    /// The body as the provider understood it.
    pub body: Value,
    /// Files uploaded with the call.
    pub files: Vec<SentFile>,
    /// When, on the simulator's clock (since 1970).
    pub at: Duration,
    /// Whether a person sees a new message because of it (edits, reactions, typing are not).
    pub is_message: bool,
}

/// The part of a simulator that does not differ between providers. Clones share one record.
#[derive(Clone, Debug)]
pub struct Provider {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: SimClock,
    log: Mutex<Log>,
    /// Grows with every change of the log; what the waiting functions listen to.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Log {
    exchanges: Vec<Exchange>,
    /// How many exchanges were forgotten, so that a running one still finds its place.
    forgotten: usize,
    accepted: Vec<Sent>,
    faults: Vec<Planned>,
}

#[derive(Debug)]
struct Planned {
    route: String,
    fault: Fault,
    left: usize,
}

impl Default for Provider {
    fn default() -> Self {
        let (changes, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { clock: SimClock::default(), log: Mutex::default(), changes }) }
    }
}

impl Provider {
    /// The clock that windows, links and limits are measured on.
    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// Lets the next `count` requests of `route` fail. Faults of one route are used in the order given.
    ///
    /// `route` is one or more whole segments of the path (`chat.postMessage`, `sendMessage`, `messages`,
    /// `files-pri`), or `*` for every path.
    pub fn fail(&self, route: &str, fault: Fault, count: usize) {
        let planned = Planned { route: route.to_owned(), fault, left: count };
        self.shared.log.lock().faults.push(planned);
    }

    /// Forgets all faults that have not happened yet.
    pub fn heal(&self) {
        self.shared.log.lock().faults.clear();
    }

    /// Every request so far, refused ones and failed ones too.
    pub fn requests(&self) -> Vec<Exchange> {
        self.shared.log.lock().exchanges.clone()
    }

    /// Requests of one route, as in [`Provider::fail`].
    pub fn requests_of(&self, route: &str) -> Vec<Exchange> {
        let mut all = self.requests();
        all.retain(|exchange| matches(route, &exchange.request.path));
        all
    }

    /// Every accepted call, in order: messages, edits, reactions, typing.
    pub fn accepted(&self) -> Vec<Sent> {
        self.shared.log.lock().accepted.clone()
    }

    /// Accepted calls of one kind.
    pub fn accepted_of(&self, kind: &str) -> Vec<Sent> {
        let mut all = self.accepted();
        all.retain(|sent| sent.kind == kind);
        all
    }

    /// Accepted calls that made a message, in order.
    pub fn messages(&self) -> Vec<Sent> {
        let mut all = self.accepted();
        all.retain(|sent| sent.is_message);
        all
    }

    /// Waits until `n` messages or more were accepted and returns all of them.
    ///
    /// # Errors
    /// Fewer came within `timeout`; the text counts what came and what was refused.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> anyhow::Result<Vec<Sent>> {
        self.wait_until(&format!("{n} messages"), timeout, |provider| provider.messages().len() >= n).await?;
        Ok(self.messages())
    }

    /// Waits until `holds` is true; it is asked again after every request.
    ///
    /// # Errors
    /// It was not within `timeout`; the text names `what` and summarises what came.
    pub async fn wait_until(
        &self,
        what: &str,
        timeout: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let mut changes = self.shared.changes.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if holds(self) {
                    return;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        if tokio::time::timeout(timeout, waiting).await.is_ok() {
            return Ok(());
        }
        anyhow::bail!("waited {} ms for {what}; {}", timeout.as_millis(), self.summary())
    }

    /// Forgets requests and accepted calls; faults stay.
    pub fn clear(&self) {
        let mut log = self.shared.log.lock();
        log.forgotten += log.exchanges.len();
        log.exchanges.clear();
        log.accepted.clear();
    }

    /// One line per request: method, path, answer. For messages of failing tests.
    pub fn summary(&self) -> String {
        let log = self.shared.log.lock();
        let lines: Vec<String> = log
            .exchanges
            .iter()
            .rev()
            .take(20)
            .rev()
            .map(|exchange| {
                let end = exchange.status.map_or("no answer".to_owned(), |status| status.to_string());
                format!("{} {} -> {end}", exchange.request.method, exchange.request.path)
            })
            .collect();
        let messages = log.accepted.iter().filter(|sent| sent.is_message).count();
        format!(
            "{messages} messages accepted, {} requests, the last of them: [{}]",
            log.exchanges.len(),
            lines.join("; ")
        )
    }

    /// Writes down an accepted call.
    pub(crate) fn accept(&self, sent: Sent) {
        self.shared.log.lock().accepted.push(sent);
        self.changed();
    }

    /// Serves `act` on a free port of 127.0.0.1, with the record and the faults in front of it.
    pub(crate) async fn serve<F, A>(&self, act: impl FnOnce(String) -> A) -> io::Result<Server>
    where
        A: Fn(RawRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let act = Arc::new(act(format!("http://{}", listener.local_addr()?)));
        let provider = self.clone();
        let handler: Handler = Arc::new(move |request| -> Answering {
            let (provider, act) = (provider.clone(), act.clone());
            Box::pin(async move { provider.exchange(request, &*act).await })
        });
        Server::serve(listener, handler)
    }

    async fn exchange<F: Future<Output = Answer>>(
        &self,
        request: RawRequest,
        act: &impl Fn(RawRequest) -> F,
    ) -> Answer {
        let (index, fault) = self.arrive(&request);
        let answer = match fault {
            None => act(request).await,
            Some(Fault::Slow(by)) => {
                tokio::time::sleep(by).await;
                act(request).await
            }
            Some(Fault::ResetAfterBody) => {
                let _acted_on_but_never_told = act(request).await;
                Answer::reset()
            }
            Some(Fault::Reset) => Answer::reset(),
            Some(Fault::Html) => Answer::text(
                200,
                "text/html; charset=utf-8",
                "<!doctype html><title>Sign in</title><h1>Sign in</h1>",
            ),
            Some(Fault::Status { code, body, headers }) => {
                let named = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                let mut answer = Answer::empty(code);
                answer.body = Bytes::from(body);
                answer.headers = headers;
                if named { answer } else { answer.with_header("content-type", "application/json") }
            }
        };
        {
            let mut log = self.shared.log.lock();
            let place = index.checked_sub(log.forgotten);
            if let Some(exchange) = place.and_then(|place| log.exchanges.get_mut(place)) {
                exchange.status = (!answer.reset).then_some(answer.status);
            }
        }
        self.changed();
        answer
    }

    fn arrive(&self, request: &RawRequest) -> (usize, Option<Fault>) {
        let mut log = self.shared.log.lock();
        let due =
            log.faults.iter_mut().find(|planned| planned.left > 0 && matches(&planned.route, &request.path));
        let fault = due.map(|planned| {
            planned.left -= 1;
            planned.fault.clone()
        });
        let at = self.shared.clock.now();
        log.exchanges.push(Exchange { request: request.clone(), at, status: None, fault: fault.clone() });
        let index = log.forgotten + log.exchanges.len() - 1;
        drop(log);
        self.changed();
        (index, fault)
    }

    fn changed(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }
}

/// Whether the segments of `route` stand side by side in `path`.
fn matches(route: &str, path: &str) -> bool {
    if route == "*" {
        return true;
    }
    let wanted: Vec<&str> = route.split('/').filter(|part| !part.is_empty()).collect();
    let present: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    !wanted.is_empty() && present.windows(wanted.len()).any(|window| window == wanted)
}

/// A random lower-case hex string of `bytes` bytes.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    getrandom::fill(&mut buffer).expect("the system gives random bytes");
    hex::encode(buffer)
}

#[cfg(test)]
mod tests;
