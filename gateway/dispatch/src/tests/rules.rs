//! The retry regimes of reliability, section 2, with the clock paused.

use portico_contract::{Receipt, ReceiptStage};
use portico_store::{DeadReason, EventOutcome, LaneState};
use serde_json::json;

use super::*;

fn failure(status: u16) -> Failure {
    Failure { status: Some(status), code: format!("http_{status}"), detail: "x".into() }
}

fn down() -> Answer {
    Answer::Down(Failure { status: None, code: "connect".into(), detail: "refused".into() })
}

#[tokio::test(start_paused = true)]
async fn a_poison_event_is_buried_after_nine_attempts_and_holds_only_its_conversation() {
    let core =
        Scripted::new(
            |offer| if text_of(offer) == "poison" { Answer::Failed(failure(500)) } else { accepted() },
        );
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let poison = gateway.say("bad", "poison").await;
    gateway.say("bad", "after").await;
    for place in 0..100 {
        gateway.say(&format!("good-{place}"), "hi").await;
    }
    let from = Instant::now();
    until("the others are through", || core.count() >= 101).await;
    assert!(from.elapsed() < Duration::from_millis(200), "{:?}", from.elapsed());
    until("all through", || gateway.left() == 0).await;
    let took = from.elapsed();
    assert!((600..=840).contains(&took.as_secs()), "{took:?}");
    assert_eq!(core.pauses(poison), [1, 5, 15, 30, 60, 120, 180, 300]);
    let dead = gateway.store.dead_letters(None, None, 10).await.unwrap().items;
    assert_eq!((dead.len(), dead[0].event.id, dead[0].reason), (1, poison, DeadReason::Exhausted));
    assert_eq!(gateway.store.attempts(poison).await.unwrap().len(), 9);
    let numbers: Vec<u32> = core
        .offers
        .lock()
        .iter()
        .filter(|(offer, _)| offer.id == poison)
        .map(|(offer, _)| offer.attempt)
        .collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    assert_eq!(text_of(&core.offers.lock().last().unwrap().0), "after");
    assert_eq!(gateway.breaker(), BreakerView::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_core_that_is_down_spends_no_attempts_and_is_probed_each_five_seconds() {
    let core = Scripted::new(|_| down());
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let mut events = Vec::new();
    for place in 0..200 {
        events.push(gateway.say(&format!("p{place}"), "1").await);
    }
    until("open", || matches!(gateway.breaker(), BreakerView::Open { .. })).await;
    let opened = core.count();
    assert!(opened <= 4 + 64, "{opened}");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let probes = core.count() - opened;
    assert!((700..=725).contains(&probes), "{probes} probes in an hour");
    assert_eq!(gateway.left(), 200);
    let mut counted = 0;
    for event in &events {
        counted += gateway.store.attempts(*event).await.unwrap().len();
    }
    assert!(counted <= 4, "{counted} attempts were counted before it opened");

    core.act(|_| accepted());
    let from = Instant::now();
    until("drained", || gateway.left() == 0).await;
    assert!(from.elapsed() < Duration::from_secs(60), "{:?}", from.elapsed());
    assert_eq!(gateway.breaker(), BreakerView::Closed);
    assert!(gateway.store.dead_letters(None, None, 1).await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lone_conversation_does_not_lose_its_event_to_a_core_that_is_down() {
    let core = Scripted::new(|_| down());
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    gateway.say("only", "1").await;
    tokio::time::sleep(Duration::from_secs(4 * 3600)).await;
    assert!(matches!(gateway.breaker(), BreakerView::Open { .. }));
    assert_eq!(gateway.left(), 1);
    core.act(|_| accepted());
    until("through", || gateway.left() == 0).await;
    assert!(gateway.store.dead_letters(None, None, 1).await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_breaks_a_core_others_reach_is_poison() {
    let core = Scripted::new(|offer| if text_of(offer) == "crash" { down() } else { accepted() });
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let crash = gateway.say("bad", "crash").await;
    for round in 0..80 {
        gateway.say("good", &round.to_string()).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    until("buried", || gateway.left() == 0).await;
    let dead = gateway.store.dead_letters(None, None, 10).await.unwrap().items;
    assert_eq!((dead.len(), dead[0].event.id), (1, crash));
}

#[tokio::test(start_paused = true)]
async fn events_of_a_core_that_stays_down_expire_one_by_one_and_can_be_replayed() {
    let core = Scripted::new(|_| down());
    let gateway =
        Gateway::polled(BotCore::new(bot(), CoreKind::Own(core.clone())), 1, Duration::from_secs(300));
    for place in 0..10 {
        gateway.say(&format!("p{place}"), "old").await;
    }
    tokio::time::sleep(Duration::from_secs(36 * 3600)).await;
    let young = gateway.say("p0", "young").await;
    tokio::time::sleep(Duration::from_secs(36 * 3600 + 300)).await;
    assert_eq!(gateway.left(), 1);
    let dead = gateway.store.dead_letters(None, None, 100).await.unwrap().items;
    assert_eq!(dead.len(), 10);
    assert!(dead.iter().all(|letter| letter.reason == DeadReason::Expired));
    core.act(|_| accepted());
    let again = dead[0].event.id;
    gateway.store.commit(Commit::of([Change::Unbury { bot: bot(), event: again }])).await.unwrap();
    until("through", || gateway.left() == 0).await;
    let offers = core.offers.lock();
    assert!(offers.iter().any(|(offer, _)| offer.id == young && !offer.replay));
    assert!(offers.iter().any(|(offer, _)| offer.id == again && offer.replay));
}

#[tokio::test(start_paused = true)]
async fn a_stated_pause_is_obeyed_and_costs_no_attempt() {
    let core = Scripted::new(|_| Answer::Later(failure(429), Some(Duration::from_secs(17))));
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let event = gateway.say("p", "1").await;
    until("asked twenty times", || core.count() == 20).await;
    assert!(core.pauses(event).iter().all(|pause| *pause == 17), "{:?}", core.pauses(event));
    assert!(core.offers.lock().iter().all(|(offer, _)| offer.attempt == 1));
    core.act(|_| accepted());
    until("through", || gateway.left() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_dead_letter_at_once_and_the_conversation_goes_on() {
    let core = Scripted::new(
        |offer| if text_of(offer) == "no" { Answer::Refused(failure(422)) } else { accepted() },
    );
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let refused = gateway.say("p", "no").await;
    gateway.say("p", "yes").await;
    until("through", || gateway.left() == 0).await;
    assert_eq!(core.count(), 2);
    let dead = gateway.store.dead_letters(None, None, 10).await.unwrap().items;
    assert_eq!((dead[0].event.id, dead[0].reason), (refused, DeadReason::Refused));
    assert_eq!(dead[0].last.as_ref().unwrap().status, Some(422));
    assert_eq!(gateway.store.event(refused).await.unwrap().unwrap().outcome, EventOutcome::Dead);
}

#[tokio::test(start_paused = true)]
async fn on_dead_hold_stops_the_conversation_for_an_operator() {
    let core = Scripted::new(|_| Answer::Refused(failure(400)));
    let config = BotCore { on_dead: OnDead::Hold, ..BotCore::new(bot(), CoreKind::Own(core.clone())) };
    let gateway = Gateway::start(config, 1);
    gateway.say("p", "1").await;
    gateway.say("p", "2").await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!((core.count(), gateway.left()), (1, 2));
    let lane = Lane::inbound(conversation("p"));
    assert_eq!(gateway.store.lane(lane).await.unwrap().unwrap().state, LaneState::Held);
    core.act(|_| accepted());
    gateway.store.commit(Commit::of([Change::Release { lane }])).await.unwrap();
    gateway.dispatch.poke(lane);
    until("through", || gateway.left() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_core_that_is_gone_pauses_its_bot_until_it_is_resumed() {
    let core = Scripted::new(|_| Answer::Gone(failure(410)));
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    for place in 0..10 {
        gateway.say(&format!("p{place}"), "1").await;
    }
    until("paused", || matches!(gateway.breaker(), BreakerView::Paused { .. })).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(core.count() <= 10);
    assert_eq!(gateway.left(), 10);
    core.act(|_| accepted());
    gateway.dispatch.resume(&bot());
    until("through", || gateway.left() == 0).await;
    assert_eq!(gateway.breaker(), BreakerView::Closed);
    // What was offered twice was counted once.
    let offers = core.offers.lock();
    assert!(offers.len() > 10);
    let counts = offers.iter().map(|(offer, _)| offer.conversation.as_ref().unwrap().message_count);
    assert!(counts.clone().all(|count| count == 1), "{:?}", counts.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_offered_in_order_each_event_with_its_own_rows() {
    let core = Scripted::new(|offer| match text_of(offer).parse::<u32>() {
        // An attempt that breaks off in the midst of a run leaves the run as it was.
        Ok(number) if number % 5 == 0 && offer.attempt == 1 => Answer::Failed(failure(500)),
        _ => accepted(),
    });
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    for number in 1..=40 {
        gateway.say("p", &number.to_string()).await;
    }
    until("through", || gateway.left() == 0).await;
    let taken: Vec<(String, u64, u64)> = core
        .offers
        .lock()
        .iter()
        .map(|(offer, _)| {
            let row = offer.conversation.as_ref().unwrap();
            (text_of(offer), row.message_count, offer.sequence)
        })
        .collect();
    let mut once = taken.clone();
    once.dedup();
    assert_eq!((taken.len(), once.len()), (48, 40));
    for (place, (text, count, sequence)) in (1..).zip(once) {
        assert_eq!((text, count, sequence), (place.to_string(), place, place));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_counts_as_a_failed_attempt() {
    let core = Scripted::new(|offer| {
        assert!(offer.attempt > 3, "scripted");
        accepted()
    });
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let event = gateway.say("p", "1").await;
    until("through", || gateway.left() == 0).await;
    assert_eq!(core.pauses(event), [1, 5, 15]);
    let attempts = gateway.store.attempts(event).await.unwrap();
    assert!(attempts.iter().all(|attempt| attempt.code == "panic"));
}

#[tokio::test(start_paused = true)]
async fn replies_are_kept_in_order_and_a_bad_one_is_no_reason_to_ask_again() {
    let core = Scripted::new(|_| Answer::Accepted {
        replies: (0..3)
            .map(|index| Reply {
                index,
                kind: "text".into(),
                payload: json!({ "text": index.to_string() }),
                draft: None,
            })
            .collect(),
        complaint: None,
    });
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let event = gateway.say("p", "1").await;
    until("through", || gateway.left() == 0).await;
    let said = gateway.outbox.said.lock().clone();
    assert_eq!(
        said.iter().map(|said| (said.0, said.1, said.2)).collect::<Vec<_>>(),
        [(conversation("p"), event, 0), (conversation("p"), event, 1), (conversation("p"), event, 2)]
    );
    gateway
        .outbox
        .fail
        .lock()
        .push(ReplyError::Refused { index: 0, reason: "payload.text: is missing".into() });
    gateway.say("p", "2").await;
    until("through", || gateway.left() == 0).await;
    assert_eq!(core.count(), 2);
    // An outbox that is away for a moment is asked again, the core is not.
    let away = || ReplyError::Unavailable("full".into());
    gateway.outbox.fail.lock().extend([away(), away()]);
    gateway.say("p", "3").await;
    until("through", || gateway.left() == 0).await;
    assert_eq!((core.count(), gateway.outbox.said.lock().len()), (3, 6));
    // For longer, the event comes again, under the same id and without counting.
    gateway.outbox.fail.lock().extend([away(), away(), away(), away()]);
    gateway.say("p", "4").await;
    until("through", || gateway.left() == 0).await;
    assert_eq!((core.count(), gateway.outbox.said.lock().len()), (5, 9));
    assert_eq!(core.offers.lock()[4].0.attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_receipt_waits_three_seconds_then_is_told() {
    let core = Scripted::new(|_| accepted());
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    let from = Instant::now();
    let receipt = Receipt {
        external_id: "x".into(),
        thread: Some(thread("p")),
        stage: ReceiptStage::Delivered,
        at: BASE,
        reason: None,
    };
    gateway.keep("p", Event::Receipt(receipt)).await;
    until("told", || core.count() == 1).await;
    assert_eq!(from.elapsed().as_secs(), 3);
    let (offer, _) = core.offers.lock()[0].clone();
    assert_eq!((offer.kind.as_str(), offer.message.is_none()), ("message_delivered", true));
}

#[tokio::test(start_paused = true)]
async fn echo_says_back_what_it_is_told() {
    let gateway = Gateway::with(CoreKind::Echo);
    gateway.say("p", "hello").await;
    until("through", || gateway.left() == 0).await;
    let said = gateway.outbox.said.lock().clone();
    assert_eq!((said.len(), said[0].3.as_str(), &said[0].4), (1, "text", &json!({ "text": "hello" })));
}

#[tokio::test(start_paused = true)]
async fn events_of_a_bot_that_is_not_configured_wait_for_it() {
    let core = Scripted::new(|_| accepted());
    let gateway = Gateway::with(CoreKind::Own(core.clone()));
    gateway.dispatch.replace(Vec::new()).unwrap();
    gateway.say("p", "1").await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!((core.count(), gateway.left()), (0, 1));
    gateway.dispatch.replace(vec![BotCore::new(bot(), CoreKind::Own(core.clone()))]).unwrap();
    until("through", || gateway.left() == 0).await;
}

#[tokio::test]
async fn a_bad_secret_is_named_by_its_field() {
    let mut endpoint = Endpoint::at("http://127.0.0.1:1/".parse().unwrap());
    endpoint.secrets.push("hunter2-hunter2".to_owned().into());
    let parts = Parts {
        store: Arc::new(store()),
        client: client(),
        replies: Arc::new(Outbox::default()),
        media: Arc::new(Links),
        aliases: Arc::new(|_: &InstallationId| None),
        metrics: Arc::new(Metrics::new()),
        options: Options::new(NodeId([7; 16])),
        random: None,
    };
    let config = BotCore::new(bot(), CoreKind::Http(endpoint));
    let faults = Dispatch::start(parts, vec![config], CancellationToken::new()).unwrap_err();
    assert_eq!(faults[0].to_string(), "bots.support.core.secret: must be 'whsec_' followed by base64");
}
