//! Outbound: every declared kind is rendered, and every answer of the provider is understood.

use portico_contract::{
    ActionCall, Content, FaultCode, HttpAnswer, InboundResponse, MessageId, Next, OutboundMessage, Party,
    Payload, Tags, Thread, TimerTick, TransportFailure,
};
use serde_json::{Value, json};

use super::{Suite, no_panic};
use crate::run::{Answer, Job, Run, json_answer, resume, run, text_answer};
use crate::samples::{self, END, SIZES, Size};

/// Outbound fixtures whose name begins so must end with a fault.
const REFUSED: &str = "refused_";

impl Suite {
    /// Every outbound fixture is delivered, through requests that the manifest allows.
    pub fn outbound_fixtures(&self) {
        let cases = self.options.fixtures.outbound();
        let sends = self.connector.manifest().channels.values().any(|channel| !channel.sends.is_empty());
        assert!(!sends || !cases.is_empty(), "fixtures/outbound/ is empty");
        for (name, message) in cases {
            no_panic(&format!("outbound/{name}"), || {
                crate::rules::thread(self.connector.manifest(), &message.thread)
                    .unwrap_or_else(|rule| panic!("{rule}"));
                let run = self.deliver(message.clone());
                if name.starts_with(REFUSED) {
                    assert_ne!(run.fault().code, FaultCode::Bug, "{}", run.fault());
                } else {
                    run.delivered();
                    assert!(!run.requests.is_empty(), "nothing was sent");
                }
            });
        }
    }

    /// Every kind in every channel's `sends`: small ones arrive, large and odd ones arrive or are refused as
    /// the caller's mistake, and the end of a long text is not lost.
    pub fn declared_kinds(&self) {
        for (channel, spec) in &self.connector.manifest().channels {
            for kind in spec.sends.keys() {
                for size in SIZES {
                    let message = self.message(channel, samples::content(kind, size));
                    no_panic(&format!("{size:?} {kind} in channel {channel}"), || {
                        self.declared_kind(message, size)
                    });
                }
            }
        }
    }

    fn declared_kind(&self, message: OutboundMessage, size: Size) {
        let long_text =
            matches!(message.parts.first(), Some(Content::Text { .. } | Content::Markdown { .. }));
        let run = self.deliver(message);
        match &run.outcome {
            Ok(_) => {
                run.delivered();
                assert!(!run.requests.is_empty(), "nothing was sent");
            }
            Err(fault) => {
                let fair =
                    matches!(fault.code, FaultCode::BadInput | FaultCode::Unsupported | FaultCode::Rejected);
                assert!(fair && size != Size::Small, "{fault}");
                return;
            }
        }
        if long_text && size == Size::Large {
            let sent = run
                .requests
                .iter()
                .any(|request| matches!(&request.body, Payload::Text(text) if text.contains(END)));
            assert!(sent, "the end of the text was cut off");
        }
    }

    /// What the provider answers becomes the right fault, and a later attempt asks for the same call again.
    pub fn answers(&self) {
        let Some(message) = self.text_message() else { return };
        let first = |run: &Run| run.requests.first().cloned().unwrap_or_else(|| panic!("nothing was sent"));
        let expected = first(&self.deliver(message.clone()));
        for (name, answer, codes) in scripted() {
            no_panic(&format!("answer {name}"), || {
                let host = self.host();
                let ctx = self.ctx();
                let connector = self.connector();
                let failed = run(connector, &host, &ctx, Job::Deliver(message.clone()), |_| answer.clone());
                if name == "200 HTML" && self.options.any_success_body {
                    return;
                }
                let fault = failed.fault();
                assert_ne!(fault.code, FaultCode::Bug, "{fault}");
                assert!(
                    codes.is_empty() || codes.contains(&fault.code),
                    "gave {fault}, expected one of {codes:?}"
                );
                if name == "429" {
                    let wait = fault.retry_after_ms;
                    assert!(
                        wait.is_some_and(|wait| (7000..=8000).contains(&wait)),
                        "asked for 7 s, waits {wait:?}"
                    );
                }
                let again = run(connector, &host, &ctx, Job::Deliver(message.clone()), |request| {
                    self.success(request)
                });
                assert_eq!(first(&again), expected, "another attempt must ask for the same call");
                again.delivered();
                let memo = failed.memo.clone().unwrap_or_default();
                let asked = failed.requests.last().map(|request| HttpAnswer {
                    label: request.label.clone(),
                    outcome: self.success(request),
                });
                let resumed = resume(connector, &host, &ctx, &memo, asked.into_iter().collect(), |request| {
                    self.success(request)
                });
                resumed.delivered();
            });
        }
        for (name, answer) in self.options.fixtures.answers() {
            no_panic(&format!("answers/{name}"), || {
                let done =
                    run(self.connector(), &self.host(), &self.ctx(), Job::Deliver(message.clone()), |_| {
                        Ok(answer.clone())
                    });
                if let Err(fault) = done.outcome {
                    assert_ne!(fault.code, FaultCode::Bug, "{fault}");
                }
            });
        }
    }

    /// Actions, timers and memos that the connector does not know, and inputs that make no sense.
    pub fn unknown_jobs(&self) {
        let standard = [
            "noSuchAction",
            "startTypingIndicator",
            "stopTypingIndicator",
            "markAsRead",
            "addReaction",
            "removeReaction",
            "editMessage",
            "deleteMessage",
            "media",
        ];
        let declared = self.connector.manifest().actions.keys().map(String::as_str);
        for name in standard.into_iter().chain(declared) {
            for input in [
                json!({}),
                json!(null),
                json!([1]),
                json!("x"),
                json!({ "handle": 5, "reaction": [], "payload": null, "url": "x" }),
            ] {
                let thread = self.text_message().map(|message| message.thread);
                for thread in [None, thread] {
                    let call = ActionCall {
                        name: name.into(),
                        input: input.clone(),
                        thread,
                        message: None,
                        idempotency_key: "key-1".into(),
                    };
                    let case = format!("action {name} with {input}");
                    let run = no_panic(&case, || self.job(Job::Act(call)));
                    match run.outcome {
                        Ok(_) => assert_ne!(name, "noSuchAction", "an action that does not exist went well"),
                        Err(fault) => assert_ne!(fault.code, FaultCode::Bug, "{case}: {fault}"),
                    }
                }
            }
        }
        let tick = TimerTick { name: "no-such-timer".into(), due_at: 1 };
        no_panic("an unknown timer", || self.job(Job::Tick(tick))).fault();
        for memo in [&b""[..], b"{}", b"[1]", b"\xff\x00"] {
            let turn = no_panic("a foreign memo", || {
                self.connector().resume(&self.host(), &self.ctx(), memo, Vec::new())
            });
            let asks = turn.as_ref().is_ok_and(|turn| matches!(turn.next, Next::Ask(_)));
            assert!(!asks, "a foreign memo made the connector ask for requests");
        }
        for (name, job) in [("register", Job::Register), ("unregister", Job::Unregister)] {
            let run = no_panic(name, || self.job(job.clone()));
            run.outcome.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            for (answer_name, answer, _) in scripted() {
                no_panic(&format!("{name} answered by {answer_name}"), || {
                    run_with(self, job.clone(), &answer);
                });
            }
        }
    }

    fn deliver(&self, message: OutboundMessage) -> Run {
        self.job(Job::Deliver(message))
    }

    fn job(&self, job: Job) -> Run {
        run(self.connector(), &self.host(), &self.ctx(), job, |request| self.success(request))
    }

    /// A message of text: the first fixture that is one, or a made one where a channel sends text.
    fn text_message(&self) -> Option<OutboundMessage> {
        let is_text = |message: &OutboundMessage| matches!(message.parts.as_slice(), [Content::Text { .. }]);
        let fixture = self
            .options
            .fixtures
            .outbound()
            .into_iter()
            .find(|(name, message)| !name.starts_with(REFUSED) && is_text(message));
        fixture.map(|(_, message)| message).or_else(|| {
            let channels = &self.connector.manifest().channels;
            let (channel, _) = channels.iter().find(|(_, spec)| spec.sends.contains_key("text"))?;
            Some(self.message(channel, Content::text("Hello, Ada")))
        })
    }

    fn message(&self, channel: &str, content: Content) -> OutboundMessage {
        let like = self
            .options
            .fixtures
            .outbound()
            .into_iter()
            .map(|(_, message)| message)
            .find(|message| message.thread.channel == channel);
        let named =
            self.options.threads.iter().find(|(name, _)| name == channel).map(|(_, tags)| tags.clone());
        let identity = self
            .connector
            .manifest()
            .channels
            .get(channel)
            .map(|spec| spec.identity.clone())
            .unwrap_or_default();
        let tags: Tags = named
            .or_else(|| like.as_ref().map(|message| message.thread.tags.clone()))
            .unwrap_or_else(|| identity.iter().map(|name| (name.clone(), "1000001")).collect());
        let key = Thread::key_of(identity.iter().map(|name| tags.get(name).unwrap_or_default()));
        OutboundMessage {
            id: MessageId([9; 16]),
            thread: Thread { channel: channel.to_owned().into(), key, tags },
            recipient: like.as_ref().map_or_else(
                || Some(Party { id: "1000002".into(), ..Party::default() }),
                |message| message.recipient.clone(),
            ),
            parts: vec![content],
            reply_to: None,
            tags: like.map(|message| message.tags).unwrap_or_default(),
            attempt: 1,
        }
    }
}

fn run_with(suite: &Suite, job: Job, answer: &Answer) {
    let done = run(suite.connector(), &suite.host(), &suite.ctx(), job, |_| answer.clone());
    if let Err(fault) = done.outcome {
        assert_ne!(fault.code, FaultCode::Bug, "{fault}");
    }
}

/// Answers that any provider may give, with the faults that they must become; none named: any but `bug`.
fn scripted() -> Vec<(&'static str, Answer, &'static [FaultCode])> {
    use FaultCode::{RateLimited, Unavailable};
    let html = "<!doctype html><html><body><h1>It works</h1></body></html>";
    // The wait is said in all the usual places.
    let slow_down: Value = json!({
        "ok": false, "error": "ratelimited", "error_code": 429, "retry_after": 7,
        "description": "Too Many Requests: retry after 7", "parameters": { "retry_after": 7 },
    });
    let mut wait: InboundResponse = json_answer(429, slow_down);
    wait.headers.push(portico_contract::Field::new("retry-after", "7"));
    vec![
        ("429", Ok(wait), &[RateLimited]),
        ("500", Ok(json_answer(500, json!({}))), &[Unavailable]),
        ("502 HTML", Ok(text_answer(502, html)), &[Unavailable]),
        ("503 empty", Ok(text_answer(503, "")), &[Unavailable]),
        ("200 HTML", Ok(text_answer(200, html)), &[]),
        ("400 HTML", Ok(text_answer(400, html)), &[]),
        ("400", Ok(json_answer(400, json!({}))), &[]),
        ("401", Ok(json_answer(401, json!({ "error": "unauthorized" }))), &[]),
        ("403", Ok(json_answer(403, json!([]))), &[]),
        ("404", Ok(json_answer(404, json!(null))), &[]),
        ("an error above 8 KiB", Ok(json_answer(400, json!({ "error": "x".repeat(100_000) }))), &[]),
        ("301", Ok(text_answer(301, "")), &[]),
        ("no address", Err(TransportFailure::Unresolved), &[Unavailable]),
        ("no connection", Err(TransportFailure::Connect), &[Unavailable]),
        ("TLS", Err(TransportFailure::Tls), &[Unavailable]),
        ("timed out", Err(TransportFailure::TimedOut), &[Unavailable]),
        ("unknown result", Err(TransportFailure::UnknownResult), &[Unavailable]),
        ("denied", Err(TransportFailure::Denied), &[]),
        ("too large", Err(TransportFailure::TooLarge), &[]),
    ]
}
