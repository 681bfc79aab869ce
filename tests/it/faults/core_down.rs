//! R5 and R6: a core that is down, and a core that can't take one event.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use portico_tests::sim::core::CoreAnswer;
use serde_json::json;
use tokio::time::Instant;

use super::load::{Load, assert_all_arrived};
use super::stage::{Kind, Stage, admin, all_pages, look, say, tail, wait_look};

fn breaker(bots: &serde_json::Value) -> String {
    bots["items"][0]["dispatch"]["breaker"]["state"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_without_spending_attempts_while_the_core_is_down_and_drain_in_order_when_it_is_back() {
    let stage = Stage::set(|_| CoreAnswer::status(503), "", "").await;
    let gateway = stage.start().await;
    let mut load = Load::new(stage.spec.ports.0);
    for conversation in 0..20 {
        for kind in [Kind::Webhook(0), Kind::Slack, Kind::Telegram] {
            load.incoming(kind, conversation, Duration::from_millis(100));
        }
    }
    wait_look(&gateway, "/bots", "an open breaker", Duration::from_secs(20), |bots| breaker(bots) == "open")
        .await;
    let opened = (stage.core.received().len(), Instant::now());
    tokio::time::sleep(Duration::from_secs(6)).await;
    let book = load.end().await;
    assert!(book.odd.is_empty() && book.refused.is_empty(), "the outside noticed: {book:?}");
    let probes = stage.core.received().len() - opened.0;
    let most = opened.1.elapsed().as_secs() as usize / 5 + 2;
    assert!(probes <= most, "{probes} probes within {:?}, {most} at most", opened.1.elapsed());

    // The five failures that open the breaker are attempts; nothing is counted after them.
    let waiting = all_pages(&gateway, "/bots/support/conversations").await;
    let mut spent = 0;
    for conversation in waiting.iter().take(60) {
        let id = conversation["id"].as_str().unwrap();
        let mailbox = &look(&gateway, &format!("/bots/support/conversations/{id}")).await["mailbox"];
        assert!(mailbox["waiting"].as_u64().unwrap() > 0, "{mailbox}");
        spent += mailbox["attempts"].as_u64().unwrap();
    }
    assert!(spent <= 5, "{spent} attempts were counted while the core was down");
    assert_eq!(look(&gateway, "/dead-letters").await["items"], json!([]));

    stage.core.answer_with(|_| CoreAnswer::done());
    assert_all_arrived(&stage.core, &book.acknowledged, Duration::from_secs(60), &|| tail(&stage.spec)).await;
    wait_look(&gateway, "/bots", "a closed breaker", Duration::from_secs(10), |bots| {
        breaker(bots) == "closed"
    })
    .await;
    assert!(stage.core.duplicates().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_older_than_max_age_become_dead_letters_and_can_be_replayed_in_order() {
    let stage = Stage::set(|_| CoreAnswer::status(503), "max_age = \"1min\"", "").await;
    let gateway = stage.start().await;
    for conversation in 0..8 {
        for number in 1..=3 {
            say(
                &gateway,
                Kind::Webhook(0),
                conversation,
                number,
                &format!("old {conversation} says {number}"),
            )
            .await;
        }
    }
    let dead = wait_look(
        &gateway,
        "/dead-letters?bot=support&limit=500",
        "24 dead letters",
        Duration::from_secs(120),
        |page| page["items"].as_array().is_some_and(|items| items.len() == 24),
    )
    .await;
    assert!(dead["items"].as_array().unwrap().iter().all(|dead| dead["reason"] == "expired"), "{dead}");
    stage.core.answer_with(|_| CoreAnswer::done());
    let replay =
        admin(&gateway, Method::POST, "/replay", Some(json!({"bot": "support", "outcome": "dead"}))).await;
    assert_eq!(replay.json()["replayed"], 24, "{}", replay.text());
    let all: BTreeSet<String> =
        (0..8).flat_map(|one| (1..=3).map(move |number| format!("old {one} says {number}"))).collect();
    assert_all_arrived(&stage.core, &all, Duration::from_secs(30), &|| tail(&stage.spec)).await;
    wait_look(&gateway, "/dead-letters", "no dead letter", Duration::from_secs(5), |page| {
        page["items"] == json!([])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_message_holds_up_only_its_own_conversation_and_can_be_released() {
    const POISON: &str = "app-one/0 says 3";
    let stage = Stage::set(
        |event| if event.text() == POISON { CoreAnswer::status(500) } else { CoreAnswer::done() },
        "",
        "",
    )
    .await;
    let gateway = stage.start().await;
    for number in 1..=5 {
        for conversation in 0..100 {
            say(
                &gateway,
                Kind::Webhook(0),
                conversation,
                number,
                &format!("app-one/{conversation} says {number}"),
            )
            .await;
        }
    }
    // 99 conversations whole, and two messages of the poisoned one.
    stage.core.wait_for(99 * 5 + 2, Duration::from_secs(30)).await.unwrap();
    let poisoned = |core: &portico_tests::sim::core::Ledger| {
        core.received().into_iter().filter(|one| one.event.text() == POISON).collect::<Vec<_>>()
    };
    stage
        .core
        .wait_until("a third attempt", Duration::from_secs(30), |core| poisoned(core).len() >= 3)
        .await
        .unwrap();
    let tries = poisoned(&stage.core);
    let ids: BTreeSet<&str> = tries.iter().map(|one| one.event.id.as_str()).collect();
    assert_eq!(ids.len(), 1, "all attempts carry one id");
    let gaps: Vec<f64> =
        tries.windows(2).map(|pair| (pair[1].event.at - pair[0].event.at).as_secs_f64()).collect();
    assert!(
        (0.7..3.0).contains(&gaps[0]) && (3.9..8.0).contains(&gaps[1]),
        "1 s and 5 s within a fifth: {gaps:?}"
    );

    let id = tries[0].event.conversation().to_owned();
    let path = format!("/bots/support/conversations/{id}");
    let shown = wait_look(&gateway, &path, "three attempts", Duration::from_secs(5), |shown| {
        shown["mailbox"]["attempts"] == 3
    })
    .await;
    assert_eq!(shown["mailbox"]["waiting"], 3, "the poison and the two behind it: {shown}");
    assert!(shown["mailbox"]["dueAt"].is_string(), "{shown}");
    let event = look(&gateway, &format!("/events/{}", tries[0].event.id)).await;
    let attempts = event["attempts"].as_array().unwrap();
    assert!(attempts.len() == 3 && attempts.iter().all(|attempt| attempt["status"] == 500), "{event}");

    // Mended: an operator need not wait for the schedule.
    stage.core.answer_with(|_| CoreAnswer::done());
    let released = admin(&gateway, Method::POST, &format!("{path}/release"), None).await;
    assert_eq!(released.status, 200, "{}", released.text());
    stage.core.wait_for(500, Duration::from_secs(10)).await.unwrap();
    super::load::assert_in_order(&stage.core, &|| tail(&stage.spec));
}
