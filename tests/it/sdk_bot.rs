//! A real, unmodified bot of the public Botpress SDK as the core: it gets its messages and answers through the
//! runtime API while the operation is still open.

use portico_tests::gateway::{GatewaySpec, free_port};
use portico_tests::sim::sign;
use serde_json::json;

use crate::node;
use crate::scene::{
    BOT_TOKEN, Providers, SLACK_DM, SLACK_USER, SOON, TELEGRAM_SECRET, bot, slack_ts, telegram_message,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_bot_answers_slack_telegram_and_whatsapp() {
    let packages = node::folder(node::CLIENTS);
    let providers = Providers::start().await;
    let port = free_port();
    let core = format!("kind = \"botpress\"\nurl = \"http://127.0.0.1:{port}/\"");
    let (spec, folder) =
        GatewaySpec::temporary(&format!("{}{}", bot(&core), providers.installations())).unwrap();
    let environment =
        [("PORT", port.to_string()), ("BP_API_URL", spec.public()), ("BP_TOKEN", BOT_TOKEN.to_owned())];
    let health = format!("http://127.0.0.1:{port}/health");
    let log = folder.path().join("bot.log");
    let bot = node::Server::start(&packages, "echo-bot.mjs", &environment, &health, &log).await;
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let explain = |error: anyhow::Error| -> ! {
        panic!("{error:#}\n--- the bot ---\n{}\n--- the gateway ---\n{}", bot.log(), gateway.spec.log())
    };

    let slack = providers.slack.options();
    let event = json!({
        "type": "event_callback", "team_id": slack.team_id, "api_app_id": "A00SIMAPP01", "event_id": "Ev00000001",
        "event_time": sign::now(), "authorizations": [{"user_id": slack.bot_user_id, "is_bot": true}],
        "event": {
            "type": "message", "user": SLACK_USER, "text": "hello *Slack* & all", "ts": slack_ts(),
            "channel": SLACK_DM, "channel_type": "im",
        },
    });
    let request = sign::slack_event(&slack.signing_secret, &event);
    assert_eq!(request.send(&gateway.webhook("slack")).await.unwrap().status, 200);
    match providers.slack.wait_for(1, SOON).await {
        Ok(sent) => {
            assert_eq!((sent[0].kind.as_str(), sent[0].to.as_str()), ("chat.postMessage", SLACK_DM));
            assert_eq!(sent[0].body["text"], "hello *Slack* &amp; all");
        }
        Err(error) => explain(error),
    }

    let update =
        json!({"update_id": 41, "message": telegram_message(77, json!({"text": "Grüße 👋 Telegram"}))});
    let request = sign::telegram(TELEGRAM_SECRET, &update);
    assert_eq!(request.send(&gateway.webhook("telegram")).await.unwrap().status, 200);
    match providers.telegram.wait_for(1, SOON).await {
        Ok(sent) => {
            assert_eq!((&sent[0].body["text"], sent[0].to.as_str()), (&json!("Grüße 👋 Telegram"), "77"))
        }
        Err(error) => explain(error),
    }

    let inbound = providers.whatsapp.inbound_text("491701234567", "hello WhatsApp");
    assert_eq!(inbound.request.send(&gateway.webhook("whatsapp")).await.unwrap().status, 200);
    match providers.whatsapp.wait_for(1, SOON).await {
        Ok(sent) => {
            assert_eq!((sent[0].kind.as_str(), sent[0].to.as_str()), ("text", "491701234567"));
            assert_eq!(sent[0].body["text"]["body"], "hello WhatsApp");
        }
        Err(error) => explain(error),
    }
    drop(gateway);
}
