//! What the connector is given of a message.

use bytes::Bytes;
use portico_contract::{Content, Event, EventId, InboundMessage, MessageId, Party, Tags, Thread, UserId};
use portico_store::records::{DeliveryStatus, Direction, Message, User};
use portico_store::{Append, Change, EventKind, Lane, NewEvent};
use serde_json::{Value, json};

use super::provider::Provider;
use super::sending::is;
use super::world::World;

#[tokio::test]
async fn the_connector_gets_thread_person_reply_and_its_own_tags() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("D1").await;
    let person = User {
        id: UserId::new(),
        name: Some("Ann".into()),
        picture_url: None,
        tags: [("probe:lang".to_owned(), "de".to_owned())].into(),
        properties: Default::default(),
        attributes: Default::default(),
        party: Some("U1".into()),
        created_at: 1,
        updated_at: 1,
    };
    world.commit(world.records.user_changes(None, &person)).await;
    let place = world.records.conversation(conversation).await.unwrap().unwrap();
    let mut with = place.value.clone();
    with.recipient = Some(person.id.clone());
    world.commit(world.records.conversation_changes(Some(&place), &with)).await;
    let running = world.drive(1);
    let first = world.say(conversation, "hi").await;
    world.until(first.id, is(DeliveryStatus::Sent)).await;
    let mut new = world.text(conversation, "who");
    new.reply_to = Some(first.id);
    new.tags = [("probe:silent", "1"), ("mine", "2")].map(|(n, v)| (n.into(), v.into())).into();
    let message = world.outbox.accept(new).await.unwrap();
    world.until(message.id, is(DeliveryStatus::Sent)).await;
    let told: Value = serde_json::from_str(&world.provider.taken()[1]).unwrap();
    assert_eq!(told["thread"], json!({ "channel": "dm", "key": "D1", "tags": { "id": "D1" } }));
    assert_eq!(told["recipient"], json!({ "id": "U1", "name": "Ann", "tags": { "lang": "de" } }));
    assert_eq!(told["reply_to"], "p1");
    assert_eq!(told["tags"], json!({ "silent": "1" }));
    assert_eq!(told["attempt"], 1);
    running.kill().await;
}

#[tokio::test]
async fn an_answer_to_somebodys_message_names_it_by_the_providers_id() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("D1").await;
    let id = EventId::new();
    let said = Event::Message(InboundMessage {
        external_id: "m-77".into(),
        dedupe: None,
        thread: Thread { channel: "dm".into(), key: "D1".into(), tags: Tags::new() },
        author: Party { id: "U1".into(), ..Party::default() },
        sent_at: 1,
        content: Content::text("help"),
        reply_to: None,
        tags: Tags::new(),
    });
    let row = Message {
        id: MessageId::of_event(id),
        conversation,
        user: UserId::of_bot(&world.bot),
        direction: Direction::Incoming,
        kind: "text".into(),
        payload: json!({ "text": "help" }),
        tags: Default::default(),
        delivery: None,
        origin: None,
        created_at: 1,
        updated_at: 1,
    };
    let journaled = Change::Append(Append {
        key: None,
        keep_days: 3,
        lane: Lane::inbound(conversation),
        event: NewEvent {
            id,
            bot: world.bot.clone(),
            installation: world.installation.id.clone(),
            kind: EventKind::Connector,
            received_at: crate::now(),
            body: serde_json::to_vec(&said).unwrap().into(),
            raw: Bytes::new(),
            raw_of: None,
        },
    });
    world.commit(world.records.message_changes(None, &row).into_iter().chain([journaled])).await;
    let running = world.drive(1);
    let mut answers = Vec::new();
    for metadata in
        [json!({ "replyTo": row.id }), json!({ "replyTo": "raw-5" }), json!({ "replyTo": MessageId::new() })]
    {
        let mut new = world.text(conversation, "who");
        new.payload["metadata"] = metadata;
        answers.push(world.outbox.accept(new).await.unwrap().id);
    }
    for answer in answers {
        world.until(answer, is(DeliveryStatus::Sent)).await;
    }
    let told: Vec<Value> = world
        .provider
        .taken()
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()["reply_to"].clone())
        .collect();
    assert_eq!(told, [json!("m-77"), json!("raw-5"), Value::Null]);
    running.kill().await;
}
