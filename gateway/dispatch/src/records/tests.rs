//! Rows of every kind of event, and that doing it twice changes nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use portico_contract::{
    BotId, Content, ConversationId, CustomEvent, Deletion, Edit, Event, EventId, IdentityChange,
    InboundMessage, InstallationId, Media, MessageId, Millis, Party, Reaction, Receipt, ReceiptStage, Tags,
    Thread, UserId,
};
use portico_lanes::Carried;
use portico_store::records::{
    DeliveryStatus, Direction, GatewayEvent, Known, Message, MessageDelivery, Records, TagMap,
};
use portico_store::{Commit, Entry, EventKind, EventOutcome, Lane, Store, StoredEvent};
use serde_json::{Value, json};

use super::{Prepared, RecordFault, Scene, Subject, prepare};
use crate::tests::Links;

struct Bench {
    records: Records,
    bot: BotId,
    installation: InstallationId,
    bot_user: AtomicBool,
}

const AT: Millis = 1_750_000_000_000;

impl Bench {
    fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(crate::tests::store());
        let bot = BotId::parse("support").unwrap();
        Self {
            records: Records::of(store, bot.clone()),
            installation: InstallationId::parse("shop").unwrap(),
            bot,
            bot_user: AtomicBool::new(false),
        }
    }

    fn entry(&self, kind: EventKind, body: Bytes) -> Entry {
        let event = StoredEvent {
            id: EventId::new(),
            bot: self.bot.clone(),
            installation: self.installation.clone(),
            kind,
            received_at: AT,
            lane: Lane::inbound(ConversationId([0; 16])),
            seq: 1,
            body,
            raw: Bytes::new(),
            raw_of: None,
            outcome: EventOutcome::Pending,
        };
        Entry { seq: 1, replay: false, attempts: 0, fresh: false, event }
    }

    fn told(&self, event: &Event) -> Entry {
        self.entry(EventKind::Connector, serde_json::to_vec(event).unwrap().into())
    }

    async fn run(&self, entry: &Entry) -> Result<Prepared, RecordFault> {
        let scene = Scene {
            records: &self.records,
            known: &Known::default(),
            alias: "slack",
            entry,
            media: &Links,
            bot_user: &self.bot_user,
            carried: &Carried::default(),
            fresh: entry.fresh,
        };
        prepare(&scene).await
    }

    async fn subject(&self, event: &Event) -> Subject {
        subject(self.run(&self.told(event)).await)
    }

    fn conversation_id(&self, key: &str) -> ConversationId {
        ConversationId::of_thread(&self.bot, &self.installation, "dm", key)
    }

    /// A message that the bot sent, as the outbox leaves it.
    async fn sent(&self, external: &str) -> MessageId {
        let id = MessageId::new();
        let row = Message {
            id,
            conversation: self.conversation_id("D1"),
            user: UserId::of_bot(&self.bot),
            direction: Direction::Outgoing,
            kind: "text".into(),
            payload: json!({ "text": "hello" }),
            tags: TagMap::new(),
            delivery: Some(MessageDelivery {
                status: DeliveryStatus::Sent,
                at: AT,
                reason: None,
                external_ids: vec![external.into()],
                possible_duplicate: true,
            }),
            origin: None,
            created_at: AT,
            updated_at: AT,
        };
        let mut changes = self.records.message_changes(None, &row);
        changes.push(self.records.external_change(&self.installation, external, id));
        self.records.store().commit(Commit::of(changes)).await.unwrap();
        id
    }
}

fn subject(prepared: Result<Prepared, RecordFault>) -> Subject {
    match prepared {
        Ok(Prepared::Offer(subject)) => *subject,
        other => panic!("not offered: {other:?}"),
    }
}

fn thread(key: &str) -> Thread {
    Thread::new("dm", &["id"], Tags::new().with("id", key))
}

fn party(id: &str) -> Party {
    Party { id: id.into(), name: Some("Ada".into()), ..Party::default() }
}

fn message(external: &str, content: Content) -> Event {
    Event::Message(InboundMessage {
        external_id: external.into(),
        dedupe: None,
        thread: thread("D1"),
        author: party("U1"),
        sent_at: AT,
        content,
        reply_to: None,
        tags: Tags::new().with("ts", external),
    })
}

fn receipt(external: &str, stage: ReceiptStage, at: Millis) -> Event {
    let reason = (stage == ReceiptStage::Failed).then(|| "131047: closed".to_owned());
    Event::Receipt(Receipt { external_id: external.into(), thread: Some(thread("D1")), stage, at, reason })
}

#[tokio::test]
async fn a_message_makes_all_its_rows_once() {
    let bench = Bench::new();
    let entry = bench.told(&message("m1", Content::text("hi")));
    for _ in 0..3 {
        let told = subject(bench.run(&entry).await);
        assert_eq!(told.kind, "message_created");
        assert_eq!(told.message.unwrap().id, MessageId::of_event(entry.event.id));
        assert_eq!(told.payload, Value::Null);
    }
    let conversation = bench.records.conversation(bench.conversation_id("D1")).await.unwrap().unwrap().value;
    assert_eq!(conversation.message_count, 1);
    assert_eq!((conversation.channel.as_str(), conversation.integration.as_str()), ("dm", "slack"));
    assert_eq!(conversation.tags, TagMap::from([("slack:id".into(), "D1".into())]));
    let user = UserId::of_party(&bench.bot, &bench.installation, "U1");
    assert_eq!(conversation.recipient, Some(user.clone()));
    let row = bench.records.user(&user).await.unwrap().unwrap().value;
    assert_eq!((row.name.as_deref(), row.party.as_deref()), (Some("Ada"), Some("U1")));
    assert_eq!(row.tags, TagMap::from([("slack:id".into(), "U1".into())]));
    assert!(bench.records.is_participant(conversation.id, &user).await.unwrap());
    assert!(bench.records.user(&UserId::of_bot(&bench.bot)).await.unwrap().is_some());
    let known = bench.records.message_of_external(&bench.installation, "m1").await.unwrap().unwrap().value;
    assert_eq!(known.direction, Direction::Incoming);
    assert_eq!(known.tags, TagMap::from([("slack:ts".into(), "m1".into())]));

    let other = bench.subject(&message("m2", Content::text("more"))).await;
    assert_eq!(other.conversation.unwrap().message_count, 2);
}

#[tokio::test]
async fn an_event_that_nobody_has_seen_makes_the_same_rows_unasked() {
    let (asked, unasked) = (Bench::new(), Bench::new());
    for number in 0..3 {
        let entry = asked.told(&message(&format!("m{number}"), Content::text("x")));
        let known = subject(asked.run(&entry).await);
        let fresh = subject(unasked.run(&Entry { fresh: true, ..entry }).await);
        assert_eq!((known.conversation, known.user), (fresh.conversation, fresh.user));
        let id = fresh.message.as_ref().unwrap().id;
        assert_eq!(known.message, fresh.message);
        let rows = (asked.records.message(id).await.unwrap(), unasked.records.message(id).await.unwrap());
        assert_eq!(rows.0.unwrap().value, rows.1.unwrap().value);
    }
}

#[tokio::test]
async fn messages_of_one_conversation_at_once_are_all_counted() {
    let bench = Arc::new(Bench::new());
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let bench = bench.clone();
            tokio::spawn(
                async move { bench.subject(&message(&format!("m{number}"), Content::text("x"))).await },
            )
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let row = bench.records.conversation(bench.conversation_id("D1")).await.unwrap().unwrap();
    assert_eq!(row.value.message_count, 12);
}

#[tokio::test]
async fn a_person_is_kept_up_to_date_and_a_second_one_makes_it_a_group() {
    let bench = Bench::new();
    bench.subject(&message("m1", Content::text("x"))).await;
    let Event::Message(mut second) = message("m2", Content::text("x")) else { unreachable!() };
    second.author = Party {
        name: Some("Ada L".into()),
        picture_url: Some("https://p".into()),
        tags: Tags::new().with("locale", "en"),
        ..party("U1")
    };
    let told = bench.subject(&Event::Message(second)).await.user.unwrap();
    assert_eq!((told.name.as_deref(), told.picture_url.as_deref()), (Some("Ada L"), Some("https://p")));
    assert_eq!(told.tags["slack:locale"], "en");
    let Event::Message(mut third) = message("m3", Content::text("x")) else { unreachable!() };
    third.author = party("U2");
    assert_eq!(bench.subject(&Event::Message(third)).await.conversation.unwrap().recipient, None);
}

#[tokio::test]
async fn media_get_an_address_that_a_bot_can_open() {
    let bench = Bench::new();
    let image = Media { mime_type: Some("image/png".into()), ..Media::held("h1") };
    let told = bench.subject(&message("m1", Content::Bloc { items: vec![Content::Image(image)] })).await;
    let address = told.message.unwrap().payload.pointer("/items/0/payload/imageUrl").cloned();
    assert_eq!(address, Some("https://media/shop/h1?image/png".into()));
    let custom = Content::Custom { kind: "sticker".into(), data: json!({ "url": "portico-media:h2" }) };
    let told = bench.subject(&message("m2", custom)).await;
    assert_eq!(told.message.unwrap().payload["url"], "https://media/shop/h2?");
}

#[tokio::test]
async fn answers_name_the_message_that_they_answer() {
    let bench = Bench::new();
    let first = bench.subject(&message("m1", Content::text("x"))).await.message.unwrap().id;
    let Event::Message(mut answer) = message("m2", Content::text("y")) else { unreachable!() };
    answer.reply_to = Some("m1".into());
    let told = bench.subject(&Event::Message(answer)).await.message.unwrap();
    assert_eq!(told.tags["portico:replyTo"], first.to_string());
}

#[tokio::test]
async fn edits_and_deletions_change_the_row_and_a_deleted_one_says_nothing_more() {
    let bench = Bench::new();
    bench.subject(&message("m1", Content::text("secret"))).await;
    let edit = |text: &str| {
        Event::Edit(Edit {
            event_id: "e".into(),
            external_id: "m1".into(),
            thread: thread("D1"),
            author: party("U1"),
            content: Content::text(text),
            at: AT,
        })
    };
    let told = bench.subject(&edit("changed")).await;
    assert_eq!(told.kind, "message_updated");
    assert_eq!(told.message.unwrap().payload, json!({ "text": "changed" }));
    let deletion = Event::Deletion(Deletion {
        event_id: "d".into(),
        external_id: "m1".into(),
        thread: thread("D1"),
        author: None,
        at: AT,
    });
    let told = bench.subject(&deletion).await;
    assert_eq!(told.kind, "message_deleted");
    let row = told.message.unwrap();
    assert_eq!((row.kind.as_str(), &row.payload), ("text", &json!({})));
    assert_eq!(row.tags["portico:deleted"], "true");
    assert_eq!(bench.subject(&edit("back")).await.message.unwrap().payload, json!({}));
    let row = bench.records.conversation(bench.conversation_id("D1")).await.unwrap().unwrap();
    assert_eq!(row.value.message_count, 1);
}

#[tokio::test]
async fn reactions_and_own_events_bring_their_rows() {
    let bench = Bench::new();
    let id = bench.subject(&message("m1", Content::text("x"))).await.message.unwrap().id;
    let reaction = |added| {
        Event::Reaction(Reaction {
            event_id: "r".into(),
            external_id: "m1".into(),
            thread: thread("D1"),
            author: party("U2"),
            reaction: "👍".into(),
            added,
            at: AT,
        })
    };
    let told = bench.subject(&reaction(true)).await;
    assert_eq!((told.kind.as_str(), told.reaction.as_deref()), ("reaction_added", Some("👍")));
    assert_eq!(told.message.unwrap().id, id);
    assert_eq!(bench.subject(&reaction(false)).await.kind, "reaction_removed");
    let custom = Event::Custom(CustomEvent {
        name: "joined".into(),
        external_id: None,
        thread: Some(thread("D9")),
        author: Some(party("U3")),
        message: Some("m1".into()),
        data: json!({ "file": "portico-media:f" }),
    });
    let told = bench.subject(&custom).await;
    assert_eq!(told.kind, "slack:joined");
    assert_eq!(told.payload, json!({ "file": "https://media/shop/f?" }));
    assert_eq!(told.conversation.unwrap().id, bench.conversation_id("D9"));
    assert_eq!(told.message.unwrap().id, id);
}

#[tokio::test]
async fn receipts_move_a_message_forward_only_and_are_told_once() {
    let bench = Bench::new();
    let id = bench.sent("x1").await;
    let delivered = bench.told(&receipt("x1", ReceiptStage::Delivered, AT + 1));
    for _ in 0..2 {
        // Offered again after an attempt that broke off.
        let told = subject(bench.run(&delivered).await);
        assert_eq!(told.kind, "message_delivered");
        let way = told.message.unwrap().delivery.unwrap();
        assert_eq!((way.status, way.possible_duplicate), (DeliveryStatus::Delivered, true));
        assert_eq!(way.external_ids, ["x1"]);
    }
    let late = bench.told(&receipt("x1", ReceiptStage::Accepted, AT + 2));
    assert!(matches!(bench.run(&late).await, Ok(Prepared::Nothing)));
    assert_eq!(bench.subject(&receipt("x1", ReceiptStage::Read, AT + 3)).await.kind, "message_read");
    let told = bench.subject(&receipt("x1", ReceiptStage::Failed, AT + 4)).await;
    assert_eq!((told.kind.as_str(), &told.payload["reason"]), ("message_failed", &json!("131047: closed")));
    let after = bench.told(&receipt("x1", ReceiptStage::Read, AT + 5));
    assert!(matches!(bench.run(&after).await, Ok(Prepared::Nothing)));
    let row = bench.records.message(id).await.unwrap().unwrap().value;
    assert_eq!(row.delivery.unwrap().reason.as_deref(), Some("131047: closed"));
}

#[tokio::test]
async fn a_receipt_that_is_early_waits_three_times_then_goes_without_its_message() {
    let bench = Bench::new();
    let mut entry = bench.told(&receipt("later", ReceiptStage::Read, AT));
    for attempts in 0..3 {
        entry.attempts = attempts;
        assert!(matches!(bench.run(&entry).await, Ok(Prepared::NotYet)), "{attempts}");
    }
    entry.attempts = 3;
    let told = subject(bench.run(&entry).await);
    assert!(told.message.is_none());
    assert_eq!(told.payload["externalId"], "later");
    entry.attempts = 1;
    let id = bench.sent("later").await;
    assert_eq!(subject(bench.run(&entry).await).message.unwrap().id, id);
}

#[tokio::test]
async fn a_moved_thread_keeps_its_conversation_and_a_renamed_person_their_user() {
    let bench = Bench::new();
    let before = bench.subject(&message("m1", Content::text("x"))).await;
    let change = bench.told(&Event::Identity(IdentityChange {
        event_id: "i".into(),
        thread: thread("D1"),
        new_thread: Some(thread("D2")),
        person: Some(("U1".into(), "U7".into())),
        at: AT,
    }));
    for _ in 0..2 {
        let told = subject(bench.run(&change).await);
        assert_eq!(told.kind, "slack:identity_changed");
        let row = told.conversation.unwrap();
        assert_eq!((row.key.as_str(), row.tags["slack:id"].as_str()), ("D2", "D2"));
        let user = told.user.unwrap();
        assert_eq!((user.party.as_deref(), user.tags["slack:id"].as_str()), (Some("U7"), "U7"));
    }
    let Event::Message(mut next) = message("m2", Content::text("y")) else { unreachable!() };
    next.thread = thread("D2");
    next.author = party("U7");
    let after = bench.subject(&Event::Message(next)).await;
    let (old, new) = (before.conversation.unwrap(), after.conversation.unwrap());
    assert_eq!((new.id, new.message_count), (old.id, 2));
    assert_eq!(after.user.unwrap().id, before.user.unwrap().id);
    assert_eq!(after.message.unwrap().conversation, old.id);
}

#[tokio::test]
async fn events_of_the_gateway_are_filled_from_the_rows() {
    let bench = Bench::new();
    bench.subject(&message("m1", Content::text("x"))).await;
    let id = bench.sent("x1").await;
    let event = GatewayEvent {
        kind: "message_failed".into(),
        payload: json!({ "reason": "r" }),
        conversation_id: None,
        user_id: None,
        message_id: Some(id),
        workflow_id: None,
    };
    let told = subject(
        bench.run(&bench.entry(EventKind::Gateway, serde_json::to_vec(&event).unwrap().into())).await,
    );
    assert_eq!(told.kind, "message_failed");
    assert_eq!(told.conversation.unwrap().id, bench.conversation_id("D1"));
    assert_eq!(told.user.unwrap().id, UserId::of_bot(&bench.bot));
    assert_eq!(told.message.unwrap().id, id);
}

#[tokio::test]
async fn a_body_that_does_not_read_is_named_without_its_text() {
    let bench = Bench::new();
    let entry =
        bench.entry(EventKind::Connector, Bytes::from_static(br#"{"kind":"message","thread":"geheim"}"#));
    let Err(RecordFault::Unreadable(text)) = bench.run(&entry).await else { panic!("read") };
    assert!(text.contains("Data error at line") && !text.contains("geheim"), "{text}");
}
