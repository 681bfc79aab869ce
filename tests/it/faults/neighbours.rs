//! R6 between bots: one core is dead, one is slow without end, and the conversations of a third bot, on the same
//! gateway and at the same time, notice nothing. How little they notice is measured by the benchmark.

use std::collections::BTreeSet;
use std::time::Duration;

use portico_tests::gateway::free_port;
use portico_tests::sim::core::{CoreAnswer, HttpCore};
use serde_json::{Value, json};

use super::load::{Load, assert_all_arrived};
use super::stage::{Kind, Stage, look, tail, wait_look};

/// Two more bots; the second installation of the stage belongs to `dead` here, Slack to `slow`.
fn bots(dead: &str, slow: &str, secret: &str, config: &str) -> String {
    let core = |bot: &str, url: &str| {
        format!(
            "[bots.{bot}]\ntoken = \"token-of-the-bot-{bot}-0123456789\"\n[bots.{bot}.core]\nkind = \"http\"\n\
             url = \"{url}\"\nsecret = \"{secret}\"\ntimeout = \"60s\"\n"
        )
    };
    let mut text = config
        .replacen("[installations.app-two]\nbot = \"support\"", "[installations.app-two]\nbot = \"dead\"", 1)
        .replacen(
            "[installations.shop-slack]\nbot = \"support\"",
            "[installations.shop-slack]\nbot = \"slow\"",
            1,
        );
    text.push_str(&core("dead", dead));
    text.push_str(&core("slow", slow));
    text
}

fn of<'a>(acknowledged: &'a BTreeSet<String>, kind: Kind) -> BTreeSet<String> {
    let prefix = format!("{}/", kind.installation());
    let own = |text: &&'a String| text.starts_with(&prefix);
    acknowledged.iter().filter(own).cloned().collect()
}

fn bot<'a>(bots: &'a Value, id: &str) -> &'a Value {
    bots["items"].as_array().and_then(|all| all.iter().find(|one| one["id"] == id)).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_core_and_a_slow_one_hold_up_their_own_bots_and_nobody_else() {
    let mut stage = Stage::plain().await;
    // Nobody listens there.
    let dead = free_port();
    let slow = HttpCore::start(|_| CoreAnswer::done().after(Duration::from_secs(3600))).await.unwrap();
    stage.spec.config =
        bots(&format!("http://127.0.0.1:{dead}/"), &slow.url(), slow.secret(), &stage.spec.config);
    let gateway = stage.start().await;

    let mut load = Load::new(stage.spec.ports.0);
    // More conversations than the slow bot may have under way at once.
    for conversation in 0..80 {
        for kind in [Kind::Webhook(1), Kind::Slack] {
            load.incoming(kind, conversation, Duration::from_millis(100));
        }
    }
    for conversation in 0..40 {
        for kind in [Kind::Webhook(0), Kind::Telegram] {
            load.incoming(kind, conversation, Duration::from_millis(50));
        }
    }
    let breaker = |bots: &Value| bot(bots, "dead")["dispatch"]["breaker"]["state"].clone();
    wait_look(&gateway, "/bots", "an open breaker", Duration::from_secs(20), |bots| breaker(bots) == "open")
        .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let book = load.end().await;
    assert!(book.odd.is_empty() && book.refused.is_empty(), "the outside noticed: {book:?}");

    // The healthy bot has all of its own and nothing else, while the others wait.
    let mut healthy = of(&book.acknowledged, Kind::Webhook(0));
    healthy.extend(of(&book.acknowledged, Kind::Telegram));
    assert!(healthy.len() > 80);
    assert_all_arrived(&stage.core, &healthy, Duration::from_secs(20), &|| tail(&stage.spec)).await;
    let strangers: Vec<String> = stage
        .core
        .events()
        .iter()
        .map(|event| event.text().to_owned())
        .filter(|text| {
            !healthy.contains(text) && !text.starts_with("app-one/") && !text.starts_with("shop-telegram/")
        })
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    let bots = look(&gateway, "/bots").await;
    assert_eq!(breaker(&bots), "open", "{bots}");
    assert_eq!(bot(&bots, "support")["dispatch"]["breaker"]["state"], "closed", "{bots}");
    assert!(slow.events().is_empty(), "the slow core has answered nothing");
    assert!(slow.received().len() <= 64, "{} under way at the slow core", slow.received().len());
    assert_eq!(look(&gateway, "/dead-letters").await["items"], json!([]));

    // The dead core comes back, at the address at which it was looked for, and gets what waited.
    let revived = HttpCore::at(dead, slow.secret(), |_| CoreAnswer::done()).await.unwrap();
    let waited = of(&book.acknowledged, Kind::Webhook(1));
    assert!(waited.len() >= 80);
    assert_all_arrived(&revived, &waited, Duration::from_secs(60), &|| tail(&stage.spec)).await;
}
