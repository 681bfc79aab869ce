//! The public clients `@botpress/chat` and `@botpress/webchat-client` hold whole conversations with an unmodified bot
//! of the public SDK, through the real binary.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portico_tests::gateway::{Gateway, GatewaySpec, free_port};
use portico_tests::sim::client;
use portico_tests::sim::server::{Answer, Handler, RawRequest, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node;
use crate::scene::{BOT_TOKEN, SOON, bot};

/// What the installation `signed` has as its encryption key.
const CHAT_KEY: &str = "encryption-key-of-the-tests-0123456789";
/// What the installation `site` has as its admin secret.
const ADMIN_SECRET: &str = "admin-secret-of-the-tests-0123456789";

/// A gateway with two chats and a webchat, and the bot behind it.
struct Live {
    gateway: Gateway,
    bot: node::Server,
    _folder: TempDir,
}

impl Live {
    async fn start() -> Self {
        let packages = node::folder(node::CLIENTS);
        let port = free_port();
        let core = format!("kind = \"botpress\"\nurl = \"http://127.0.0.1:{port}/\"");
        let installations = r#"
[installations.backend]
bot = "support"
connector = "chat"
[installations.signed]
bot = "support"
connector = "chat"
alias = "signed"
[installations.signed.config]
encryption_key = "${CHAT_KEY}"
[installations.site]
bot = "support"
connector = "webchat"
[installations.site.config]
origins = ["https://shop.example"]
admin_secret = "${ADMIN_SECRET}"
"#;
        // The clients call as fast as they can; a bot that answers each call needs room for that.
        let limits = "[limits.api]\nrate = \"2000/s burst 4000\"\n";
        let (mut spec, folder) =
            GatewaySpec::temporary(&format!("{limits}{}{installations}", bot(&core))).unwrap();
        spec.env.push(("CHAT_KEY".into(), CHAT_KEY.into()));
        spec.env.push(("ADMIN_SECRET".into(), ADMIN_SECRET.into()));
        let environment =
            [("PORT", port.to_string()), ("BP_API_URL", spec.public()), ("BP_TOKEN", BOT_TOKEN.to_owned())];
        let health = format!("http://127.0.0.1:{port}/health");
        let log = folder.path().join("bot.log");
        let bot = node::Server::start(&packages, "live-bot.mjs", &environment, &health, &log).await;
        let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { gateway, bot, _folder: folder }
    }

    async fn run(&self, script: &str, environment: &[(&str, String)]) {
        let packages = node::folder(node::CLIENTS);
        let said = node::run(&packages, script, environment, "").await;
        let groups = said.lines().filter(|line| line.starts_with("ok: ")).count();
        assert!(groups >= 6, "{said}\n--- the bot ---\n{}", self.bot.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_client_gets_what_it_expects_from_every_operation() {
    let live = Live::start().await;
    let public = live.gateway.spec.public();
    let environment = [
        ("PORTICO_CHAT", format!("{public}/chat/backend")),
        ("PORTICO_CHAT_SIGNED", format!("{public}/chat/signed")),
        ("PORTICO_CHAT_KEY", CHAT_KEY.to_owned()),
        ("PORTICO_BOT", "support".to_owned()),
        // Longer than the 5 s after which Node gives a silent connection up.
        ("PORTICO_SILENCE", "8".to_owned()),
    ];
    live.run("chat.mjs", &environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webchat_client_gets_what_it_expects_from_every_operation() {
    let live = Live::start().await;
    let environment = [
        ("PORTICO_WEBCHAT", format!("{}/webchat-api", live.gateway.spec.public())),
        ("PORTICO_CLIENT", "site".to_owned()),
        ("PORTICO_ADMIN", ADMIN_SECRET.to_owned()),
        ("PORTICO_BOT", "support".to_owned()),
        ("PORTICO_SILENCE", "8".to_owned()),
    ];
    live.run("webchat.mjs", &environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_lives_through_a_crash_and_speaks_over_a_websocket() {
    let Live { gateway, bot, _folder } = Live::start().await;
    let base = format!("{}/chat/backend", gateway.spec.public());
    let made = client::post_json(&format!("{base}/users"), &[], &json!({ "id": "ada" })).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let headers = [("x-user-key".to_owned(), key.clone())];
    let room = json!({ "id": "room" });
    let opened = client::post_json(&format!("{base}/conversations"), &headers, &room).await.unwrap();
    assert_eq!(opened.status, 201, "{}", opened.text());
    let say = async |text: &str| {
        let new = json!({ "conversationId": "room", "payload": { "type": "text", "text": text } });
        let said = client::post_json(&format!("{base}/messages"), &headers, &new).await.unwrap();
        assert_eq!(said.status, 201, "{}", said.text());
        said.json()["message"]["id"].as_str().unwrap().to_owned()
    };
    let kept = say("quiet before the crash").await;
    let spec = gateway.kill().unwrap();
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    // The key, both ids and what was answered are as they were.
    let listed = client::get(&format!("{base}/conversations/room/messages"), &headers).await.unwrap();
    assert_eq!(listed.json()["messages"][0]["id"], kept.as_str(), "{}", listed.text());

    let port = gateway.spec.ports.0;
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let question = format!(
        "GET /chat/backend/conversations/room/listen?x-user-key={key} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(question.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    let said = say("Grüße 👋").await;
    let own = text_frame(&mut socket).await;
    assert_eq!((&own["type"], &own["data"]["id"]), (&json!("message_created"), &json!(said)));
    let reply = text_frame(&mut socket).await;
    assert_eq!(reply["data"]["payload"]["text"], "Grüße 👋", "{}", bot.log());
    assert_eq!((&reply["data"]["userId"], &reply["data"]["isBot"]), (&json!("support"), &json!(true)));
}

/// What the webhook's receiver took: secret and signal.
type Taken = Arc<Mutex<Vec<(String, Value)>>>;

/// A receiver on a port of the test's choice.
async fn receiver(port: u16, taken: &Taken) -> Server {
    let taken = taken.clone();
    let handler: Handler = Arc::new(move |request: RawRequest| {
        let taken = taken.clone();
        Box::pin(async move {
            if request.path != "/signals/" {
                return Answer::empty(404);
            }
            let secret = request.header("x-secret-key").unwrap_or_default().to_owned();
            taken.lock().unwrap().push((secret, request.json().unwrap()));
            Answer::empty(204)
        })
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    Server::serve(listener, handler).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_webhooks_receiver_missed_is_told_after_a_crash_in_order() {
    let port = free_port();
    let installation = format!(
        "[installations.backend]\nbot = \"support\"\nconnector = \"chat\"\n[installations.backend.config]\n\
         webhook_url = \"http://127.0.0.1:{port}/signals\"\nwebhook_secret = \"${{HOOK_SECRET}}\"\n"
    );
    let config = format!("{}{installation}", bot("kind = \"echo\""));
    let (mut spec, _folder) = GatewaySpec::temporary(&config).unwrap();
    spec.env.push(("HOOK_SECRET".into(), "a secret of the receiver".into()));
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let base = format!("{}/chat/backend", gateway.spec.public());
    let made = client::post_json(&format!("{base}/users"), &[], &json!({ "id": "ada" })).await.unwrap();
    let headers = [("x-user-key".to_owned(), made.json()["key"].as_str().unwrap().to_owned())];
    client::post_json(&format!("{base}/conversations"), &headers, &json!({ "id": "room" })).await.unwrap();
    // Nobody listens there yet, and the chat does not wait for that.
    for number in 0..10 {
        let payload = json!({ "type": "text", "text": number.to_string() });
        let new = json!({ "conversationId": "room", "payload": payload });
        let said = client::post_json(&format!("{base}/messages"), &headers, &new).await.unwrap();
        assert_eq!(said.status, 201, "{}", said.text());
    }
    let listed = async || {
        let path = format!("{base}/conversations/room/messages");
        let listed = client::get(&path, &headers).await.unwrap().json()["messages"].clone();
        let mut ids: Vec<String> =
            listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let echoed = async {
        while listed().await.len() < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, echoed).await.expect("the bot did not answer");
    let spec = gateway.kill().unwrap();
    let taken = Taken::default();
    let _receiver = receiver(port, &taken).await;
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let ids = || {
        let taken = taken.lock().unwrap();
        let mut ids = Vec::new();
        for (secret, signal) in taken.iter() {
            assert_eq!(
                (secret.as_str(), &signal["type"]),
                ("a secret of the receiver", &json!("message_created"))
            );
            let id = signal["data"]["id"].as_str().unwrap().to_owned();
            // Told twice is allowed, directly behind the first time.
            if ids.last() != Some(&id) {
                ids.push(id);
            }
        }
        ids
    };
    let all = async {
        while ids().len() < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, all).await.is_ok(), "{:?}\n{}", ids(), gateway.spec.log());
    let order = |ids: &[String], from: &str| -> Vec<String> {
        let taken = taken.lock().unwrap();
        let text = |id: &str| {
            let found = taken.iter().find(|(_, signal)| signal["data"]["id"] == id).map(|(_, signal)| signal);
            let data = &found.unwrap()["data"];
            (data["isBot"] == (from == "bot")).then(|| data["payload"]["text"].as_str().unwrap().to_owned())
        };
        ids.iter().filter_map(|id| text(id)).collect()
    };
    let told = ids();
    let numbers: Vec<String> = (0..10).map(|number: u32| number.to_string()).collect();
    assert_eq!(order(&told, "ada"), numbers);
    assert_eq!(order(&told, "bot").len(), 10);
    let mut sorted = told;
    sorted.sort();
    assert_eq!(sorted, listed().await);
}

/// The next text frame that a server sends, as JSON.
async fn text_frame(socket: &mut TcpStream) -> Value {
    let read = async {
        loop {
            let (first, second) = (socket.read_u8().await.unwrap(), socket.read_u8().await.unwrap());
            let length = match second {
                126 => usize::from(socket.read_u16().await.unwrap()),
                small => usize::from(small),
            };
            let mut data = vec![0; length];
            socket.read_exact(&mut data).await.unwrap();
            // Signs of life are texts, too.
            if first == 0x81 && data != b"ping" {
                return serde_json::from_slice(&data).unwrap();
            }
        }
    };
    tokio::time::timeout(SOON, read).await.expect("no frame came")
}
