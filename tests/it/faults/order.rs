//! R7 and R8: a provider's repeats make one event, and order holds however the core behaves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use portico_tests::sim::core::CoreAnswer;
use tokio::task::JoinSet;

use super::line::Line;
use super::load::assert_all_arrived;
use super::stage::{Kind, Stage, look, tail};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_sent_a_thousand_times_by_fifty_tasks_reaches_the_core_once() {
    let stage = Stage::plain().await;
    let gateway = stage.start().await;
    let mut tasks = JoinSet::new();
    for task in 0..50_u32 {
        let kind = [Kind::Webhook(0), Kind::Slack, Kind::Telegram][task as usize % 3];
        let port = stage.spec.ports.0;
        tasks.spawn(async move {
            let mut line = Line::to(port);
            for _ in 0..20 {
                let request = kind.message(1, 1, "the same 1");
                let reply = line.post(&kind.path(), &request).await.unwrap();
                assert!(reply.is_success(), "{} {}", reply.status, reply.text());
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    // Another message of each conversation comes after all repeats of the first.
    for kind in [Kind::Webhook(0), Kind::Slack, Kind::Telegram] {
        super::stage::say(&gateway, kind, 1, 2, "the next 2").await;
    }
    let is_next = |event: &&portico_tests::sim::core::CoreEvent| event.text() == "the next 2";
    stage
        .core
        .wait_until("the next messages", Duration::from_secs(20), |core| {
            core.events().iter().filter(is_next).count() == 3
        })
        .await
        .unwrap();
    let first: Vec<_> =
        stage.core.received().into_iter().filter(|one| one.event.text() == "the same 1").collect();
    let ids: BTreeSet<&str> = first.iter().map(|one| one.event.id.as_str()).collect();
    assert_eq!((first.len(), ids.len()), (3, 3), "one delivery of one event for each of three installations");
    assert_eq!(
        look(&gateway, "/events?kind=connector&limit=500").await["items"].as_array().unwrap().len(),
        6
    );
}

/// Conversations, and messages of each.
const CONVERSATIONS: u32 = 1_000;
const MESSAGES: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_conversations_stay_in_order_while_the_core_fails_dawdles_and_resets() {
    // Of the deliveries 10 % fail, 5 % are slow, 5 % are reset; repeats go well more often, so that the end of
    // the short schedule is not met.
    let count = Arc::new(AtomicU64::new(0));
    let stage = Stage::set(
        move |event| match count.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 {
            roll if event.attempt <= 2 && roll % 100 < 10 => CoreAnswer::status(500),
            roll if event.attempt <= 2 && roll % 100 < 15 => CoreAnswer::reset(),
            roll if roll % 100 < 20 => CoreAnswer::done().after(Duration::from_millis(200)),
            _ => CoreAnswer::done(),
        },
        "concurrency = 256",
        "",
    )
    .await;
    let gateway = stage.start().await;
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let (next, port) = (next.clone(), stage.spec.ports.0);
        tasks.spawn(async move {
            let mut line = Line::to(port);
            loop {
                let conversation = next.fetch_add(1, Ordering::Relaxed) as u32;
                if conversation >= CONVERSATIONS {
                    return;
                }
                let kind = [Kind::Webhook(0), Kind::Webhook(1), Kind::Slack, Kind::Telegram]
                    [conversation as usize % 4];
                for number in 1..=MESSAGES {
                    let text = format!("{}/{conversation} says {number}", kind.installation());
                    let reply =
                        line.post(&kind.path(), &kind.message(conversation, number, &text)).await.unwrap();
                    assert!(reply.is_success(), "{} {}", reply.status, reply.text());
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let all = CONVERSATIONS as usize * MESSAGES as usize;
    let end = stage.core.wait_for(all, Duration::from_secs(150)).await;
    let backlog = look(&gateway, "/stats").await;
    let events = end.unwrap_or_else(|why| panic!("{why:#}\n{backlog}\n{}", tail(&stage.spec)));
    let texts: BTreeSet<String> = events.iter().map(|event| event.text().to_owned()).collect();
    assert_eq!((events.len(), texts.len()), (all, all));
    assert_all_arrived(&stage.core, &texts, Duration::from_secs(1), &|| tail(&stage.spec)).await;
    assert!(
        stage.core.overlaps().is_empty(),
        "two deliveries of one conversation at once: {:?}",
        stage.core.overlaps()
    );
    assert!(stage.core.duplicates().is_empty(), "taken twice: {:?}", stage.core.duplicates());
    let failed = stage.core.received().iter().filter(|one| !one.is_done()).count();
    assert!(failed > all / 20, "only {failed} deliveries failed: the core was too kind");
}
