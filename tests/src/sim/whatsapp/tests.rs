use super::*;
use crate::sim::client::{self, Reply};
use crate::sim::server::Handler;
use crate::sim::sign;

const USER: &str = "15550002222";

async fn start() -> WhatsAppSim {
    let sim = WhatsAppSim::start(WhatsAppOptions::unpaced()).await.unwrap();
    sim.open_window(USER);
    sim
}

fn bearer(sim: &WhatsAppSim) -> Vec<(String, String)> {
    vec![("authorization".to_owned(), format!("Bearer {}", sim.options().access_token))]
}

async fn post(sim: &WhatsAppSim, body: &Value) -> Reply {
    let url = format!("{}/v22.0/{}/messages", sim.url(), sim.options().phone_number_id);
    client::post_json(&url, &bearer(sim), body).await.unwrap()
}

fn message(kind: &str, part: Value) -> Value {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": USER, "type": kind, kind: part})
}

/// Sends a part; 0 when it was accepted, else the code of the error.
async fn code(sim: &WhatsAppSim, kind: &str, part: Value) -> u64 {
    let reply = post(sim, &message(kind, part)).await;
    let body = reply.json();
    match body["error"]["code"].as_u64() {
        None => {
            assert!(body["messages"][0]["id"].as_str().is_some_and(|id| id.starts_with("wamid.")), "{body}");
            0
        }
        Some(code) => {
            assert!(reply.status >= 400 && body["error"]["fbtrace_id"].is_string(), "{body}");
            assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string());
            code
        }
    }
}

fn buttons(list: Vec<(String, String)>, body: &str) -> Value {
    let list: Vec<Value> = list
        .into_iter()
        .map(|(id, title)| json!({"type": "reply", "reply": {"id": id, "title": title}}))
        .collect();
    json!({"type": "button", "body": {"text": body}, "action": {"buttons": list}})
}

fn rows(count: usize, title: usize, id: usize, description: Option<usize>) -> Value {
    let row = |n: usize| {
        let mut row = json!({"id": format!("{n:02}{}", "i".repeat(id - 2)), "title": "t".repeat(title)});
        if let Some(length) = description {
            row["description"] = json!("d".repeat(length));
        }
        row
    };
    let rows: Vec<Value> = (0..count).map(row).collect();
    json!({"type": "list", "body": {"text": "b"}, "action": {"button": "Choose...", "sections": [{"title": "s", "rows": rows}]}})
}

#[tokio::test]
async fn a_wrong_token_is_190_with_401() {
    let sim = start().await;
    let url = format!("{}/v22.0/{}/messages", sim.url(), sim.options().phone_number_id);
    let wrong = [("authorization".to_owned(), "Bearer x".to_owned())];
    for headers in [&wrong[..], &[]] {
        let reply = client::post_json(&url, headers, &message("text", json!({"body": "a"}))).await.unwrap();
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (401, &json!(190)));
    }
    sim.kill_token(true);
    assert_eq!(post(&sim, &message("text", json!({"body": "a"}))).await.status, 401);
    sim.kill_token(false);
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 0);
    let other = client::get(&format!("{}/v22.0/123/messages", sim.url()), &bearer(&sim)).await.unwrap();
    assert_eq!((other.status, &other.json()["error"]["error_subcode"]), (400, &json!(33)));
}

#[tokio::test]
async fn texts_and_the_envelope() {
    let sim = start().await;
    assert_eq!(code(&sim, "text", json!({"body": "é".repeat(4096)})).await, 0);
    assert_eq!(code(&sim, "text", json!({"body": "x".repeat(4097)})).await, 100);
    assert_eq!(code(&sim, "text", json!({"body": " \n"})).await, 131_009);
    assert_eq!(code(&sim, "text", json!({})).await, 131_008);
    assert_eq!(code(&sim, "poem", json!({"a": 1})).await, 131_051);
    let mut body = message("text", json!({"body": "a"}));
    body["messaging_product"] = json!("sms");
    assert_eq!(post(&sim, &body).await.json()["error"]["code"], 131_008);
    let mut body = message("text", json!({"body": "a"}));
    body["to"] = json!("nobody");
    assert_eq!(post(&sim, &body).await.json()["error"]["code"], 100);
    body["to"] = json!("+1 555 000-2222");
    body["biz_opaque_callback_data"] = json!("x".repeat(512));
    assert_eq!(post(&sim, &body).await.json()["contacts"][0]["wa_id"], USER);
    body["biz_opaque_callback_data"] = json!("x".repeat(513));
    assert_eq!(post(&sim, &body).await.json()["error"]["code"], 100);
    sim.open_window("US.13491208655302741918");
    let to_bsuid = json!({"messaging_product": "whatsapp", "recipient": "US.13491208655302741918", "type": "text", "text": {"body": "a"}});
    assert_eq!(post(&sim, &to_bsuid).await.json()["contacts"][0]["user_id"], "US.13491208655302741918");
    assert_eq!(sim.messages().len(), 3);
}

#[tokio::test]
async fn reply_buttons_keep_their_limits() {
    let sim = start().await;
    let pair = |id: &str, title: &str| (id.to_owned(), title.to_owned());
    let three = vec![pair("a", "A"), pair("b", "B"), pair("c", "C")];
    assert_eq!(code(&sim, "interactive", buttons(three.clone(), &"b".repeat(1024))).await, 0);
    assert_eq!(
        code(&sim, "interactive", buttons(vec![pair(&"i".repeat(256), &"t".repeat(20))], "\u{200b}")).await,
        0
    );
    let four = [three.clone(), vec![pair("d", "D")]].concat();
    let wrong = [
        (buttons(four, "b"), 131_009),
        (buttons(Vec::new(), "b"), 131_009),
        (buttons(three.clone(), &"b".repeat(1025)), 100),
        (buttons(three, ""), 131_009),
        (buttons(vec![pair(&"i".repeat(257), "t")], "b"), 100),
        (buttons(vec![pair("i", &"t".repeat(21))], "b"), 100),
        (buttons(vec![pair("i", "")], "b"), 131_009),
        (buttons(vec![pair("i ", "t")], "b"), 131_009),
        (buttons(vec![pair("a", "A"), pair("a", "B")], "b"), 131_009),
    ];
    for (part, expected) in wrong {
        assert_eq!(code(&sim, "interactive", part.clone()).await, expected, "{part}");
    }
}

#[tokio::test]
async fn lists_and_links_keep_their_limits() {
    let sim = start().await;
    assert_eq!(code(&sim, "interactive", rows(10, 24, 200, Some(72))).await, 0);
    let mut long_button = rows(1, 1, 2, None);
    long_button["action"]["button"] = json!("b".repeat(21));
    let mut image_header = rows(1, 1, 2, None);
    image_header["header"] = json!({"type": "image", "image": {"link": "https://e.com/a.png"}});
    let mut long_section = rows(1, 1, 2, None);
    long_section["action"]["sections"][0]["title"] = json!("s".repeat(25));
    let wrong = [
        (rows(11, 1, 2, None), 131_009),
        (rows(1, 25, 2, None), 100),
        (rows(1, 1, 201, None), 100),
        (rows(1, 1, 2, Some(73)), 100),
        (rows(1, 1, 2, Some(0)), 131_009),
        (rows(0, 1, 2, None), 131_009),
        (long_button, 100),
        (image_header, 131_009),
        (long_section, 100),
    ];
    for (part, expected) in wrong {
        assert_eq!(code(&sim, "interactive", part.clone()).await, expected, "{part}");
    }
    let link = |text: &str, url: &str| json!({"type": "cta_url", "body": {"text": "b"}, "action": {"name": "cta_url", "parameters": {"display_text": text, "url": url}}});
    assert_eq!(code(&sim, "interactive", link(&"t".repeat(20), "https://e.com")).await, 0);
    assert_eq!(code(&sim, "interactive", link(&"t".repeat(21), "https://e.com")).await, 100);
    assert_eq!(code(&sim, "interactive", link("t", "ftp://e.com")).await, 131_009);
}

#[tokio::test]
async fn a_carousel_has_two_to_ten_cards_of_one_shape() {
    let sim = start().await;
    let reply = |id: String| json!({"type": "reply", "reply": {"id": id, "title": "t"}});
    let card = |index: usize, action: Value| {
        json!({
            "card_index": index, "header": {"type": "image", "image": {"link": "https://e.com/a.png"}},
            "body": {"text": "b".repeat(160)}, "action": action,
        })
    };
    let replies = |index: usize, count: usize| {
        card(index, json!({"buttons": (0..count).map(|n| reply(format!("{index}-{n}"))).collect::<Vec<_>>()}))
    };
    let link = |index: usize| {
        card(index, json!({"name": "cta_url", "parameters": {"display_text": "t", "url": "https://e.com"}}))
    };
    let carousel =
        |cards: Vec<Value>| json!({"type": "carousel", "body": {"text": "b"}, "action": {"cards": cards}});
    assert_eq!(code(&sim, "interactive", carousel(vec![replies(0, 2), replies(1, 2)])).await, 0);
    assert_eq!(code(&sim, "interactive", carousel((0..10).map(link).collect())).await, 0);
    let mut bare = link(1);
    bare["header"] = json!({"type": "text", "text": "no image"});
    let mut long = link(1);
    long["body"]["text"] = json!("b".repeat(161));
    let twice = carousel(vec![replies(0, 1), card(1, json!({"buttons": [reply("0-0".into())]}))]);
    let wrong = [
        (carousel(vec![link(0)]), 131_009),
        (carousel((0..11).map(link).collect()), 131_009),
        (carousel(vec![link(0), replies(1, 1)]), 131_009),
        (carousel(vec![replies(0, 1), replies(1, 2)]), 131_009),
        (carousel(vec![replies(0, 3), replies(1, 3)]), 131_009),
        (carousel(vec![link(0), link(0)]), 131_009),
        (carousel(vec![link(0), bare]), 131_009),
        (carousel(vec![link(0), long]), 100),
        (twice, 131_009),
    ];
    for (part, expected) in wrong {
        assert_eq!(code(&sim, "interactive", part.clone()).await, expected, "{part}");
    }
}

#[tokio::test]
async fn media_templates_reactions_places_and_contacts() {
    let sim = start().await;
    assert_eq!(
        code(&sim, "image", json!({"link": "https://e.com/a.png", "caption": "c".repeat(1024)})).await,
        0
    );
    assert_eq!(
        code(&sim, "image", json!({"link": "https://e.com/a.png", "caption": "c".repeat(1025)})).await,
        100
    );
    assert_eq!(code(&sim, "image", json!({})).await, 131_008);
    assert_eq!(code(&sim, "audio", json!({"link": "https://e.com/a.ogg", "caption": "c"})).await, 100);
    assert_eq!(code(&sim, "document", json!({"link": "https://e.com/a.pdf", "filename": "a.pdf"})).await, 0);
    assert_eq!(code(&sim, "video", json!({"id": "0"})).await, 100);
    let png = sim.add_media("image/png", &b"png"[..]);
    assert_eq!(code(&sim, "image", json!({"id": png})).await, 0);
    assert_eq!(code(&sim, "video", json!({"id": png})).await, 131_053);
    sim.refuse_links("gone.example");
    assert_eq!(code(&sim, "image", json!({"link": "https://gone.example/a.png"})).await, 131_053);
    let template = |name: &str, count: usize| {
        json!({"name": name, "language": {"code": "en"}, "components": [
            {"type": "body", "parameters": vec![json!({"type": "text", "text": "p"}); count]},
        ]})
    };
    assert_eq!(code(&sim, "template", template("order_update", 2)).await, 0);
    assert_eq!(code(&sim, "template", template("order_update", 1)).await, 132_000);
    assert_eq!(code(&sim, "template", template("unknown", 2)).await, 132_001);
    sim.know_message("wamid.IN");
    assert_eq!(code(&sim, "reaction", json!({"message_id": "wamid.IN", "emoji": "👍"})).await, 0);
    assert_eq!(code(&sim, "reaction", json!({"message_id": "wamid.IN", "emoji": ""})).await, 0);
    assert_eq!(code(&sim, "reaction", json!({"message_id": "wamid.IN", "emoji": "ok"})).await, 131_009);
    assert_eq!(code(&sim, "reaction", json!({"message_id": "wamid.NO", "emoji": "👍"})).await, 100);
    assert_eq!(code(&sim, "location", json!({"latitude": 1.5, "longitude": "2", "name": "n"})).await, 0);
    assert_eq!(code(&sim, "location", json!({"latitude": 91, "longitude": 2})).await, 131_009);
    assert_eq!(
        code(&sim, "contacts", json!([{"name": {"formatted_name": "A B", "first_name": "A"}}])).await,
        0
    );
    assert_eq!(code(&sim, "contacts", json!([{"name": {"first_name": "A"}}])).await, 131_008);
}

#[tokio::test]
async fn read_and_typing_need_a_known_message() {
    let sim = start().await;
    let inbound = sim.inbound_text(USER, "hi");
    let read = |id: &str| json!({"messaging_product": "whatsapp", "status": "read", "message_id": id, "typing_indicator": {"type": "text"}});
    assert_eq!(post(&sim, &read(&inbound.message_id)).await.json(), json!({"success": true}));
    assert_eq!(post(&sim, &read("wamid.NO")).await.json()["error"]["code"], 100);
    assert_eq!(sim.accepted_of("typing")[0].id, inbound.message_id);
    let mut quote = message("text", json!({"body": "a"}));
    quote["context"] = json!({"message_id": "wamid.NO"});
    assert_eq!(post(&sim, &quote).await.json()["error"]["code"], 100);
    quote["context"] = json!({"message_id": inbound.message_id});
    assert_eq!(post(&sim, &quote).await.status, 200);
}

#[tokio::test]
async fn outside_24_hours_only_a_template_passes() {
    let sim = start().await;
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 0);
    sim.clock().advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 131_047);
    assert_eq!(
        code(&sim, "template", json!({"name": "hello_world", "language": {"code": "en_US"}})).await,
        0
    );
    sim.inbound_text(USER, "back again");
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 0);
    sim.refuse_user(USER, 131_026);
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 131_026);
}

#[tokio::test]
async fn one_user_and_the_number_have_their_pace() {
    let pair = Pace::new(Duration::from_secs(6), 2);
    let options = WhatsAppOptions { pair_pace: pair, throughput: Pace::OFF, ..WhatsAppOptions::default() };
    let sim = WhatsAppSim::start(options).await.unwrap();
    sim.open_window(USER);
    for expected in [0, 0, 131_056] {
        assert_eq!(code(&sim, "text", json!({"body": "a"})).await, expected);
    }
    sim.clock().advance(Duration::from_secs(6));
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 0);
    let all = Pace::new(Duration::from_secs(1), 1);
    let options = WhatsAppOptions { pair_pace: Pace::OFF, throughput: all, ..WhatsAppOptions::default() };
    let sim = WhatsAppSim::start(options).await.unwrap();
    sim.open_window(USER);
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 0);
    assert_eq!(code(&sim, "text", json!({"body": "a"})).await, 130_429);
}

#[tokio::test]
async fn media_goes_up_and_comes_down_with_the_token_within_five_minutes() {
    let sim = start().await;
    let upload = async |media_type: &str, product: &str| {
        let body = format!(
            "--B\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\n{product}\r\n--B\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: {media_type}\r\n\r\n\
             hello\r\n--B--\r\n"
        );
        let url = format!("{}/v22.0/{}/media", sim.url(), sim.options().phone_number_id);
        let mut headers = bearer(&sim);
        headers.push(("content-type".into(), "multipart/form-data; boundary=B".into()));
        client::send(Method::POST, &url, &headers, body.into()).await.unwrap()
    };
    assert_eq!(upload("application/x-evil", "whatsapp").await.json()["error"]["code"], 100);
    assert_eq!(upload("image/png", "").await.json()["error"]["code"], 100);
    let id = upload("image/png", "whatsapp").await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(code(&sim, "image", json!({"id": id})).await, 0);
    let info = client::get(&format!("{}/v22.0/{id}", sim.url()), &bearer(&sim)).await.unwrap().json();
    assert_eq!((&info["mime_type"], &info["file_size"]), (&json!("image/png"), &json!(5)));
    assert_eq!(info["sha256"].as_str().map(str::len), Some(64));
    let link = info["url"].as_str().unwrap();
    assert_eq!(client::get(link, &[]).await.unwrap().status, 401);
    assert_eq!(client::get(link, &bearer(&sim)).await.unwrap().text(), "hello");
    sim.clock().advance(Duration::from_secs(301));
    assert_eq!(client::get(link, &bearer(&sim)).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_callback_is_registered_only_after_its_handshake() {
    let sim = start().await;
    let handler: Handler = Arc::new(|request| {
        let pairs: HashMap<_, _> = request.query_pairs().into_iter().collect();
        let get = |name: &str| pairs.get(name).cloned().unwrap_or_default();
        let right = get("hub.mode") == "subscribe" && get("hub.verify_token") == "v";
        let answer =
            if right { Answer::text(200, "text/plain", get("hub.challenge")) } else { Answer::empty(403) };
        Box::pin(async move { answer })
    });
    let gateway = Server::start(handler).await.unwrap();
    let app_token = format!("{}|{}", sim.options().app_id, sim.options().app_secret);
    let subscribe = async |token: &str, verify: &str| {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("object", "whatsapp_business_account")
            .append_pair("callback_url", &gateway.url())
            .append_pair("verify_token", verify)
            .append_pair("fields", "messages")
            .append_pair("access_token", token)
            .finish();
        let url = format!("{}/v22.0/{}/subscriptions", sim.url(), sim.options().app_id);
        let headers = [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        client::send(Method::POST, &url, &headers, form.into()).await.unwrap()
    };
    assert_eq!(subscribe("wrong", "v").await.status, 401);
    assert_eq!(subscribe(&app_token, "wrong").await.json()["error"]["code"], 2200);
    assert!(sim.app_subscription().is_none());
    assert_eq!(subscribe(&app_token, "v").await.json(), json!({"success": true}));
    assert_eq!(sim.app_subscription().unwrap()["fields"], "messages");
    let waba = format!("{}/v22.0/{}/subscribed_apps", sim.url(), sim.options().waba_id);
    let wrong = json!({"override_callback_uri": gateway.url(), "verify_token": "no"});
    assert_eq!(client::post_json(&waba, &bearer(&sim), &wrong).await.unwrap().status, 400);
    assert_eq!(client::post_json(&waba, &bearer(&sim), &json!({})).await.unwrap().status, 200);
    assert!(sim.waba_subscription().is_some());
    let number = format!("{}/v22.0/{}", sim.url(), sim.options().phone_number_id);
    let hook =
        json!({"webhook_configuration": {"override_callback_uri": gateway.url(), "verify_token": "v"}});
    assert_eq!(client::post_json(&number, &bearer(&sim), &hook).await.unwrap().status, 200);
    assert!(sim.number_webhook().is_some());
    let off = json!({"webhook_configuration": {"override_callback_uri": ""}});
    assert_eq!(client::post_json(&number, &bearer(&sim), &off).await.unwrap().status, 200);
    assert!(sim.number_webhook().is_none());
}

#[tokio::test]
async fn webhooks_are_signed_and_shaped_as_metas() {
    let sim = start().await;
    let media = sim.inbound_media(USER, "image", "image/jpeg", b"jpg", Some("größe"));
    let body: Value = serde_json::from_slice(&media.request.body).unwrap();
    let sent = &body["entry"][0]["changes"][0]["value"];
    assert_eq!(sent["metadata"]["phone_number_id"], sim.options().phone_number_id);
    assert_eq!(
        (&sent["messages"][0]["id"], &sent["messages"][0]["image"]["caption"]),
        (&json!(media.message_id), &json!("größe"))
    );
    assert!(media.request.body.is_ascii());
    let right = sign::whatsapp(&sim.options().app_secret, media.request.body.clone());
    assert_eq!(media.request.header("x-hub-signature-256"), right.header("x-hub-signature-256"));
    let button = sim.inbound_button(USER, "wamid.BOT", "yes", "Yes");
    let body: Value = serde_json::from_slice(&button.request.body).unwrap();
    let pressed = body.pointer("/entry/0/changes/0/value/messages/0/interactive/button_reply/id");
    assert_eq!(pressed, Some(&json!("yes")));
    let failed = sim.status_failed("wamid.BOT", USER, 131_047, "Re-engagement message");
    let body: Value = serde_json::from_slice(&failed.body).unwrap();
    let error = body.pointer("/entry/0/changes/0/value/statuses/0/errors/0/code");
    assert_eq!(error, Some(&json!(131_047)));
}
