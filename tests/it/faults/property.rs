//! Order within a conversation, whatever fails and whoever restarts: a property, checked for random histories.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portico_tests::sim::core::CoreAnswer;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::load::{Load, assert_all_arrived};
use super::stage::{Kind, Stage, tail};

/// What happens in one step of a history, while messages come in.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Nothing but load.
    Run,
    /// The gateway is killed and started again.
    Kill,
    /// The gateway is ended in order and started again.
    Restart,
    /// From here on the core answers like this.
    Core(Mood),
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    Well,
    /// Every so many first attempts fail.
    Failing(u8),
    /// Every so many connections are reset.
    Resetting(u8),
    Slow,
    Down,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mood = prop_oneof![
        Just(Mood::Well),
        (2..6_u8).prop_map(Mood::Failing),
        (3..8_u8).prop_map(Mood::Resetting),
        Just(Mood::Slow),
        Just(Mood::Down),
    ];
    let step = prop_oneof![
        1 => Just(Step::Run),
        2 => Just(Step::Kill),
        1 => Just(Step::Restart),
        3 => mood.prop_map(Step::Core),
    ];
    vec(step, 4..9)
}

async fn live(history: &[Step]) {
    let mood = Arc::new(Mutex::new(Mood::Well));
    let seen = mood.clone();
    let stage = Stage::set(
        move |event| {
            let chance = event.id.bytes().fold(0_u8, u8::wrapping_add);
            match *seen.lock() {
                Mood::Failing(every) if event.attempt == 1 && chance % every == 0 => CoreAnswer::status(500),
                Mood::Resetting(every) if event.attempt == 1 && chance % every == 0 => CoreAnswer::reset(),
                Mood::Slow => CoreAnswer::done().after(Duration::from_millis(u64::from(chance) / 4)),
                Mood::Down => CoreAnswer::status(503),
                _ => CoreAnswer::done(),
            }
        },
        "",
        "",
    )
    .await;
    let mut gateway = stage.start().await;
    let mut load = Load::new(stage.spec.ports.0);
    for conversation in 0..6 {
        for kind in [Kind::Webhook(0), Kind::Slack, Kind::Telegram] {
            load.incoming(kind, conversation, Duration::from_millis(15));
        }
    }
    for step in history {
        match step {
            Step::Run => {}
            Step::Kill => gateway = gateway.kill().unwrap().start().await.unwrap(),
            Step::Restart => {
                gateway = gateway.stop(Duration::from_secs(30)).await.unwrap().start().await.unwrap();
            }
            Step::Core(new) => *mood.lock() = *new,
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    *mood.lock() = Mood::Well;
    let book = load.end().await;
    assert!(book.odd.is_empty(), "{:?}", book.odd);
    let context = || format!("history {history:?}\n{}", tail(&stage.spec));
    assert_all_arrived(&stage.core, &book.acknowledged, Duration::from_secs(60), &context).await;
    drop(gateway);
}

#[test]
fn order_holds_in_every_conversation_under_random_failures_and_restarts() {
    // Each history takes seconds of wall time; a failing one prints itself.
    let config = Config { cases: 6, max_shrink_iters: 4, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    TestRunner::new(config)
        .run(&steps(), |history| {
            runtime.block_on(live(&history));
            Ok(())
        })
        .unwrap();
}
