use http::Method;

use super::entities::html;
use super::*;
use crate::sim::client::{self, Reply};
use crate::sim::core::{CoreAnswer, Outcome};
use crate::sim::provider::Fault;
use crate::sim::server::Handler;

async fn start() -> TelegramSim {
    let off = TelegramOptions { retry_base: Duration::from_millis(1), ..TelegramOptions::unpaced() };
    TelegramSim::start(off).await.unwrap()
}

async fn post(sim: &TelegramSim, method: &str, body: Value) -> Reply {
    let url = format!("{}/bot{}/{method}", sim.url(), sim.options().token);
    client::post_json(&url, &[], &body).await.unwrap()
}

/// The result of a call that must succeed.
async fn ok(sim: &TelegramSim, method: &str, body: Value) -> Value {
    let reply = post(sim, method, body).await.json();
    assert_eq!(reply["ok"], true, "{reply}");
    reply["result"].clone()
}

/// The description of a call that must be refused with this code.
async fn refused(sim: &TelegramSim, code: u16, method: &str, body: Value) -> String {
    let reply = post(sim, method, body).await;
    let json = reply.json();
    assert_eq!(
        (reply.status, &json["ok"], &json["error_code"]),
        (code, &json!(false), &json!(code)),
        "{json}"
    );
    json["description"].as_str().unwrap_or_default().to_owned()
}

/// A webhook that answers its deliveries in turn, the last answer for ever.
async fn webhook(answers: Vec<CoreAnswer>) -> (Server, Arc<Mutex<Vec<RawRequest>>>) {
    let seen: Arc<Mutex<Vec<RawRequest>>> = Arc::default();
    let book = seen.clone();
    let handler: Handler = Arc::new(move |request| {
        let mut book = book.lock();
        book.push(request);
        let outcome = answers.get(book.len() - 1).or(answers.last()).map(|answer| answer.outcome.clone());
        Box::pin(async move {
            match outcome {
                Some(Outcome::Status(code)) => Answer::empty(code),
                Some(Outcome::Json(code, body)) => Answer::json(code, &body),
                Some(Outcome::Raw(code, headers, _)) => Answer { headers, ..Answer::empty(code) },
                Some(Outcome::Reset) | None => Answer::reset(),
            }
        })
    });
    (Server::start(handler).await.unwrap(), seen)
}

#[test]
fn html_is_parsed_with_the_servers_own_messages() {
    let parsed =
        html("<b>bold <i>both</i></b> &lt;&#x1F600;&amp; <a href=\"https://e.com/?a=1&amp;b=2\">l</a>")
            .unwrap();
    assert_eq!(parsed.text, "bold both <😀& l");
    assert_eq!(
        parsed.entities,
        [
            json!({"type": "bold", "offset": 0, "length": 9}),
            json!({"type": "italic", "offset": 5, "length": 4}),
            json!({"type": "text_link", "offset": 15, "length": 1, "url": "https://e.com/?a=1&b=2"}),
        ]
    );
    let code = html("<pre><code class=\"language-rust\">fn</code></pre>").unwrap();
    assert_eq!(code.entities, [json!({"type": "pre", "offset": 0, "length": 2, "language": "rust"})]);
    assert!(html("<blockquote expandable>q</blockquote><tg-spoiler>s</tg-spoiler>").is_ok());
    for (source, fault) in [
        ("<div>x</div>", "Unsupported start tag \"div\" at byte offset 0"),
        ("é<br>", "Unsupported start tag \"br\" at byte offset 2"),
        ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
        ("a < b", "Unsupported start tag \"\" at byte offset 2"),
        ("a <3", "Unclosed start tag at byte offset 2"),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b><i>x</b></i>", "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\""),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<span class=\"x\">a</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
        ("<a href=\"x>a</a>", "Unclosed start tag \"a\" at byte offset 0"),
    ] {
        assert_eq!(html(source).unwrap_err(), fault, "{source}");
    }
}

#[test]
fn markdown_v2_refuses_what_is_not_escaped() {
    let parsed = markdown::v2("*a* _b_ [l](https://e.com) `c.` x\\.").unwrap();
    assert_eq!(parsed.text, "a b l c. x.");
    let kinds: Vec<_> =
        parsed.entities.iter().map(|entity| entity["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["bold", "italic", "text_link", "code"]);
    let reserved = "Character '.' is reserved and must be escaped with the preceding '\\'";
    assert_eq!(markdown::v2("a.").unwrap_err(), reserved);
    assert_eq!(markdown::v2("*a").unwrap_err(), "Can't find end of Bold entity at byte offset 0");
    assert!(markdown::v2("```rust\nlet x = 1.0;\n```").is_ok());
}

#[tokio::test]
async fn the_token_is_in_the_path() {
    let sim = start().await;
    assert_eq!(ok(&sim, "getMe", json!({})).await["username"], "portico_sim_bot");
    let wrong = client::get(&format!("{}/bot1:x/getMe", sim.url()), &[]).await.unwrap();
    assert_eq!(wrong.json(), json!({"ok": false, "error_code": 401, "description": "Unauthorized"}));
    assert_eq!(refused(&sim, 404, "noSuchMethod", json!({})).await, "Not Found");
}

#[tokio::test]
async fn texts_have_1_to_4096_utf16_units_after_parsing() {
    let sim = start().await;
    let long = format!("<b>{}</b>", "😀".repeat(2048));
    let sent = ok(&sim, "sendMessage", json!({"chat_id": 5, "text": long, "parse_mode": "HTML"})).await;
    assert_eq!(sent["entities"][0]["length"], 4096);
    let body = json!({"chat_id": 5, "text": "😀".repeat(2049)});
    assert_eq!(refused(&sim, 400, "sendMessage", body).await, "Bad Request: message is too long");
    for text in ["", "  \n", "<b></b>"] {
        let body = json!({"chat_id": 5, "text": text, "parse_mode": "HTML"});
        assert_eq!(refused(&sim, 400, "sendMessage", body).await, "Bad Request: message text is empty");
    }
    let bad = json!({"chat_id": 5, "text": "<h1>x</h1>", "parse_mode": "HTML"});
    let told = refused(&sim, 400, "sendMessage", bad).await;
    assert_eq!(told, "Bad Request: can't parse entities: Unsupported start tag \"h1\" at byte offset 0");
    let none = json!({"chat_id": 5, "text": "<h1>x</h1>"});
    assert_eq!(ok(&sim, "sendMessage", none).await["text"], "<h1>x</h1>");
    let mode = json!({"chat_id": 5, "text": "x", "parse_mode": "rtf"});
    assert_eq!(refused(&sim, 400, "sendMessage", mode).await, "Bad Request: unsupported parse_mode");
    assert_eq!(
        refused(&sim, 400, "sendMessage", json!({"text": "x"})).await,
        "Bad Request: chat_id is empty"
    );
    assert_eq!(sim.messages().len(), 2);
}

#[tokio::test]
async fn keyboards_keep_their_limits() {
    let sim = start().await;
    let send =
        |keyboard: Value| json!({"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": keyboard}});
    let button = |data: &str| json!({"text": "b", "callback_data": data});
    let right = [
        json!([[button(&"x".repeat(64))]]),
        json!([vec![button("a"); 8]]),
        json!(vec![[button("a")]; 100]),
        json!([[{"text": "u", "url": "https://e.com/a"}, {"text": "t", "url": "tg://user?id=1"}]]),
    ];
    for keyboard in right {
        assert!(ok(&sim, "sendMessage", send(keyboard)).await["reply_markup"].is_object());
    }
    let wrong = [
        (json!([[button(&"é".repeat(33))]]), "BUTTON_DATA_INVALID"),
        (json!([[button("")]]), "BUTTON_DATA_INVALID"),
        (json!([vec![button("a"); 9]]), "REPLY_MARKUP_TOO_LONG"),
        (json!(vec![[button("a")]; 101]), "REPLY_MARKUP_TOO_LONG"),
        (json!([[{"text": "u", "url": "javascript://e.com"}]]), "Unsupported URL protocol"),
        (json!([[{"text": "u", "url": "http://localhost/"}]]), "Wrong HTTP URL"),
        (json!([[{"text": "", "callback_data": "a"}]]), "Text buttons are unallowed"),
        (json!([[{"text": "a"}]]), "Text buttons are unallowed"),
    ];
    for (keyboard, part) in wrong {
        let told = refused(&sim, 400, "sendMessage", send(keyboard)).await;
        assert!(told.contains(part), "{told} does not say {part}");
    }
    // A form carries the keyboard as a string of JSON.
    let string = json!({"chat_id": "5", "text": "x", "reply_markup": "{\"inline_keyboard\":[[{\"text\":\"a\",\"callback_data\":\"b\"}]]}"});
    ok(&sim, "sendMessage", string).await;
}

#[tokio::test]
async fn media_is_a_link_a_known_file_or_an_upload() {
    let sim = start().await;
    let photo = json!({"chat_id": 5, "photo": "https://e.com/a.png", "caption": "c".repeat(1024)});
    let sent = ok(&sim, "sendPhoto", photo).await;
    let id = sent["photo"][0]["file_id"].clone();
    ok(&sim, "sendPhoto", json!({"chat_id": 5, "photo": id})).await;
    let long = json!({"chat_id": 5, "photo": id, "caption": "c".repeat(1025)});
    assert_eq!(refused(&sim, 400, "sendPhoto", long).await, "Bad Request: message caption is too long");
    let unknown = refused(&sim, 400, "sendVideo", json!({"chat_id": 5, "video": "nonsense"})).await;
    assert!(unknown.contains("wrong remote file identifier"), "{unknown}");
    let none = refused(&sim, 400, "sendAudio", json!({"chat_id": 5})).await;
    assert_eq!(none, "Bad Request: there is no audio in the request");
    sim.refuse_links("gone.example", "failed to get HTTP URL content");
    let gone = json!({"chat_id": 5, "document": "https://gone.example/a.pdf"});
    assert_eq!(refused(&sim, 400, "sendDocument", gone).await, "Bad Request: failed to get HTTP URL content");
    for (method, field) in
        [("sendVoice", "voice"), ("sendAnimation", "animation"), ("sendSticker", "sticker")]
    {
        ok(&sim, method, json!({"chat_id": 5, field: "https://e.com/file"})).await;
    }
    let body = "--B\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n5\r\n--B\r\nContent-Disposition: form-data; \
                name=\"document\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--B--\r\n";
    let url = format!("{}/bot{}/sendDocument", sim.url(), sim.options().token);
    let multipart = [("content-type".to_owned(), "multipart/form-data; boundary=B".to_owned())];
    let reply = client::send(Method::POST, &url, &multipart, body.into()).await.unwrap().json();
    let file = ok(&sim, "getFile", json!({"file_id": reply["result"]["document"]["file_id"]})).await;
    let path = file["file_path"].as_str().unwrap();
    let link = format!("{}/file/bot{}/{path}", sim.url(), sim.options().token);
    assert_eq!(client::get(&link, &[]).await.unwrap().text(), "hello");
    let stranger = format!("{}/file/bot1:x/{path}", sim.url());
    assert_eq!(client::get(&stranger, &[]).await.unwrap().status, 401);
    assert_eq!(sim.messages().last().unwrap().files[0].name, "a.txt");
    let big = sim.add_file("big.bin", vec![0; 20 * 1024 * 1024 + 1]);
    assert_eq!(refused(&sim, 400, "getFile", json!({"file_id": big})).await, "Bad Request: file is too big");
}

#[tokio::test]
async fn albums_places_contacts_and_actions() {
    let sim = start().await;
    let item = |kind: &str| json!({"type": kind, "media": "https://e.com/x"});
    let album =
        ok(&sim, "sendMediaGroup", json!({"chat_id": 5, "media": [item("photo"), item("video")]})).await;
    assert_eq!(album[0]["media_group_id"], album[1]["media_group_id"]);
    refused(&sim, 400, "sendMediaGroup", json!({"chat_id": 5, "media": [item("photo")]})).await;
    refused(&sim, 400, "sendMediaGroup", json!({"chat_id": 5, "media": [item("photo"), item("audio")]}))
        .await;
    ok(&sim, "sendLocation", json!({"chat_id": 5, "latitude": 1.5, "longitude": "2"})).await;
    refused(&sim, 400, "sendLocation", json!({"chat_id": 5, "latitude": 91, "longitude": 2})).await;
    let venue = json!({"chat_id": 5, "latitude": 1, "longitude": 2, "title": "T", "address": "A"});
    assert_eq!(ok(&sim, "sendVenue", venue).await["venue"]["title"], "T");
    refused(&sim, 400, "sendVenue", json!({"chat_id": 5, "latitude": 1, "longitude": 2})).await;
    ok(&sim, "sendContact", json!({"chat_id": 5, "phone_number": "+1", "first_name": "A"})).await;
    assert_eq!(ok(&sim, "sendChatAction", json!({"chat_id": 5, "action": "typing"})).await, true);
    refused(&sim, 400, "sendChatAction", json!({"chat_id": 5, "action": "dancing"})).await;
    assert_eq!(sim.messages().len(), 5, "typing is no message");
}

#[tokio::test]
async fn edits_reactions_and_callbacks_have_their_rules() {
    let sim = start().await;
    let sent = ok(&sim, "sendMessage", json!({"chat_id": 5, "text": "a"})).await;
    let id = sent["message_id"].as_i64().unwrap();
    let edit = json!({"chat_id": 5, "message_id": id, "text": "b"});
    assert_eq!(ok(&sim, "editMessageText", edit.clone()).await["text"], "b");
    assert!(
        refused(&sim, 400, "editMessageText", edit).await.starts_with("Bad Request: message is not modified")
    );
    let users = json!({"chat_id": 5, "message_id": 12, "text": "b"});
    assert_eq!(refused(&sim, 400, "editMessageText", users).await, "Bad Request: message can't be edited");
    let markup = json!({"chat_id": 5, "message_id": id, "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}});
    ok(&sim, "editMessageReplyMarkup", markup).await;
    let react = |emoji: &str| json!({"chat_id": 5, "message_id": 12, "reaction": [{"type": "emoji", "emoji": emoji}]});
    ok(&sim, "setMessageReaction", react("👍")).await;
    ok(&sim, "setMessageReaction", json!({"chat_id": 5, "message_id": 12, "reaction": []})).await;
    assert_eq!(refused(&sim, 400, "setMessageReaction", react("🧀")).await, "Bad Request: REACTION_INVALID");
    ok(&sim, "answerCallbackQuery", json!({"callback_query_id": "q1"})).await;
    assert!(sim.answered_callbacks().contains("q1"));
    sim.expire_callback("q2");
    let old = refused(&sim, 400, "answerCallbackQuery", json!({"callback_query_id": "q2"})).await;
    assert!(old.starts_with("Bad Request: query is too old"), "{old}");
    refused(&sim, 400, "answerCallbackQuery", json!({"callback_query_id": "q1", "text": "x".repeat(201)}))
        .await;
    let gone = json!({"chat_id": 5, "message_id": id});
    ok(&sim, "deleteMessage", gone.clone()).await;
    assert_eq!(refused(&sim, 400, "deleteMessage", gone).await, "Bad Request: message to delete not found");
    let reply = json!({"chat_id": 5, "text": "r", "reply_parameters": {"message_id": id}});
    assert_eq!(
        refused(&sim, 400, "sendMessage", reply).await,
        "Bad Request: message to be replied not found"
    );
    let lenient = json!({"chat_id": 5, "text": "r", "reply_parameters": {"message_id": id, "allow_sending_without_reply": true}});
    let old = ok(&sim, "sendMessage", lenient).await["message_id"].clone();
    sim.clock().advance(Duration::from_secs(48 * 3600 + 5));
    refused(&sim, 400, "deleteMessage", json!({"chat_id": 5, "message_id": old})).await;
}

#[tokio::test]
async fn blocked_moved_and_missing_chats() {
    let sim = start().await;
    sim.block(5, true);
    let body = |chat: i64| json!({"chat_id": chat, "text": "x"});
    assert_eq!(refused(&sim, 403, "sendMessage", body(5)).await, "Forbidden: bot was blocked by the user");
    sim.block(5, false);
    ok(&sim, "sendMessage", body(5)).await;
    sim.migrate(-7, -1_007);
    let moved = post(&sim, "sendMessage", body(-7)).await;
    assert_eq!((moved.status, &moved.json()["parameters"]), (400, &json!({"migrate_to_chat_id": -1007})));
    ok(&sim, "sendMessage", body(-1_007)).await;
    sim.remove_chat(6);
    assert_eq!(refused(&sim, 400, "sendMessage", body(6)).await, "Bad Request: chat not found");
    let strict = TelegramOptions { strict: true, ..TelegramOptions::default() };
    let sim = TelegramSim::start(strict).await.unwrap();
    assert_eq!(refused(&sim, 400, "sendMessage", body(5)).await, "Bad Request: chat not found");
    sim.open_chat(5);
    ok(&sim, "sendMessage", body(5)).await;
}

#[tokio::test]
async fn chats_groups_and_the_bot_have_their_pace() {
    let second = Duration::from_secs(1);
    let paced = |chat: Pace, group: Pace, all: Pace| TelegramOptions {
        chat_pace: chat,
        group_pace: group,
        global_pace: all,
        ..TelegramOptions::default()
    };
    let body = |chat: i64| json!({"chat_id": chat, "text": "x"});
    let sim = TelegramSim::start(paced(Pace::new(second, 1), Pace::OFF, Pace::OFF)).await.unwrap();
    ok(&sim, "sendMessage", body(5)).await;
    let limited = post(&sim, "sendMessage", body(5)).await;
    assert_eq!((limited.status, &limited.json()["parameters"]["retry_after"]), (429, &json!(1)));
    assert_eq!(limited.json()["description"], "Too Many Requests: retry after 1");
    ok(&sim, "sendMessage", body(6)).await;
    sim.clock().advance(second);
    ok(&sim, "sendMessage", body(5)).await;
    let sim = TelegramSim::start(paced(Pace::OFF, Pace::new(second * 3, 1), Pace::OFF)).await.unwrap();
    ok(&sim, "sendMessage", body(-5)).await;
    assert_eq!(post(&sim, "sendMessage", body(-5)).await.json()["parameters"]["retry_after"], 3);
    let sim = TelegramSim::start(paced(Pace::OFF, Pace::OFF, Pace::new(second, 2))).await.unwrap();
    ok(&sim, "sendMessage", body(1)).await;
    ok(&sim, "sendMessage", body(2)).await;
    assert_eq!(post(&sim, "sendMessage", body(3)).await.status, 429);
}

#[tokio::test]
async fn a_webhook_must_be_https_with_a_proper_secret() {
    let sim = TelegramSim::start(TelegramOptions { allow_http: false, ..TelegramOptions::default() })
        .await
        .unwrap();
    let hook = |url: &str, secret: &str| json!({"url": url, "secret_token": secret});
    for (url, secret, part) in [
        ("http://e.com/h", "s", "An HTTPS URL must be provided"),
        ("https://e.com:8080/h", "s", "ports 80, 88, 443 or 8443"),
        ("https://127.0.0.1/h", "s", "is reserved"),
        ("nonsense", "s", "invalid webhook URL"),
        ("https://e.com/h", "a b", "unallowed characters"),
    ] {
        let told = refused(&sim, 400, "setWebhook", hook(url, secret)).await;
        assert!(told.contains(part), "{told} does not say {part}");
    }
    refused(&sim, 400, "setWebhook", hook("https://e.com/h", &"s".repeat(257))).await;
    refused(&sim, 400, "setWebhook", json!({"url": "https://e.com/h", "allowed_updates": [1]})).await;
    refused(&sim, 400, "setWebhook", json!({"url": "https://e.com/h", "max_connections": 101})).await;
    let right = json!({"url": "https://e.com/h", "secret_token": "a-B_9", "allowed_updates": ["message"]});
    ok(&sim, "setWebhook", right).await;
    // Left out, the list stays as it was.
    ok(&sim, "setWebhook", hook("https://e.com/h2", "x")).await;
    let info = ok(&sim, "getWebhookInfo", json!({})).await;
    assert_eq!((&info["url"], &info["allowed_updates"]), (&json!("https://e.com/h2"), &json!(["message"])));
    assert_eq!(sim.webhook().unwrap()["secret_token"], "x");
    ok(&sim, "deleteWebhook", json!({})).await;
    assert_eq!(ok(&sim, "getWebhookInfo", json!({})).await["url"], "");
    assert!(sim.send_update(json!({"message": {}})).await.is_err());
}

#[tokio::test]
async fn updates_carry_the_secret_and_are_repeated_until_2xx() {
    let sim = start().await;
    let (server, seen) =
        webhook(vec![CoreAnswer::status(500), CoreAnswer::reset(), CoreAnswer::done()]).await;
    ok(&sim, "setWebhook", json!({"url": server.url(), "secret_token": "s3cret"})).await;
    let message = json!({"message": {"message_id": 1, "chat": {"id": 5}, "text": "hi"}});
    let delivery = sim.send_update(message).await.unwrap();
    assert_eq!((delivery.attempts, delivery.delivered), (vec![Some(500), None, Some(200)], true));
    assert!(
        seen.lock().iter().all(|request| request.header("x-telegram-bot-api-secret-token") == Some("s3cret"))
    );
    assert!(seen.lock().iter().all(|request| request.json().unwrap()["update_id"] == delivery.update_id));
    let info = ok(&sim, "getWebhookInfo", json!({})).await;
    assert_eq!(info["pending_update_count"], 0);
    assert!(info["last_error_message"].is_string());
    let kept_back = sim.send_update(json!({"message_reaction": {"chat": {"id": 5}}})).await.unwrap();
    assert!(kept_back.filtered && kept_back.attempts.is_empty());
}

#[tokio::test]
async fn a_dead_webhook_is_given_up_after_the_bound() {
    let sim = TelegramSim::start(TelegramOptions {
        retry_base: Duration::from_millis(1),
        max_attempts: 3,
        ..TelegramOptions::default()
    })
    .await
    .unwrap();
    let (server, seen) = webhook(vec![CoreAnswer::status(401)]).await;
    ok(&sim, "setWebhook", json!({"url": server.url()})).await;
    let delivery = sim.send_update(json!({"message": {"message_id": 1, "chat": {"id": 5}}})).await.unwrap();
    assert_eq!((delivery.attempts.len(), delivery.delivered, seen.lock().len()), (3, false, 3));
}

#[tokio::test]
async fn a_method_in_the_webhooks_answer_is_carried_out() {
    let sim = start().await;
    let call = json!({"method": "sendMessage", "chat_id": 5, "text": "from the answer"});
    let (server, _) = webhook(vec![CoreAnswer::json(call)]).await;
    ok(&sim, "setWebhook", json!({"url": server.url()})).await;
    let delivery = sim.send_update(json!({"message": {"message_id": 1, "chat": {"id": 5}}})).await.unwrap();
    assert_eq!(delivery.method_called.as_deref(), Some("sendMessage"));
    assert_eq!(sim.messages()[0].body["text"], "from the answer");
}

#[tokio::test]
async fn commands_profile_photos_and_faults() {
    let sim = start().await;
    let commands = |name: &str, about: &str| json!({"commands": [{"command": name, "description": about}]});
    ok(&sim, "setMyCommands", commands("start", "Begin")).await;
    refused(&sim, 400, "setMyCommands", commands("Start", "Begin")).await;
    refused(&sim, 400, "setMyCommands", commands("start", "")).await;
    refused(
        &sim,
        400,
        "setMyCommands",
        json!({"commands": vec![json!({"command": "a", "description": "b"}); 101]}),
    )
    .await;
    let id = sim.add_profile_photo(9, &b"jpg"[..]);
    let photos = ok(&sim, "getUserProfilePhotos", json!({"user_id": 9})).await;
    assert_eq!((&photos["total_count"], &photos["photos"][0][1]["file_id"]), (&json!(1), &json!(id)));
    sim.fail("sendMessage", Fault::Html, 1);
    let page = post(&sim, "sendMessage", json!({"chat_id": 5, "text": "x"})).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(sim.messages().is_empty());
}
