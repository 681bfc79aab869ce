//! R11: SIGTERM under load.

use std::time::{Duration, Instant};

use portico_tests::sim::core::CoreAnswer;

use super::line::Line;
use super::load::{Load, assert_all_arrived};
use super::stage::{Kind, Stage, readiness, tail};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_asked_to_end_under_load_ends_in_order_and_loses_nothing() {
    let answer = |_: &portico_tests::sim::core::CoreEvent| CoreAnswer::done().after(Duration::from_millis(5));
    // Long enough to see that readiness falls while everything is still answered.
    let mut stage = Stage::set(answer, "", "").await;
    stage.spec.config = format!("{}\n[store.checkpoint]\nevery = \"5s\"\n", stage.spec.config);
    let gateway = stage.start().await;
    let mut load = Load::new(stage.spec.ports.0);
    for conversation in 0..25 {
        for kind in [Kind::Webhook(0), Kind::Slack, Kind::Telegram] {
            load.incoming(kind, conversation, Duration::from_millis(100));
        }
    }
    // Idle connections must not hold up the end.
    let mut idle = Line::to(stage.spec.ports.0);
    idle.send(http::Method::GET, "/healthz", &[], bytes::Bytes::new()).await.unwrap();
    stage.core.wait_for(300, Duration::from_secs(30)).await.unwrap();
    let before = load.book();
    assert!(before.refused.is_empty() && before.broken.is_empty(), "trouble before the end: {before:?}");
    gateway.signal("TERM").unwrap();
    let begun = Instant::now();
    let spec = stage.spec.clone();
    let fell = tokio::spawn(async move {
        loop {
            match readiness(&spec).await {
                200 => tokio::time::sleep(Duration::from_millis(5)).await,
                other => return other,
            }
        }
    });
    gateway.wait_ended(Duration::from_secs(25)).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(25));
    let fell = fell.await.unwrap();
    assert!(fell == 503 || fell == 0, "readiness became {fell}");
    let gateway = stage.start().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let book = load.end().await;
    assert!(book.odd.is_empty(), "answers other than 2xx and 503: {:?}\n{}", book.odd, tail(&stage.spec));
    assert_all_arrived(&stage.core, &book.acknowledged, Duration::from_secs(30), &|| tail(&stage.spec)).await;
    // An end in order settles what the core took: nothing is offered twice.
    assert!(stage.core.duplicates().is_empty(), "taken twice: {:?}", stage.core.duplicates());
    assert!(stage.spec.log().contains("ended in order"), "{}", tail(&stage.spec));
    drop(gateway);
}
