//! R15: providers that limit, fail, break off, talk nonsense, or know the token no more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::Method;
use portico_tests::gateway::Gateway;
use portico_tests::sim::core::{CoreAnswer, CoreEvent};
use portico_tests::sim::provider::{Fault, Provider};
use portico_tests::sim::telegram::{TelegramOptions, TelegramSim};
use portico_tests::sim::whatsapp::{WhatsAppOptions, WhatsAppSim};
use serde_json::{Value, json};

use super::stage::{FIRST_CHAT, Kind, Stage, admin, look, say, tail, wait_look};

/// A core that answers "send 3 <name>" with "<name> 1", "<name> 2", "<name> 3".
fn sender(event: &CoreEvent) -> CoreAnswer {
    let words: Vec<&str> = event.text().split(' ').collect();
    let ["send", count, name] = words[..] else { return CoreAnswer::done() };
    let texts = (1..=count.parse::<u32>().unwrap()).map(|number| json!({"text": format!("{name} {number}")}));
    CoreAnswer::messages(texts.map(|payload| ("text", payload)))
}

/// Texts that the provider has accepted for a chat, in order.
fn texts(provider: &Provider, chat: u32) -> Vec<String> {
    let to = (FIRST_CHAT + i64::from(chat)).to_string();
    let there = provider.messages().into_iter().filter(|sent| sent.to == to);
    there.map(|sent| sent.body["text"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The deliveries of the bot's messages in the conversation of a chat, by text.
async fn deliveries(gateway: &Gateway, stage: &Stage, chat: u32) -> BTreeMap<String, Value> {
    let to = (FIRST_CHAT + i64::from(chat)).to_string();
    let events = stage.core.events();
    let event = events.iter().find(|event| event.body["conversation"]["tags"]["telegram:chatId"] == *to);
    let path = format!("/bots/support/conversations/{}/messages?limit=500", event.unwrap().conversation());
    // The last answer of the provider may still be on its way into the store.
    let settled = |page: &Value| {
        page["items"].as_array().is_some_and(|all| {
            all.iter().all(|one| one["direction"] != "outgoing" || one["delivery"]["status"] != "pending")
        })
    };
    let page = wait_look(gateway, &path, "all messages settled", Duration::from_secs(20), settled).await;
    let outgoing = page["items"].as_array().unwrap().iter().filter(|one| one["direction"] == "outgoing");
    outgoing
        .map(|one| (one["payload"]["text"].as_str().unwrap_or_default().to_owned(), one["delivery"].clone()))
        .collect()
}

fn refusal(code: u16, description: &str) -> Fault {
    Fault::status(code, json!({"ok": false, "error_code": code, "description": description}).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_fails_gets_each_message_in_order_and_twice_only_where_that_is_marked() {
    let stage = Stage::set(sender, "", "").await;
    let gateway = stage.start().await;
    // What goes wrong with the first message, how often it arrives then, whether that is marked.
    let cases: [(&str, Fault, usize, usize, Option<bool>); 5] = [
        ("failing", refusal(500, "Internal Server Error"), 2, 1, Some(false)),
        ("gateway", Fault::status(502, "<html>Bad Gateway</html>"), 1, 1, None),
        ("reset", Fault::Reset, 1, 1, Some(true)),
        ("doubled", Fault::ResetAfterBody, 1, 2, Some(true)),
        ("login", Fault::Html, 1, 1, None),
    ];
    for (chat, (name, fault, count, times, marked)) in (0..).zip(cases) {
        stage.telegram.fail("sendMessage", fault, count);
        say(&gateway, Kind::Telegram, chat, 1, &format!("send 3 {name}")).await;
        let last = format!("{name} 3");
        stage
            .telegram
            .wait_until(&last, Duration::from_secs(40), |provider| texts(provider, chat).contains(&last))
            .await
            .unwrap_or_else(|why| panic!("{name}: {why:#}\n{}", tail(&stage.spec)));
        let mut expected = vec![format!("{name} 1"); times];
        expected.extend([format!("{name} 2"), last]);
        assert_eq!(texts(&stage.telegram, chat), expected, "{name}");
        let deliveries = deliveries(&gateway, &stage, chat).await;
        for (text, delivery) in &deliveries {
            assert!(delivery["status"] == "sent", "{text}: {delivery}");
            let is_marked = delivery["possibleDuplicate"] == true;
            if text.ends_with(" 1") && marked.is_some() {
                assert_eq!(Some(is_marked), marked, "{text}: {delivery}");
            } else if !text.ends_with(" 1") {
                assert!(!is_marked, "{text}: {delivery}");
            }
        }
        assert_eq!(deliveries.len(), 3);
        stage.telegram.heal();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_limits_are_kept_and_its_retry_after_is_obeyed_to_the_second() {
    // A Telegram that enforces its limits: one message a second in a chat, thirty in all.
    let mut stage = Stage::set(sender, "", "").await;
    let paced = TelegramSim::start(TelegramOptions::default()).await.unwrap();
    stage.spec.config = stage.spec.config.replace(&stage.telegram.url(), &paced.url());
    stage.telegram = paced;
    let gateway = stage.start().await;
    for chat in 0..30 {
        say(&gateway, Kind::Telegram, chat, 1, &format!("send 5 chat-{chat}")).await;
    }
    stage
        .telegram
        .wait_for(150, Duration::from_secs(60))
        .await
        .unwrap_or_else(|why| panic!("{why:#}\n{}", tail(&stage.spec)));
    for chat in 0..30 {
        let expected: Vec<String> = (1..=5).map(|number| format!("chat-{chat} {number}")).collect();
        assert_eq!(texts(&stage.telegram, chat), expected);
    }
    let refused =
        stage.telegram.requests_of("sendMessage").iter().filter(|one| one.status == Some(429)).count();
    assert_eq!(refused, 0, "the stated rate was exceeded");

    // A limit that nobody could foresee.
    stage.telegram.clear();
    let body = json!({
        "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 3",
        "parameters": {"retry_after": 3},
    });
    let limit = Fault::Status {
        code: 429,
        body: body.to_string(),
        headers: vec![("retry-after".into(), "3".into())],
    };
    stage.telegram.fail("sendMessage", limit, 1);
    say(&gateway, Kind::Telegram, 50, 1, "send 3 limited").await;
    stage.telegram.wait_for(3, Duration::from_secs(30)).await.unwrap();
    assert_eq!(texts(&stage.telegram, 50), ["limited 1", "limited 2", "limited 3"]);
    let requests = stage.telegram.requests_of("sendMessage");
    assert_eq!((requests.len(), requests[0].status), (4, Some(429)), "no attempt within the pause");
    let pause = requests[1].at - requests[0].at;
    assert!((2.95..6.0).contains(&pause.as_secs_f64()), "asked for 3 s, came after {pause:?}");
    let deliveries = deliveries(&gateway, &stage, 50).await;
    assert!(deliveries.values().all(|one| one["possibleDuplicate"] != true), "{deliveries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_pauses_the_outbox_until_it_is_resumed_while_messages_still_come_in() {
    let stage = Stage::set(sender, "", "").await;
    let gateway = stage.start().await;
    let attention = |shown: &Value| !shown["attention"].is_null();
    wait_look(&gateway, "/installations/shop-telegram", "registration", Duration::from_secs(10), |it| {
        !attention(it)
    })
    .await;
    stage.telegram.fail("sendMessage", refusal(401, "Unauthorized"), usize::MAX);
    say(&gateway, Kind::Telegram, 1, 1, "send 4 held").await;
    let shown =
        wait_look(&gateway, "/installations/shop-telegram", "attention", Duration::from_secs(20), attention)
            .await;
    assert!(shown["attention"].to_string().contains("unauthenticated"), "{shown}");
    let tries = stage.telegram.requests_of("sendMessage").len();
    assert!(tries <= 2, "{tries} requests with a refused token");

    // What comes in still reaches the core, and what goes out waits without being tried.
    for number in 2..=4 {
        say(&gateway, Kind::Telegram, 1, number, &format!("send 1 later-{number}")).await;
    }
    stage.core.wait_for(4, Duration::from_secs(20)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.telegram.requests_of("sendMessage").len(), tries, "tried while it needs attention");

    stage.telegram.heal();
    let resumed = admin(&gateway, Method::POST, "/installations/shop-telegram/resume", None).await;
    assert_eq!(resumed.status, 200, "{}", resumed.text());
    stage
        .telegram
        .wait_for(7, Duration::from_secs(30))
        .await
        .unwrap_or_else(|why| panic!("{why:#}\n{}", tail(&stage.spec)));
    let expected = ["held 1", "held 2", "held 3", "held 4", "later-2 1", "later-3 1", "later-4 1"];
    assert_eq!(texts(&stage.telegram, 1), expected);
    wait_look(&gateway, "/installations/shop-telegram", "no attention", Duration::from_secs(10), |it| {
        !attention(it)
    })
    .await;
    for delivery in deliveries(&gateway, &stage, 1).await.values() {
        assert!(delivery["status"] == "sent" && delivery["possibleDuplicate"] != true, "{delivery}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_outside_the_providers_window_fails_and_the_core_learns_why() {
    let whatsapp = WhatsAppSim::start(WhatsAppOptions::unpaced()).await.unwrap();
    let options = whatsapp.options().clone();
    let more = format!(
        "[installations.shop-whatsapp]\nbot = \"support\"\nconnector = \"whatsapp\"\n\
         [installations.shop-whatsapp.config]\nphone_number_id = \"{}\"\naccess_token = \"{}\"\napp_secret = \"{}\"\n\
         verify_token = \"verify-token-of-the-fault-tests\"\napi_url = \"{}\"\n",
        options.phone_number_id,
        options.access_token,
        options.app_secret,
        whatsapp.url(),
    );
    let stage = Stage::set(sender, "", &more).await;
    let gateway = stage.start().await;
    let hook = gateway.webhook("shop-whatsapp");
    let within = whatsapp.inbound_text("15550002222", "send 1 within");
    assert!(within.request.send(&hook).await.unwrap().is_success());
    whatsapp
        .wait_for(1, Duration::from_secs(20))
        .await
        .unwrap_or_else(|why| panic!("{why:#}\n{}", tail(&stage.spec)));

    // The person wrote, and the webhook took more than a day.
    let late = whatsapp.inbound_text("15550002222", "send 1 late");
    whatsapp.clock().advance(Duration::from_secs(25 * 3600));
    assert!(late.request.send(&hook).await.unwrap().is_success());
    let failed = |core: &portico_tests::sim::core::Ledger| {
        core.events().into_iter().find(|event| event.kind() == "message_failed")
    };
    stage
        .core
        .wait_until("message_failed", Duration::from_secs(20), |core| failed(core).is_some())
        .await
        .unwrap_or_else(|why| panic!("{why:#}\n{}", tail(&stage.spec)));
    let event = failed(&stage.core).unwrap();
    assert!(event.body.to_string().contains("131047"), "{}", event.body);
    assert_eq!(event.body["message"]["payload"]["text"], "late 1", "{}", event.body);
    assert_eq!(whatsapp.messages().len(), 1);
    let dead = look(&gateway, "/dead-letters?bot=support").await;
    assert_eq!(dead["items"].as_array().map(Vec::len), Some(1), "{dead}");
    assert_eq!(dead["items"][0]["direction"], "outbound", "{dead}");
}

/// A slow provider must not slow down the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_whose_messages_fail_does_not_hold_up_another() {
    let stage = Stage::set(sender, "", "").await;
    let gateway = stage.start().await;
    stage.telegram.fail("sendMessage", Fault::Slow(Duration::from_secs(6)), 1);
    say(&gateway, Kind::Telegram, 1, 1, "send 2 slow").await;
    stage
        .telegram
        .wait_until("the slow request", Duration::from_secs(10), |it| {
            !it.requests_of("sendMessage").is_empty()
        })
        .await
        .unwrap();
    let begun = Instant::now();
    say(&gateway, Kind::Telegram, 2, 1, "send 2 quick").await;
    stage
        .telegram
        .wait_until("the quick chat", Duration::from_secs(10), |it| texts(it, 2).len() == 2)
        .await
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "the quick chat took {:?}", begun.elapsed());
    assert!(texts(&stage.telegram, 1).is_empty());
    stage
        .telegram
        .wait_until("the slow chat", Duration::from_secs(20), |it| texts(it, 1) == ["slow 1", "slow 2"])
        .await
        .unwrap();
}
