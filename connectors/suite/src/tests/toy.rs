//! A small connector that keeps every rule but the one it is told to break.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use portico_contract::{
    ActionCall, Connector, Content, Context, CustomEvent, Delivered, Event, Fault, FaultCode, Field, Host,
    HttpAnswer, InboundMessage, InboundRequest, Manifest, Next, OutboundMessage, OutboundRequest, Outcome,
    Party, Payload, Slot, Tags, Thread, Turn,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sin {
    None,
    NoDescription,
    SecretWithoutUse,
    UnstableId,
    WrongKey,
    UndeclaredTag,
    UndeclaredEvent,
    NotPure,
    NoVerify,
    PanicsOnShort,
    WrongHost,
    MarkerTwice,
    UndeclaredSecret,
    HandmadeJson,
    CutsText,
    BelievesHtml,
    IgnoresWait,
    LargeDetail,
    AnyAction,
}

pub(super) struct Toy {
    manifest: Manifest,
    sin: Sin,
    calls: AtomicU32,
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    chat: String,
    from: String,
    text: String,
}

pub(super) fn manifest(sin: Sin) -> Manifest {
    let described = if sin == Sin::NoDescription { "" } else { "Replaces the provider's address." };
    let uses = if sin == Sin::SecretWithoutUse { json!(["match"]) } else { json!(["mac"]) };
    let manifest = json!({
        "manifest": 1, "name": "toy", "version": "0.1.0", "title": "Toy", "description": "A toy.",
        "configuration": { "schema": { "type": "object", "properties": { "api_url": { "type": "string", "description": described } } } },
        "secrets": [
            { "name": "token", "title": "Token", "use": ["slot"], "hosts": ["api.toy.example"] },
            { "name": "signing", "title": "Key", "use": uses },
        ],
        "permissions": { "hosts": ["api.toy.example"] },
        "webhook": { "methods": ["POST"], "checks": [{
            "name": "signed", "type": "hmac-sha256", "secret": "signing", "header": "x-toy-signature", "prefix": "v0=",
            "encoding": "hex", "over": "v0:{header:x-toy-time}:{body}",
            "timestamp": { "header": "x-toy-time", "tolerance_s": 300 }, "required": sin != Sin::NoVerify,
        }] },
        "channels": { "dm": { "title": "DM", "receives": ["text"], "sends": { "text": {} }, "tags": ["chat"], "identity": ["chat"] } },
    });
    serde_json::from_value(manifest).unwrap()
}

impl Toy {
    pub(super) fn connector(sin: Sin) -> Arc<dyn Connector> {
        Arc::new(Self { manifest: manifest(sin), sin, calls: AtomicU32::new(0) })
    }

    fn event(&self, host: &dyn Host, wire: Wire) -> Event {
        if self.sin == Sin::UndeclaredEvent {
            return Event::Custom(CustomEvent {
                name: "surprise".into(),
                external_id: None,
                thread: None,
                author: None,
                message: None,
                data: Value::Null,
            });
        }
        let mut tags = Tags::new().with("chat", wire.chat);
        if self.sin == Sin::UndeclaredTag {
            tags.set("colour", "red");
        }
        let mut thread = Thread::new("dm", &["chat"], tags);
        if self.sin == Sin::WrongKey {
            thread.key.push('x');
        }
        let external_id = match self.sin {
            Sin::UnstableId => format!("{:?}", host.entropy(4)),
            Sin::NotPure => self.calls.fetch_add(1, Ordering::Relaxed).to_string(),
            _ => wire.id,
        };
        Event::Message(InboundMessage {
            external_id,
            dedupe: None,
            thread,
            author: Party { id: wire.from, ..Party::default() },
            sent_at: 1,
            content: Content::text(wire.text),
            reply_to: None,
            tags: Tags::new(),
        })
    }

    fn body(&self, text: &str) -> String {
        match self.sin {
            Sin::HandmadeJson => format!("{{\"text\":\"{text}\"}}"),
            Sin::CutsText => json!({ "text": text.chars().take(100).collect::<String>() }).to_string(),
            _ => json!({ "text": text }).to_string(),
        }
    }
}

impl Connector for Toy {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn register(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }

    fn unregister(&self, _: &dyn Host, _: &Context) -> Result<Turn, Fault> {
        Ok(Turn::done(Outcome::Nothing))
    }

    fn webhook(&self, host: &dyn Host, _: &Context, request: &InboundRequest) -> Result<Turn, Fault> {
        if self.sin != Sin::NoVerify {
            request.verified_by("signed")?;
        }
        assert!(self.sin != Sin::PanicsOnShort || request.body.len() > 5, "too short");
        let unreadable = |reason: String| Fault::new(FaultCode::Unreadable, reason);
        let wire: Wire =
            serde_json::from_slice(&request.body).map_err(|error| unreadable(error.to_string()))?;
        if [&wire.id, &wire.chat, &wire.from].iter().any(|text| text.is_empty()) {
            return Err(unreadable("an id is empty".into()));
        }
        Ok(Turn::emit([self.event(host, wire)]))
    }

    fn deliver(&self, _: &dyn Host, _: &Context, message: OutboundMessage) -> Result<Turn, Fault> {
        let Some(Content::Text { text, .. }) = message.parts.first() else {
            return Err(Fault::new(FaultCode::Unsupported, "only texts"));
        };
        let host = if self.sin == Sin::WrongHost { "evil.example" } else { "api.toy.example" };
        let mut request = OutboundRequest::json("send", format!("https://{host}/send"), &json!(null));
        request.body = Payload::Text(self.body(text));
        if self.sin == Sin::MarkerTwice {
            request.headers.push(Field::new("x-again", "{bearer}"));
        }
        let secret = if self.sin == Sin::UndeclaredSecret { "other" } else { "token" };
        request.headers.push(Slot::bearer_header());
        Ok(Turn::ask(vec![request.slot(Slot::bearer(secret))], "deliver"))
    }

    fn act(&self, _: &dyn Host, _: &Context, _: ActionCall) -> Result<Turn, Fault> {
        if self.sin == Sin::AnyAction {
            return Ok(Turn::done(Outcome::Output(json!({}))));
        }
        Err(Fault::new(FaultCode::Unsupported, "no actions"))
    }

    fn resume(
        &self,
        _: &dyn Host,
        _: &Context,
        memo: &[u8],
        answers: Vec<HttpAnswer>,
    ) -> Result<Turn, Fault> {
        let (b"deliver", Some(answer)) = (memo, answers.first()) else {
            return Err(Fault::new(FaultCode::Bug, "foreign memo"));
        };
        let response = answer
            .outcome
            .as_ref()
            .map_err(|failure| Fault::new(FaultCode::Unavailable, failure.to_string()))?;
        let json: Option<Value> = serde_json::from_slice(response.bytes()).ok();
        if response.is_success() {
            let id = json.as_ref().and_then(|json| json["id"].as_str());
            let id = id.or((self.sin == Sin::BelievesHtml).then_some("?"));
            let id = id.ok_or_else(|| Fault::new(FaultCode::Rejected, "the answer has no id"))?;
            let delivered = Delivered { external_ids: vec![id.to_owned()], tags: Tags::new() };
            return Ok(Turn {
                effects: Vec::new(),
                reply: None,
                next: Next::Done(Outcome::Delivered(delivered)),
            });
        }
        let code = match response.status {
            429 => FaultCode::RateLimited,
            500.. => FaultCode::Unavailable,
            _ => FaultCode::Rejected,
        };
        let mut fault = Fault::new(code, format!("status {}", response.status));
        if let (429, true) = (response.status, self.sin != Sin::IgnoresWait) {
            fault = fault.retry_after_ms(7000);
        }
        match json.filter(|json| self.sin == Sin::LargeDetail || json.to_string().len() < 1000) {
            Some(json) => Err(fault.detail(json)),
            None => Err(fault),
        }
    }
}
