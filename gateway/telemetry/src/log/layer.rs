//! From an event to its line.

use std::fmt::Debug;
use std::io::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::rate::RateLimit;
use super::{LogFormat, Out};
use crate::redact::{CUT, is_secret_name, redact};

/// Longest text of one field: a log is no place for documents.
const LONGEST: usize = 4096;

pub(super) struct LogLayer {
    format: LogFormat,
    out: Out,
    rate: RateLimit,
}

impl LogLayer {
    pub(super) fn new(format: LogFormat, out: Out) -> Self {
        Self { format, out, rate: RateLimit::new() }
    }
}

/// Fields in the order in which they were written; the message apart.
#[derive(Clone, Debug, Default)]
struct Gathered {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Gathered {
    fn put(&mut self, field: &Field, value: Value) {
        match self.fields.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, old)) => *old = value,
            None => self.fields.push((field.name(), value)),
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        if is_secret_name(field.name()) {
            return self.put(field, Value::from(CUT));
        }
        let text = redact(short(text));
        if field.name() == "message" {
            self.message = text.into_owned();
        } else {
            self.put(field, Value::from(text.into_owned()));
        }
    }
}

fn short(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

impl Visit for Gathered {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut gathered = Gathered::default();
        attributes.record(&mut gathered);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(gathered);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(gathered) = span.extensions_mut().get_mut::<Gathered>()
        {
            values.record(gathered);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let Some(left_out) = self.rate.pass(event.metadata().callsite()) else { return };
        let mut gathered = Gathered::default();
        event.record(&mut gathered);
        // What the spans around it know is part of the line; the event's own word wins.
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Gathered>() {
                for (name, value) in &outer.fields {
                    if gathered.fields.iter().all(|(known, _)| known != name) {
                        gathered.fields.push((name, value.clone()));
                    }
                }
            }
        }
        if left_out > 0 {
            gathered.fields.push(("lines_left_out", Value::from(left_out)));
        }
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let mut line = match self.format {
            LogFormat::Json => json(event.metadata(), now, gathered),
            LogFormat::Text => text(event.metadata(), &now, &gathered),
        };
        line.push('\n');
        // There is nobody to tell that the log can't be written.
        drop(self.out.lock().write_all(line.as_bytes()));
    }
}

fn json(metadata: &Metadata<'_>, now: String, gathered: Gathered) -> String {
    let mut line = Map::with_capacity(gathered.fields.len() + 4);
    line.insert("time".into(), now.into());
    line.insert("level".into(), metadata.level().as_str().to_ascii_lowercase().into());
    line.insert("target".into(), metadata.target().into());
    line.insert("message".into(), gathered.message.into());
    for (name, value) in gathered.fields {
        line.entry(name).or_insert(value);
    }
    Value::Object(line).to_string()
}

fn text(metadata: &Metadata<'_>, now: &str, gathered: &Gathered) -> String {
    let level = match *metadata.level() {
        Level::ERROR => "ERROR",
        Level::WARN => " WARN",
        Level::INFO => " INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    };
    let mut line = format!("{now} {level} {}: ", metadata.target());
    one_line(&mut line, &gathered.message);
    for (name, value) in &gathered.fields {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        match value {
            Value::String(text) if text.bytes().any(|byte| byte <= b' ' || byte == b'"' || byte == b'=') => {
                line.push_str(&value.to_string());
            }
            Value::String(text) => one_line(&mut line, text),
            other => line.push_str(&other.to_string()),
        }
    }
    line
}

/// A stranger's text must not look like a line of its own or steer a terminal.
fn one_line(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
}
