//! Who may do what: every operation that `openapi.json` names, with the tokens of two bots, through the real
//! binary.

use http::Method;
use portico_tests::gateway::GatewaySpec;
use portico_tests::sim::client;
use serde_json::{Value, json};

use crate::scene::{Providers, SLACK_USER, bot};

const OTHER: &str = "another-bots-token-0123456789";

async fn ask(method: &Method, url: &str, token: Option<&str>, bot: Option<&str>) -> client::Reply {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
    headers.extend(bot.map(|bot| ("x-bot-id".to_owned(), bot.to_owned())));
    client::send(method.clone(), url, &headers, "{}".into()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_is_open_without_the_bots_own_token() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/runtime-api/openapi.json");
    let description: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let providers = Providers::start().await;
    let config = format!(
        "{}[bots.other]\ntoken = \"{OTHER}\"\ncore = {{ kind = \"echo\" }}\n{}",
        bot("kind = \"echo\""),
        providers.installations()
    );
    let (spec, _folder) = GatewaySpec::temporary(&config).unwrap();
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let mut operations = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        let open = path.starts_with("/media/") || path.starts_with("/files/");
        for (method, _) in item.as_object().unwrap() {
            let Ok(method) = Method::try_from(method.to_ascii_uppercase().as_str()) else { continue };
            let mut url = gateway.spec.public();
            for segment in path.split('/').filter(|segment| !segment.is_empty()) {
                url.push('/');
                url.push_str(if segment.starts_with('{') { "x" } else { segment });
            }
            operations += 1;
            let none = ask(&method, &url, None, Some("support")).await;
            let wrong = ask(&method, &url, Some("wrong"), Some("support")).await;
            let crossed = ask(&method, &url, Some(OTHER), Some("support")).await;
            let expected: &[u16] = if open { &[400, 401, 403, 404, 405] } else { &[401] };
            assert!(expected.contains(&none.status), "{method} {path} without a token: {}", none.status);
            assert!(expected.contains(&wrong.status), "{method} {path} with a wrong token: {}", wrong.status);
            let crossed_ok: &[u16] = if open { expected } else { &[401, 403] };
            assert!(
                crossed_ok.contains(&crossed.status),
                "{method} {path} as another bot: {}",
                crossed.status
            );
        }
    }
    assert!(operations > 30, "{operations} operations");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bot_never_reaches_another_bots_objects() {
    let providers = Providers::start().await;
    let config = format!(
        "{}[bots.other]\ntoken = \"{OTHER}\"\ncore = {{ kind = \"echo\" }}\n{}",
        bot("kind = \"echo\""),
        providers.installations()
    );
    let (spec, _folder) = GatewaySpec::temporary(&config).unwrap();
    let gateway = spec.start().await.unwrap();
    let slack = providers.slack.options();
    let event = json!({
        "type": "event_callback", "team_id": slack.team_id, "event_id": "Ev00000002", "event_time": 1,
        "authorizations": [{"user_id": slack.bot_user_id, "is_bot": true}],
        "event": {
            "type": "message", "user": SLACK_USER, "text": "mine", "ts": crate::scene::slack_ts(),
            "channel": crate::scene::SLACK_DM, "channel_type": "im",
        },
    });
    let request = portico_tests::sim::sign::slack_event(&slack.signing_secret, &event);
    assert_eq!(request.send(&gateway.webhook("slack")).await.unwrap().status, 200);
    providers.slack.wait_for(1, crate::scene::SOON).await.unwrap();
    let base = format!("{}/v1/chat", gateway.spec.public());
    let mine = async |path: &str| {
        ask(&Method::GET, &format!("{base}{path}"), Some(crate::scene::BOT_TOKEN), None).await
    };
    let theirs = async |path: &str| ask(&Method::GET, &format!("{base}{path}"), Some(OTHER), None).await;
    let conversations = mine("/conversations").await.json();
    let conversation = conversations["conversations"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{conversations}"))
        .to_owned();
    let messages = mine(&format!("/messages?conversationId={conversation}")).await.json();
    let incoming = messages["messages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["direction"] == "incoming")
        .unwrap()
        .clone();
    let (message, user) = (incoming["id"].as_str().unwrap(), incoming["userId"].as_str().unwrap());
    for path in [
        format!("/conversations/{conversation}"),
        format!("/conversations/{conversation}/participants"),
        format!("/messages/{message}"),
        format!("/users/{user}"),
    ] {
        assert_eq!(mine(&path).await.status, 200, "{path}");
        let refused = theirs(&path).await;
        assert_eq!(
            (refused.status, refused.json()["type"].clone()),
            (404, json!("ResourceNotFound")),
            "{path}: {}",
            refused.text()
        );
    }
    assert_eq!(theirs("/conversations").await.json()["conversations"], json!([]));
    assert_eq!(
        theirs("/users").await.json()["users"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["id"] != "other")
            .count(),
        0
    );
    let body = json!({"conversationId": conversation, "userId": "other", "type": "text", "payload": {"text": "x"}, "tags": {}});
    let said = crate::scene::call(Method::POST, &format!("{base}/messages"), OTHER, Some(&body)).await;
    assert!([400, 404].contains(&said.status), "{}", said.text());
    assert_eq!(providers.slack.messages().len(), 1);
}
