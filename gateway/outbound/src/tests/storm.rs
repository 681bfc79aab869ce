//! Everything at once: a provider that fails in every way, and a gateway that is killed again and again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use portico_store::Lane;
use portico_store::records::DeliveryStatus;

use super::provider::{Act, Provider};
use super::world::World;

/// The same numbers in every run.
fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(88_172_645_463_325_252_u64), |last| {
        let mut next = *last;
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        Some(next)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_failures_and_kills_nothing_is_lost_reordered_or_doubled_unmarked() {
    let script = numbers().take(120).map(|number| match number % 16 {
        0 => Act::Answer(500, "", "oops"),
        1 => Act::ResetAfter,
        2 => Act::ResetBefore,
        3 => Act::Answer(400, "", "no"),
        4 => Act::Answer(200, "content-type: text/html", "<html>"),
        5..10 => Act::Slow(Duration::from_millis(number % 40)),
        _ => Act::Take,
    });
    let world = World::new(Provider::start(script).await).await;
    let mut said: BTreeMap<String, _> = BTreeMap::new();
    let mut conversations = Vec::new();
    for place in 0..12 {
        let conversation = world.conversation(&format!("D{place}")).await;
        conversations.push(conversation);
        for turn in 0..5 {
            let text = format!("{place}/{turn}");
            said.insert(text.clone(), world.say(conversation, &text).await.id);
        }
    }
    for pause in [30, 150, 700] {
        let running = world.drive(1);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        running.kill().await;
    }
    world.provider.always(Act::Take);
    let running = world.drive(1);
    for conversation in &conversations {
        world.settled(*conversation).await;
    }
    running.kill().await;

    let mut times: HashMap<String, usize> = HashMap::new();
    let mut order: HashMap<String, Vec<u32>> = HashMap::new();
    for text in world.provider.taken() {
        let seen = times.entry(text.clone()).or_default();
        *seen += 1;
        if *seen == 1 {
            let (place, turn) = text.split_once('/').unwrap();
            order.entry(place.to_owned()).or_default().push(turn.parse().unwrap());
        }
    }
    assert!(order.values().all(|turns| turns.is_sorted()), "{order:?}");
    let mut failed = 0;
    for (text, id) in &said {
        let delivery = world.records.message(*id).await.unwrap().unwrap().value.delivery.unwrap();
        let arrived = times.get(text).copied().unwrap_or_default();
        match delivery.status {
            DeliveryStatus::Sent => assert!(arrived >= 1, "{text} is said to be sent"),
            DeliveryStatus::Failed => failed += 1,
            other => panic!("{text} is {other:?}"),
        }
        assert!(arrived <= 1 || delivery.possible_duplicate, "{text} arrived {arrived} times, unmarked");
    }
    let mut told = 0;
    for conversation in &conversations {
        told += world.told(Lane::inbound(*conversation)).await.len();
    }
    assert_eq!(told, failed, "each failure is told once");
    assert_eq!(world.store.dead_letters(Some(&world.bot), None, 99).await.unwrap().items.len(), failed);
    assert!(failed > 0 && failed < said.len());
}
