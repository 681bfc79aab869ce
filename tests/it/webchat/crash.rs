//! Crashes and ends of the gateway under visitors who talk: what was acknowledged is kept, and everybody comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::stage::{OPEN, PAGE, Stage};
use super::visitor::{Came, Visitor};
use crate::scene::SOON;

/// Visitors, what each says, and crashes meanwhile.
const VISITORS: usize = 6;
const EACH: usize = 40;
const CRASHES: usize = 3;

/// A visitor's program as the protocol wants it: one message on its way, said again until it is acknowledged.
struct Talker {
    port: u16,
    token: Option<String>,
    conversation: Option<String>,
    /// Acks by client id: message and number.
    acked: Vec<(String, Value, Value)>,
    /// Items that came, by number.
    items: BTreeMap<u64, Value>,
    /// Items that came again within one connection.
    doubled: usize,
    connections: usize,
}

impl Talker {
    fn new(port: u16) -> Self {
        let (acked, items) = (Vec::new(), BTreeMap::new());
        Self { port, token: None, conversation: None, acked, items, doubled: 0, connections: 0 }
    }

    /// The highest number up to which everything came.
    fn cursor(&self) -> u64 {
        let acked = self.acked.iter().filter_map(|(_, _, seq)| seq.as_u64());
        let mut all: Vec<u64> = self.items.keys().copied().chain(acked).collect();
        all.sort_unstable();
        all.dedup();
        all.iter().zip(1..).take_while(|(seq, place)| **seq == *place).count() as u64
    }

    /// What did not come, in words.
    fn missing(&self) -> String {
        let texts = |from: &str| -> Vec<&str> {
            self.items
                .values()
                .filter(|item| item["from"] == from)
                .filter_map(|item| item["text"].as_str())
                .collect()
        };
        let delivered = self.items.values().filter(|item| item["status"] == "delivered").count();
        let seqs = || self.items.keys().copied();
        format!(
            "{} acknowledged, {delivered} delivered, answers {:?}, numbers {:?} to {:?}, seen without a gap {}",
            self.acked.len(),
            texts("bot"),
            seqs().next(),
            seqs().last(),
            self.cursor(),
        )
    }

    /// Whether each message was acknowledged, taken by the core and answered.
    fn has_everything(&self) -> bool {
        let is_delivered =
            |id: &Value| self.items.values().any(|item| item["id"] == *id && item["status"] == "delivered");
        let answers = self.items.values().filter(|item| item["from"] == "bot").count();
        answers == EACH && self.acked.iter().all(|(_, mid, _)| is_delivered(mid))
    }

    /// Connects until it is welcome.
    async fn connect(&mut self) -> Visitor {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let Ok(mut visitor) = Visitor::connect(self.port, Some(PAGE)).await else { continue };
            let mut hello = json!({});
            if let Some(token) = &self.token {
                hello["tok"] = token.as_str().into();
            }
            if let Some(conversation) = &self.conversation {
                hello["cur"] = json!({ conversation: self.cursor() });
            }
            match visitor.greet(hello).await {
                Came::Frame(frame) if frame["t"] == "welcome" => {
                    self.connections += 1;
                    self.token = frame["tok"].as_str().map(str::to_owned).or(self.token.take());
                    return visitor;
                }
                Came::Frame(frame) => panic!("not welcome: {frame}"),
                Came::End(_) => {}
            }
        }
    }

    fn note(&mut self, item: &Value) {
        let seq = item["seq"].as_u64().unwrap();
        let known = self.items.insert(seq, item["data"].clone());
        self.doubled += usize::from(known.is_some());
    }

    /// Says everything; `said` counts what was acknowledged.
    async fn talk(mut self, name: usize, said: Arc<AtomicUsize>) -> Self {
        let mut visitor = self.connect().await;
        for number in 0..EACH {
            let id = format!("visitor-{name}-{number}");
            let ack = self.say(&mut visitor, &id, &format!("{name} #{number}")).await;
            said.fetch_add(1, Ordering::Relaxed);
            if self.conversation.is_none() {
                self.conversation = ack["conv"].as_str().map(str::to_owned);
            }
            self.acked.push((id.clone(), ack["mid"].clone(), ack["seq"].clone()));
            if number % 5 == 4 {
                // A repeat, as after an ack that never came.
                let again = self.say(&mut visitor, &id, &format!("{name} #{number}")).await;
                for field in ["mid", "seq", "conv", "ts"] {
                    assert_eq!(again[field], ack[field], "{field} of a repeat");
                }
            }
        }
        self
    }

    async fn say(&mut self, visitor: &mut Visitor, id: &str, text: &str) -> Value {
        loop {
            let mut frame = json!({ "t": "send", "id": id, "msg": { "type": "text", "text": text } });
            if let Some(conversation) = &self.conversation {
                frame["conv"] = conversation.as_str().into();
            }
            visitor.send(frame).await;
            loop {
                match visitor.next().await {
                    Came::Frame(frame) if frame["t"] == "ack" && frame["id"] == id => return frame,
                    Came::Frame(frame) if frame["t"] == "nack" => panic!("{frame}"),
                    Came::Frame(frame) if frame["t"] == "ev" => self.note(&frame),
                    Came::Frame(_) => {}
                    Came::End(_) => {
                        *visitor = self.connect().await;
                        break;
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once_and_in_order_after_each_crash() {
    let mut stage = Stage::set(OPEN).await;
    let said = Arc::new(AtomicUsize::new(0));
    let talkers: Vec<_> = (0..VISITORS)
        .map(|name| tokio::spawn(Talker::new(stage.gateway.spec.ports.0).talk(name, said.clone())))
        .collect();
    for crash in 1..=CRASHES {
        while said.load(Ordering::Relaxed) < crash * VISITORS * EACH / (CRASHES + 1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stage = stage.crash().await;
    }
    for (name, talker) in talkers.into_iter().enumerate() {
        let mut talker = talker.await.unwrap();
        assert!(talker.connections > 1, "no crash was noticed");
        let conversation = talker.conversation.clone().unwrap();
        let mut visitor = talker.connect().await;
        // An own message, how far it got, and an answer, for each.
        while !talker.has_everything() {
            let item = tokio::time::timeout(SOON / 2, visitor.item(|_| true)).await;
            let item = item.unwrap_or_else(|_| panic!("{}\n{}", talker.missing(), stage.log()));
            talker.note(&item);
        }
        assert_eq!(talker.doubled, 0, "items came twice");
        let wanted: Vec<String> = (0..EACH).map(|number| format!("{name} #{number}")).collect();
        let rows = stage.stored(&conversation).await;
        let of = |direction: &str| -> Vec<String> {
            rows.iter().filter(|row| row.0 == direction).map(|row| row.1.clone()).collect()
        };
        assert_eq!(of("incoming"), wanted, "{}", stage.log());
        assert_eq!(of("outgoing"), wanted, "{}", stage.log());

        // Somebody who has seen nothing gets all numbers from 1 on, and no other.
        let token = talker.token.clone().unwrap();
        let (mut anew, welcome) = stage.hello(json!({ "tok": token, "cur": { &conversation: 0 } })).await;
        let last = welcome["cur"][&conversation].as_u64().unwrap();
        // Whether the core took something may be learnt once more after a crash; nothing else is.
        let (caused, again) = (3 * EACH as u64, 2 * CRASHES as u64);
        assert!((caused..=caused + again).contains(&last), "{caused} items were caused, there are {last}");
        let (mut messages, mut answers) = (BTreeMap::new(), 0);
        for seq in 1..=last {
            let item = anew.item(|_| true).await;
            assert_eq!(item["seq"], seq, "a gap");
            match item["data"]["from"].as_str() {
                Some("user") => {
                    let doubled = messages.insert(item["data"]["cid"].as_str().unwrap().to_owned(), item);
                    assert_eq!(doubled, None, "a message twice");
                }
                Some(_) => answers += 1,
                None => assert_eq!(
                    (&item["kind"], &item["data"]["status"]),
                    (&json!("status"), &json!("delivered"))
                ),
            }
        }
        assert_eq!((messages.len(), answers), (EACH, EACH));
        for (id, mid, seq) in &talker.acked {
            let item = &messages[id];
            assert_eq!((&item["data"]["id"], &item["seq"]), (mid, seq), "{id}");
        }
    }
    assert!(stage.core.inversions().is_empty(), "{:?}", stage.core.inversions());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_ends_in_order_says_so_and_everybody_comes_back_to_where_they_were() {
    let stage = Stage::set(OPEN).await;
    let (mut visitor, token, conversation) = stage.talking().await;
    let (mut stranger, _) = stage.hello(json!({})).await;
    let port = stage.gateway.spec.ports.0;
    let mut silent = stage.connect().await;
    let stop = stage.gateway.stop(Duration::from_secs(25));
    let ends = async {
        let mut retries = Vec::new();
        for one in [&mut visitor, &mut stranger, &mut silent] {
            let (frames, code) = one.read_out().await;
            assert_eq!(code, 1012);
            let bye = frames.last().unwrap();
            assert_eq!((&bye["t"], &bye["code"]), (&json!("bye"), &json!("deploy")), "{frames:?}");
            let retry = bye["retry"].as_u64().unwrap();
            assert!((1..=5000).contains(&retry), "{bye}");
            retries.push(retry);
        }
        retries
    };
    let (spec, retries) = tokio::join!(stop, ends);
    let spec = spec.unwrap();
    assert!(retries.iter().any(|one| *one != retries[0]), "everybody at the same moment: {retries:?}");
    assert!(spec.log().contains("ended in order"), "{}", spec.log());
    let gateway = spec.start().await.unwrap();
    assert_eq!(gateway.spec.ports.0, port);
    let mut back = Visitor::connect(port, Some(PAGE)).await.unwrap();
    let welcome = back.hello(json!({ "tok": token, "cur": { &conversation: 0 } })).await;
    assert_eq!(welcome["conv"], conversation.as_str());
    assert_eq!(back.item(|_| true).await["data"]["text"], "hi");
    back.says("second-message", Some(&conversation), "again").await;
    back.item(|item| item["data"]["from"] == "bot" && item["data"]["text"] == "again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_conversations_and_files_are_what_they_were_after_a_crash() {
    let stage = Stage::set(OPEN).await;
    let (_, token, conversation) = stage.talking().await;
    let before = stage.page(Method::GET, "/v1/conversations", &token, None).await.json();
    let stage = stage.crash().await;
    let after = stage.page(Method::GET, "/v1/conversations", &token, None).await.json();
    assert_eq!(before["conversations"][0]["id"], conversation.as_str());
    assert_eq!(before["conversations"][0]["last"]["id"], after["conversations"][0]["last"]["id"]);
    // The same first message once more, without a conversation: nothing new comes of it.
    let (mut visitor, welcome) = stage.hello(json!({ "tok": token })).await;
    assert_eq!(welcome["conv"], conversation.as_str());
    let again = visitor.says("first-message", None, "hi").await;
    assert_eq!((&again["conv"], &again["seq"]), (&json!(conversation), &json!(1)));
    assert_eq!(stage.stored(&conversation).await.len(), 2);
}
