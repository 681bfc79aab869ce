//! The way out: messages that a bot creates, up to the 2xx that says they are kept; and how long a connector takes
//! for the provider's call.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::ingest::{answers, is_commit};
use super::limits::{Bare, CONNECTIONS};
use crate::bench::Bench;
use crate::caller::{Call, call};
use crate::child;
use crate::core::NullCore;
use crate::machine::{Strangers, wait_quiet};
use crate::portico::{Setup, provider_stub};
use crate::report::Must;

/// What the first bot presents.
fn token() -> String {
    format!("bench-token-{:032}", 0)
}

/// Conversations that are written to. The provider's pace stands against one of them, so there are many.
const CONVERSATIONS: usize = 512;

/// Measures the outbox and rendering.
pub(crate) fn outbox(bench: &mut Bench) -> Result<()> {
    accepted(bench)?;
    rendered(bench)
}

fn request(path: &str, body: &Value, out: &mut Vec<u8>) {
    let (token, body) = (token(), body.to_string());
    // Writing to memory can't fail.
    let _fits = write!(
        out,
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\nx-bot-id: bench-0\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}

/// A direct message with somebody at the provider: its conversation's id.
fn conversation(stream: &mut TcpStream, number: usize) -> Result<String> {
    let body = json!({ "channel": "dm", "integrationName": "slack", "tags": { "slack:id": format!("D{number:08}") } });
    let mut out = Vec::new();
    request("/v1/chat/conversations/get-or-create", &body, &mut out);
    stream.write_all(&out)?;
    let (mut text, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let got = stream.read(&mut piece)?;
        text.extend_from_slice(piece.get(..got).unwrap_or_default());
        match crate::wire::whole(&text)? {
            Some(whole) => {
                let body = text.get(whole.body..whole.end).unwrap_or_default();
                let answer: Value = serde_json::from_slice(body)?;
                let id = answer["conversation"]["id"].as_str().map(str::to_owned);
                return id.with_context(|| format!("no conversation was made: {} {answer}", whole.status));
            }
            None if got == 0 => bail!("the server closed"),
            None => {}
        }
    }
}

fn conversations(address: SocketAddr) -> Result<Vec<String>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    (0..CONVERSATIONS).map(|number| conversation(&mut stream, number)).collect()
}

fn accepted(bench: &mut Bench) -> Result<()> {
    let core = NullCore::start(bench.plan.core)?;
    let provider = provider_stub(bench.plan.core)?;
    let mut bare = Bare::start(bench)?;
    let (mut rates, mut path, mut commit, mut cost) = (vec![], vec![], vec![], vec![]);
    for round in 1..=bench.rounds {
        bench.say(&format!("outbox, round {round} of {}", bench.rounds));
        // A new one each time: a conversation's outbox is full after some hundreds.
        let setup = Setup {
            folder: bench.folder("outbox")?,
            cores: vec![core.address()],
            provider: provider.address(),
            more: "[limits.api]\nrate = \"1000000/s burst 1000000\"\n[limits.lane]\noutbox = 100000".into(),
        };
        let portico = setup.start(bench.plan.server)?;
        let ours = [portico.id(), bare.id()];
        wait_quiet(&ours, bench.patient);
        let strangers = Strangers::begin(&ours);
        let (r0, _, _, _) = bare.closed(bench)?;
        let ids = conversations(portico.address)?;
        let mut number = 0;
        let plan = Call {
            pid: portico.id(),
            address: portico.address,
            tls: None,
            connections: CONNECTIONS,
            warm: bench.warm,
            window: bench.window,
        };
        let text = "x".repeat(600);
        let found = call(&plan, move |_, out| {
            number += 1;
            let body = json!({
                "conversationId": ids.get(number % ids.len()), "userId": "bench-0", "type": "text",
                "payload": { "text": format!("{number} {text}") }, "tags": {},
            });
            request("/v1/chat/messages", &body, out);
        })?;
        found.all_good()?;
        let cores = strangers.cores();
        bench.report.strangers(cores);
        let each = |nanos: u64| nanos as f64 / found.requests() as f64 / 1e3;
        rates.push(found.good() as f64 / found.seconds);
        path.push(each(found.spent.named(answers)) / r0);
        commit.push(each(found.spent.named(is_commit)) / r0);
        cost.push(each(found.spent.total()));
    }
    let (s, report) = ("outbox", &mut bench.report);
    report.speed(s, "messages accepted, synced, 64 connections", "messages/s", &rates, Must::Nothing);
    report.cost(s, "up to the 2xx, edge and commit threads ÷ R0", "×", &path, Must::Nothing);
    report.cost(s, "of it the commit thread ÷ R0", "×", &commit, Must::AtMost(0.55));
    report.cost(s, "whole process, index and paced sending too", "µs CPU/message", &cost, Must::Nothing);
    Ok(())
}

fn rendered(bench: &mut Bench) -> Result<()> {
    let mut rounds: [Vec<f64>; 3] = Default::default();
    let providers = ["slack", "telegram", "whatsapp"];
    for _ in 0..bench.rounds {
        let result = child::outcome("render", &[], bench.plan.server)?;
        for (name, column) in providers.iter().zip(&mut rounds) {
            column.push(result[name].as_f64().unwrap_or(f64::NAN));
        }
    }
    for (name, column) in providers.iter().zip(&rounds) {
        let title = format!("render a text and build the call, {name}");
        bench.report.cost("outbox", &title, "µs CPU", column, Must::AtMost(5.0));
    }
    Ok(())
}
