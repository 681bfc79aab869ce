//! Drives a job through all its turns, as the gateway does, and panics where the gateway would refuse.

use bytes::Bytes;
use portico_contract::{
    ActionCall, Connector, Context, Delivered, Effect, Event, Fault, FaultCode, Host, HttpAnswer,
    InboundRequest, InboundResponse, Keep, Next, OutboundMessage, OutboundRequest, Outcome, Payload, Reply,
    TimerTick, TransportFailure, Turn, TurnResult,
};
use serde_json::{Value, json};

use crate::{TestHost, checks, rules};

/// Most turns of one run.
pub const MAX_TURNS: usize = 64;
/// Most requests of one run.
pub const MAX_REQUESTS: usize = 64;
const MAX_MEMO: usize = 256 * 1024;
const DEFAULT_MAX_BODY: usize = 1024 * 1024;

/// Headers of an answer that connectors get to see; cookies and the like stay with the gateway.
const SHOWN: [&str; 10] = [
    "content-type",
    "content-length",
    "content-disposition",
    "retry-after",
    "date",
    "etag",
    "location",
    "x-ratelimit-reset",
    "x-ratelimit-remaining",
    "x-business-use-case-usage",
];

/// What the provider answers to a request.
pub type Answer = Result<InboundResponse, TransportFailure>;

/// A job to run.
#[derive(Clone, Debug)]
pub enum Job {
    /// The installation was enabled.
    Register,
    /// The installation goes away.
    Unregister,
    /// A request came in; it goes through [`receive`].
    Webhook(InboundRequest),
    /// A message goes out.
    Deliver(OutboundMessage),
    /// An action was called.
    Act(ActionCall),
    /// A timer is due.
    Tick(TimerTick),
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it ended.
    pub outcome: Result<Outcome, Fault>,
    /// Every request asked for, in order, with secrets still as markers.
    pub requests: Vec<OutboundRequest>,
    /// Effects of all turns, in order.
    pub effects: Vec<Effect>,
    /// The answer for the webhook's caller.
    pub reply: Option<Reply>,
    /// The memo of the last `ask`, for [`resume`].
    pub memo: Option<Bytes>,
}

impl Run {
    /// The events among the effects.
    pub fn events(&self) -> Vec<&Event> {
        self.effects
            .iter()
            .filter_map(|effect| if let Effect::Emit(event) = effect { Some(event) } else { None })
            .collect()
    }

    /// What was delivered; panics when the run ended otherwise.
    #[track_caller]
    pub fn delivered(&self) -> &Delivered {
        match &self.outcome {
            Ok(Outcome::Delivered(delivered)) => delivered,
            other => panic!("expected a delivery, the run ended with {other:?}"),
        }
    }

    /// An action's output; panics when the run ended otherwise.
    #[track_caller]
    pub fn output(&self) -> &Value {
        match &self.outcome {
            Ok(Outcome::Output(output)) => output,
            other => panic!("expected an output, the run ended with {other:?}"),
        }
    }

    /// The fault; panics when the run ended well.
    #[track_caller]
    pub fn fault(&self) -> &Fault {
        match &self.outcome {
            Err(fault) => fault,
            Ok(outcome) => panic!("expected a fault, the run ended with {outcome:?}"),
        }
    }

    /// The JSON body of a request, by position; panics when there is none.
    #[track_caller]
    pub fn json(&self, index: usize) -> Value {
        let request =
            self.requests.get(index).unwrap_or_else(|| panic!("only {} requests", self.requests.len()));
        match &request.body {
            Payload::Text(text) => serde_json::from_str(text).unwrap_or_else(|error| panic!("body: {error}")),
            Payload::Bytes(bytes) => {
                serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("body: {error}"))
            }
            other => panic!("the body is {other:?}"),
        }
    }
}

/// An answer of JSON.
pub fn json_answer(status: u16, body: Value) -> InboundResponse {
    let mut answer = text_answer(status, &body.to_string());
    for field in &mut answer.headers {
        field.value = "application/json".into();
    }
    answer
}

/// An answer of text or HTML.
pub fn text_answer(status: u16, body: &str) -> InboundResponse {
    InboundResponse {
        status,
        headers: vec![portico_contract::Field::new("content-type", "text/html")],
        body: Payload::Bytes(Bytes::copy_from_slice(body.as_bytes())),
    }
}

/// Answers from a list, one after the other; panics when more are asked for.
pub fn script(answers: impl IntoIterator<Item = Answer>) -> impl FnMut(&OutboundRequest) -> Answer {
    let mut answers: std::collections::VecDeque<Answer> = answers.into_iter().collect();
    move |request| {
        answers.pop_front().unwrap_or_else(|| panic!("no scripted answer for request '{}'", request.label))
    }
}

/// Takes a webhook request in as the gateway does: method, body size, declared checks, then the connector. It
/// arrives when the host's clock says.
///
/// # Errors
/// `unauthenticated` when a required check fails, `bad-input` with status 405 or 413 for methods and sizes
/// that the manifest excludes, else the connector's own fault.
pub fn receive(
    connector: &dyn Connector,
    host: &TestHost,
    ctx: &Context,
    request: &InboundRequest,
) -> TurnResult {
    let spec = &connector.manifest().webhook;
    if !spec.methods.is_empty() && !spec.methods.iter().any(|method| method == request.method.as_str()) {
        return Err(Fault::new(FaultCode::BadInput, "method not allowed").status(405));
    }
    if request.body.len() > spec.max_body.map_or(DEFAULT_MAX_BODY, |max| max as usize) {
        return Err(Fault::new(FaultCode::BadInput, "the body is too large").status(413));
    }
    let mut request = request.clone();
    request.received_at = host.now();
    request.passed_checks = checks::passed(host, &request)
        .map_err(|check| Fault::new(FaultCode::Unauthenticated, format!("check '{check}' failed")))?
        .into();
    twice(host, || connector.webhook(host, ctx, &request))
}

/// Runs a job to its end. Every turn is made twice and must come out the same; effects are applied to the
/// host's state; each request is checked by [`rules::request`] and answered by `answers`.
pub fn run(
    connector: &dyn Connector,
    host: &TestHost,
    ctx: &Context,
    job: Job,
    answers: impl FnMut(&OutboundRequest) -> Answer,
) -> Run {
    let first = match job {
        Job::Register => twice(host, || connector.register(host, ctx)),
        Job::Unregister => twice(host, || connector.unregister(host, ctx)),
        Job::Webhook(request) => receive(connector, host, ctx, &request),
        Job::Deliver(message) => twice(host, || connector.deliver(host, ctx, message.clone())),
        Job::Act(call) => twice(host, || connector.act(host, ctx, call.clone())),
        Job::Tick(tick) => twice(host, || connector.tick(host, ctx, tick.clone())),
    };
    go_on(connector, host, ctx, first, answers)
}

/// Goes on with a run from a memo, as on a later attempt, with the answers of the requests sent again.
pub fn resume(
    connector: &dyn Connector,
    host: &TestHost,
    ctx: &Context,
    memo: &[u8],
    first: Vec<HttpAnswer>,
    answers: impl FnMut(&OutboundRequest) -> Answer,
) -> Run {
    let turn = twice(host, || connector.resume(host, ctx, memo, first.clone()));
    go_on(connector, host, ctx, turn, answers)
}

fn go_on(
    connector: &dyn Connector,
    host: &TestHost,
    ctx: &Context,
    first: TurnResult,
    mut answers: impl FnMut(&OutboundRequest) -> Answer,
) -> Run {
    let mut run = Run {
        outcome: Ok(Outcome::Nothing),
        requests: Vec::new(),
        effects: Vec::new(),
        reply: None,
        memo: None,
    };
    let mut turn = first;
    for number in 0..MAX_TURNS {
        let Turn { effects, reply, next } = match turn {
            Ok(turn) => turn,
            Err(fault) => {
                check_fault(host, &fault);
                run.outcome = Err(fault);
                return run;
            }
        };
        check_effects(host, &effects);
        assert!(host.apply(&effects), "a state write expected another revision than is stored");
        run.effects.extend(effects);
        if number == 0 {
            rules::no_secret(host, "the reply", &json!(reply).to_string());
            run.reply = reply;
        }
        let ask = match next {
            Next::Done(outcome) => {
                run.outcome = Ok(outcome);
                return run;
            }
            Next::Ask(ask) => ask,
        };
        assert!(
            (1..=8).contains(&ask.requests.len()),
            "an ask has {} requests, must have 1 to 8",
            ask.requests.len()
        );
        assert!(
            ask.memo.len() <= MAX_MEMO,
            "the memo has {} bytes, at most 256 KiB are kept",
            ask.memo.len()
        );
        rules::no_secret(host, "the memo", &String::from_utf8_lossy(&ask.memo));
        run.memo = Some(ask.memo.clone());
        let given = send(host, ctx, &ask.requests, &mut run.requests, &mut answers);
        turn = twice(host, || connector.resume(host, ctx, &ask.memo, given.clone()));
    }
    panic!("the run has more than {MAX_TURNS} turns")
}

fn send(
    host: &TestHost,
    ctx: &Context,
    requests: &[OutboundRequest],
    sent: &mut Vec<OutboundRequest>,
    answers: &mut impl FnMut(&OutboundRequest) -> Answer,
) -> Vec<HttpAnswer> {
    let mut given = Vec::new();
    for request in requests {
        rules::request(host, ctx.config.json(), request).unwrap_or_else(|rule| panic!("{rule}"));
        rules::no_secret(host, "a request", &format!("{request:?}"));
        sent.push(request.clone());
        assert!(sent.len() <= MAX_REQUESTS, "the run has more than {MAX_REQUESTS} requests");
        let outcome = answers(request).map(|answer| keep(host, request, answer, sent.len()));
        let stop = !matches!(&outcome, Ok(answer) if answer.is_success());
        given.push(HttpAnswer { label: request.label.clone(), outcome });
        if stop {
            break;
        }
    }
    given
}

/// Makes of an answer what the gateway hands back: few headers, and the body as the request asked for it.
fn keep(
    host: &TestHost,
    request: &OutboundRequest,
    mut answer: InboundResponse,
    number: usize,
) -> InboundResponse {
    for field in &mut answer.headers {
        field.name = field.name.to_ascii_lowercase();
    }
    answer.headers.retain(|field| SHOWN.contains(&field.name.as_str()));
    answer.body = match (request.keep, answer.body.clone()) {
        // What is no 2xx is an error text, and no file.
        (Keep::Stored, Payload::Stored(id)) => {
            host.put_blob(&id, "application/octet-stream", Bytes::from_static(b"x"));
            Payload::Stored(id)
        }
        (Keep::Stored, _) if answer.is_success() => {
            let id = format!("blob-{number}");
            let media_type = answer.header("content-type").unwrap_or("application/octet-stream").to_owned();
            host.put_blob(&id, &media_type, Bytes::copy_from_slice(answer.bytes()));
            Payload::Stored(id)
        }
        (Keep::Nothing, _) => Payload::Empty,
        (_, Payload::Bytes(bytes)) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Payload::Text(text),
            Err(_) => Payload::Bytes(bytes),
        },
        (_, body) => body,
    };
    answer
}

/// Makes a turn twice: it must be a pure function of its arguments, the state, the clock and the entropy.
fn twice(host: &TestHost, turn: impl Fn() -> TurnResult) -> TurnResult {
    let before = host.log_count();
    let first = turn();
    let after = host.log_count();
    let second = turn();
    host.truncate_log(after);
    assert_eq!(first, second, "a turn made twice must come out the same");
    for line in host.log_from(before) {
        rules::no_secret(host, "a log line", &format!("{line:?}"));
    }
    first
}

fn check_effects(host: &TestHost, effects: &[Effect]) {
    rules::effects(host.manifest(), effects).unwrap_or_else(|rule| panic!("{rule}"));
    let text = json!(effects).to_string();
    rules::no_secret(host, "an effect", &text);
}

fn check_fault(host: &TestHost, fault: &Fault) {
    let text = serde_json::to_string(fault).unwrap_or_default();
    rules::no_secret(host, "a fault", &text);
    let detail = fault.detail.as_ref().map_or(0, |detail| detail.to_string().len());
    assert!(detail <= 8 * 1024, "a fault's detail has {detail} bytes, at most 8 KiB are kept");
    assert!(!fault.message.is_empty(), "a fault has no message");
}
