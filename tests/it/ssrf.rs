//! Addresses that the gateway's own requests must not reach, through the real binary: a listening canary stays
//! untouched, and a provider's token goes to the provider only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use parking_lot::Mutex;
use portico_tests::gateway::GatewaySpec;
use portico_tests::sim::client;
use portico_tests::sim::core::{CoreAnswer, HttpCore};
use portico_tests::sim::server::{Answer, Answering, Handler, RawRequest, Server};
use portico_tests::sim::sign;
use serde_json::json;
use tokio::net::TcpListener;

use crate::scene::{
    BOT_TOKEN, Providers, SLACK_DM, SLACK_USER, SOON, Scene, TELEGRAM_SECRET, bot, call, http_core, slack_ts,
    telegram_message,
};

/// Listens on every address of this machine and counts who comes.
struct Canary {
    port: u16,
    touched: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> Self {
        let touched = Arc::<AtomicUsize>::default();
        let listener = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut listeners = vec![listener];
        // Where there is IPv6.
        listeners.extend(TcpListener::bind(("::1", port)).await.ok());
        for listener in listeners {
            let count = touched.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    count.fetch_add(1, Ordering::SeqCst);
                    drop(stream);
                }
            });
        }
        Self { port, touched }
    }

    fn touched(&self) -> usize {
        self.touched.load(Ordering::SeqCst)
    }
}

/// A gateway that may not go to private addresses, save those that `allowed` names.
fn guarded(config: &str, allowed: &[String]) -> (GatewaySpec, tempfile::TempDir) {
    let (mut spec, folder) = GatewaySpec::temporary(config).unwrap();
    spec.env.push(("PORTICO_SERVER__ALLOW_PRIVATE_NETWORKS".into(), "false".into()));
    if !allowed.is_empty() {
        spec.env.push(("PORTICO_SERVER__ALLOWED_HOSTS".into(), allowed.join(",")));
    }
    (spec, folder)
}

fn host(url: &str) -> String {
    url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_forbidden_address_reaches_the_canary() {
    let canary = Canary::start().await;
    let port = canary.port;
    let providers = Providers::start().await;
    let core = HttpCore::start(|_| CoreAnswer::done()).await.unwrap();
    let (spec, _folder) = guarded(&format!("{}{}", bot(&http_core(&core)), providers.installations()), &[]);
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let url = format!("{}/v1/chat/actions", gateway.spec.public());
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.255.255.254",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "user@127.0.0.1",
        "user:password@127.0.0.1",
        "example.com@127.0.0.1",
        "127.0.0.1%2f",
        "１２７.0.0.1",
        "127。0。0。1",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fc00::1]",
        "224.0.0.1",
        "255.255.255.255",
        "metadata.google.internal",
    ];
    for host in hosts {
        for scheme in ["http", "https"] {
            let target = format!("{scheme}://{host}:{port}/latest/meta-data");
            let body = json!({"type": "webhook:callWebhook", "input": {"url": target, "method": "GET", "timeoutMs": 3000}});
            let reply = call(Method::POST, &url, BOT_TOKEN, Some(&body)).await;
            assert!((400..=504).contains(&reply.status), "{target}: {}", reply.text());
            assert_eq!(canary.touched(), 0, "{target} reached the canary: {}", reply.text());
        }
    }
    for odd in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:1/",
        "//127.0.0.1/",
        "javascript:1",
        "",
        "http://",
        "unix:/run/x",
    ] {
        let body = json!({"type": "webhook:callWebhook", "input": {"url": odd, "method": "GET"}});
        let reply = call(Method::POST, &url, BOT_TOKEN, Some(&body)).await;
        assert!((400..500).contains(&reply.status), "{odd}: {} {}", reply.status, reply.text());
        assert!(!reply.text().contains("root:"), "{odd}");
    }
    assert_eq!(canary.touched(), 0);
    // The core is where the operator said, and is reached all the same; the simulators are not.
    let update = json!({"update_id": 1, "message": telegram_message(77, json!({"text": "hello"}))});
    assert_eq!(
        sign::telegram(TELEGRAM_SECRET, &update).send(&gateway.webhook("telegram")).await.unwrap().status,
        200
    );
    core.wait_for(1, SOON).await.unwrap();
    assert!(providers.telegram.requests().is_empty() && providers.slack.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_from_an_allowed_host_does_not_reach_the_canary() {
    let canary = Canary::start().await;
    let port = canary.port;
    let handler: Handler = Arc::new(move |_| -> Answering {
        Box::pin(
            async move { Answer::empty(302).with_header("location", format!("http://127.0.0.1:{port}/")) },
        )
    });
    let server = Server::start(handler).await.unwrap();
    let providers = Providers::start().await;
    let allowed = [host(&server.url())];
    let (spec, _folder) =
        guarded(&format!("{}{}", bot("kind = \"echo\""), providers.installations()), &allowed);
    let gateway = spec.start().await.unwrap();
    let body = json!({"type": "webhook:callWebhook", "input": {"url": server.url(), "method": "GET"}});
    let reply =
        call(Method::POST, &format!("{}/v1/chat/actions", gateway.spec.public()), BOT_TOKEN, Some(&body))
            .await;
    // It is told that there was a redirect, or that it was refused; it is not led on.
    assert!(!reply.is_success() || reply.json()["output"]["status"] == 302, "{}", reply.text());
    assert_eq!(canary.touched(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_a_bot_names_is_not_fetched_from_a_forbidden_address() {
    let canary = Canary::start().await;
    let port = canary.port;
    let core = HttpCore::start(move |event| match event.kind() {
        "message_created" => CoreAnswer::messages([(
            "file",
            json!({"fileUrl": format!("http://127.0.0.1:{port}/secret.pdf"), "title": "secret.pdf"}),
        )]),
        _ => CoreAnswer::done(),
    })
    .await
    .unwrap();
    let providers = Providers::start().await;
    let allowed = [host(&providers.slack.url())];
    let (spec, _folder) =
        guarded(&format!("{}{}", bot(&http_core(&core)), providers.installations()), &allowed);
    let gateway = spec.start().await.unwrap();
    let slack = providers.slack.options();
    let event = json!({
        "type": "event_callback", "team_id": slack.team_id, "event_id": "Ev00000009", "event_time": sign::now(),
        "authorizations": [{"user_id": slack.bot_user_id, "is_bot": true}],
        "event": {"type": "message", "user": SLACK_USER, "text": "go", "ts": slack_ts(), "channel": SLACK_DM, "channel_type": "im"},
    });
    let reply =
        sign::slack_event(&slack.signing_secret, &event).send(&gateway.webhook("slack")).await.unwrap();
    assert_eq!(reply.status, 200);
    let failed = |core: &portico_tests::sim::core::Ledger| {
        core.events().iter().any(|event| event.kind() == "message_failed")
    };
    let waited = core.wait_until("the message to fail, or a link in its place", SOON, |core| {
        failed(core) || !providers.slack.messages().is_empty()
    });
    waited.await.unwrap_or_else(|error| panic!("{error}\n{}", gateway.spec.log()));
    assert_eq!(canary.touched(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_token_goes_to_the_provider_only() {
    let seen: Arc<Mutex<Vec<RawRequest>>> = Arc::default();
    let book = seen.clone();
    let handler: Handler = Arc::new(move |request| -> Answering {
        book.lock().push(request);
        Box::pin(async { Answer::text(200, "image/png", crate::files::PNG) })
    });
    let elsewhere = Server::start(handler).await.unwrap();
    let scene = Scene::silent().await;
    let mut file = scene.providers.slack.add_file("a.png", "image/png", crate::files::PNG);
    // Another port of the same machine is another host.
    file["url_private"] = json!(format!("{}/a.png", elsewhere.url()));
    file["url_private_download"] = json!(format!("{}/a.png?download=1", elsewhere.url()));
    let message = json!({
        "type": "message", "subtype": "file_share", "user": SLACK_USER, "text": "", "ts": slack_ts(), "channel": SLACK_DM,
        "channel_type": "im", "files": [file],
    });
    scene.accepted("slack", &scene.slack_event(message)).await;
    let event = scene.nth_event(1).await;
    if let Some(link) =
        event.body["message"]["payload"]["imageUrl"].as_str().filter(|link| link.contains("/media/"))
    {
        drop(client::get(link, &[]).await.unwrap());
    }
    let token = &scene.providers.slack.options().bot_token;
    for request in seen.lock().iter() {
        let all = format!("{request:?}");
        assert!(!all.contains(token.as_str()), "the token left for {}: {all}", elsewhere.url());
    }
}
