//! How the gateway's own events end is told once each, and of connectors' events nothing.

use portico_store::DeadReason;
use portico_store::records::GatewayEvent;
use serde_json::json;

use super::*;

/// Notes what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<Ended>>);

#[async_trait]
impl Outcomes for Notes {
    async fn ended(&self, ended: Ended) {
        self.0.lock().push(ended);
    }
}

/// Keeps an event of the gateway's own, received at a time; gives its id.
async fn made(gateway: &Gateway, place: &str, received_at: Millis) -> EventId {
    let id = EventId::new();
    let event = GatewayEvent {
        kind: format!("mine:{place}"),
        payload: json!({}),
        conversation_id: None,
        user_id: None,
        message_id: None,
        workflow_id: None,
    };
    let append = Append {
        key: None,
        keep_days: 3,
        lane: Lane::inbound(conversation(place)),
        event: NewEvent {
            id,
            bot: bot(),
            installation: shop(),
            kind: EventKind::Gateway,
            received_at,
            body: serde_json::to_vec(&event).unwrap().into(),
            raw: Bytes::new(),
            raw_of: None,
        },
    };
    gateway.store.commit(Commit::of([Change::Append(append)])).await.unwrap();
    id
}

#[tokio::test(start_paused = true)]
async fn taken_refused_and_too_old_are_told_and_retries_are_not() {
    let core = Scripted::new(|offer| match offer.kind.as_str() {
        "mine:refused" => {
            Answer::Refused(Failure { status: Some(400), code: "http_400".into(), detail: "x".into() })
        }
        "mine:twice" if offer.attempt == 1 => {
            Answer::Failed(Failure { status: Some(500), code: "http_500".into(), detail: "x".into() })
        }
        _ => accepted(),
    });
    let gateway = Gateway::with(CoreKind::Own(core));
    let notes = Arc::new(Notes::default());
    gateway.dispatch.tell_outcomes(notes.clone());
    let now = gateway.clock.now();
    let taken = made(&gateway, "taken", now).await;
    let refused = made(&gateway, "refused", now).await;
    let twice = made(&gateway, "twice", now).await;
    let old = made(&gateway, "old", 1).await;
    gateway.say("connector", "hi").await;
    until("all are told", || notes.0.lock().len() >= 4 && gateway.left() == 0).await;
    let told = notes.0.lock().clone();
    let of = |id| {
        let all: Vec<_> = told.iter().filter(|ended| ended.event == id).collect();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].installation, shop());
        all[0].taken
    };
    assert_eq!(of(taken), Ok(()));
    assert_eq!(of(refused), Err(DeadReason::Refused));
    assert_eq!(of(twice), Ok(()));
    assert_eq!(of(old), Err(DeadReason::Expired));
    assert_eq!(told.len(), 4);
}
