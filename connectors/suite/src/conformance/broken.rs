//! Genuine senders, broken bodies: a fault or an ordinary turn, never a panic and never an unusable event.

use bytes::Bytes;
use portico_contract::FaultCode;
use serde_json::{Value, json};

use super::{Suite, no_panic};
use crate::rules;
use crate::run::receive;
use crate::{InboundCase, TestHost};

const SAMPLES: usize = 40;
const MOST_PLACES: usize = 120;

impl Suite {
    /// Every inbound fixture with its body cut, altered, or replaced, and signed as such.
    pub fn broken_bodies(&self) {
        let host = self.host();
        for case in self.inbound_cases().iter().filter(|case| !case.request.body.is_empty()) {
            let body = &case.request.body;
            let step = (body.len() / SAMPLES).max(1);
            for at in (0..body.len()).step_by(step) {
                self.try_body(&host, case, &format!("cut at {at}"), body.slice(..at));
                let mut flipped = body.to_vec();
                if let Some(byte) = flipped.get_mut(at) {
                    *byte ^= 0x55;
                }
                self.try_body(&host, case, &format!("byte {at} changed"), flipped.into());
            }
            for (name, foreign) in foreign() {
                self.try_body(&host, case, name, foreign);
            }
            if let Ok(json) = serde_json::from_slice::<Value>(body) {
                self.other_values(&host, case, &json);
            }
        }
    }

    /// The same JSON with one value of another kind, or gone.
    fn other_values(&self, host: &TestHost, case: &InboundCase, json: &Value) {
        let mut places = Vec::new();
        collect(json, &mut String::new(), &mut places);
        let step = (places.len() / MOST_PLACES).max(1);
        let others = [
            json!(null),
            json!(""),
            json!([]),
            json!({}),
            json!(-1),
            json!(1e300),
            json!(true),
            json!("\u{0}👩‍👩‍👧"),
        ];
        for place in places.iter().step_by(step) {
            for other in &others {
                let mut changed = json.clone();
                if let Some(value) = changed.pointer_mut(place) {
                    *value = other.clone();
                }
                self.try_body(host, case, &format!("{place} is {other}"), changed.to_string().into());
            }
            let mut without = json.clone();
            if let Some((parent, name)) = place.rsplit_once('/')
                && let Some(Value::Object(fields)) = without.pointer_mut(parent)
            {
                fields.remove(&name.replace("~1", "/").replace("~0", "~"));
                self.try_body(host, case, &format!("{place} is gone"), without.to_string().into());
            }
        }
    }

    fn try_body(&self, host: &TestHost, case: &InboundCase, what: &str, body: Bytes) {
        let name = format!("inbound/{} with {what}", case.name);
        no_panic(&name, || {
            let mut request = case.request.clone();
            request.body = body;
            let request = self.signed(host, request);
            match receive(self.connector(), host, &self.ctx(), &request) {
                Ok(turn) => {
                    rules::effects(host.manifest(), &turn.effects).unwrap_or_else(|rule| panic!("{rule}"))
                }
                Err(fault) => assert_ne!(fault.code, FaultCode::Bug, "{fault}"),
            }
        });
    }
}

fn foreign() -> Vec<(&'static str, Bytes)> {
    vec![
        ("an empty body", Bytes::new()),
        ("bytes that are no UTF-8", Bytes::from_static(b"\xff\xfe{\x00\"\x80\"}")),
        ("deep nesting", "[".repeat(100_000).into()),
        ("deep objects", "{\"a\":".repeat(20_000).into()),
        ("HTML", Bytes::from_static(b"<!doctype html><title>x</title>")),
        ("a list", Bytes::from_static(b"[]")),
        ("null", Bytes::from_static(b"null")),
        ("an empty object", Bytes::from_static(b"{}")),
        ("a number too large", Bytes::from_static(b"{\"id\":1e999}")),
        ("a lone surrogate", Bytes::from_static(b"{\"text\":\"\\ud800\"}")),
        ("a byte order mark", Bytes::from_static(b"\xef\xbb\xbf{}")),
        ("a form", Bytes::from_static(b"payload=%7B%22type%22%3A%22x%22%7D&a=%zz")),
    ]
}

/// JSON pointers of every value below the root.
fn collect(value: &Value, place: &mut String, found: &mut Vec<String>) {
    let mut visit = |name: &str, value: &Value| {
        let length = place.len();
        place.push('/');
        place.push_str(name);
        found.push(place.clone());
        collect(value, place, found);
        place.truncate(length);
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| visit(&name.replace('~', "~0").replace('/', "~1"), value));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| visit(&index.to_string(), value))
        }
        _ => {}
    }
}
