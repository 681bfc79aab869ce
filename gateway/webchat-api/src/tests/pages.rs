//! Configuration, conversations, transcripts, the client's files, the hosted page, and calls of other pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::{PAGE, PUBLIC, Wishes, World, text};

/// Everything that a page may know of a channel besides its look.
const PUBLIC_KEYS: [&str; 9] =
    ["assets", "channel", "identity", "limits", "name", "overridable", "page", "typing", "upload"];

#[tokio::test]
async fn the_public_configuration_has_the_look_and_nothing_else() {
    let config = json!({
        "identity": { "mode": "optional", "issuer": "the-issuer" },
        "look": { "bot_name": "Ada", "z_index": 5, "strings": { "some_key": "kept" },
                  "proactive": { "text": "Can I help?", "delay_ms": 100 } },
        "limits": { "text": 10 },
    });
    let world = World::configured(config).await;
    let answer = world.call("GET", "/webchat/v1/channels/site/config", &[("origin", PAGE)], "").await;
    assert_eq!(answer.headers["access-control-allow-origin"], PAGE);
    let public = answer.ok().await;
    assert_eq!(
        (&public["botName"], &public["name"], &public["zIndex"]),
        (&json!("Ada"), &json!("Ada"), &json!(5))
    );
    assert_eq!(
        public["proactive"],
        json!({ "text": "Can I help?", "delayMs": 100, "when": "delay", "once": true })
    );
    assert_eq!(public["strings"], json!({ "some_key": "kept" }));
    assert_eq!((&public["accent"], &public["identity"]), (&json!("#2457d6"), &json!("optional")));
    assert_eq!(public["limits"]["text"], 10);
    assert_eq!((&public["upload"]["enabled"], &public["upload"]["maxFiles"]), (&json!(true), &json!(5)));
    let overridable = public["overridable"].as_array().unwrap();
    assert!(overridable.contains(&json!("botName")) && !overridable.contains(&json!("html")));
    let manifest = portico_webchat::connector().manifest().configuration.schema.clone();
    let look = manifest.pointer("/properties/look/properties").unwrap().as_object().unwrap();
    let known: BTreeSet<String> = look.keys().map(|key| key.replace('_', "").to_lowercase()).collect();
    for key in public.as_object().unwrap().keys() {
        assert!(
            PUBLIC_KEYS.contains(&key.as_str()) || known.contains(&key.to_lowercase()),
            "{key} is public"
        );
    }
    let all = public.to_string();
    for secret in ["the-issuer", super::world::SECRET, "origins", PAGE] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn calls_of_other_pages_are_refused_and_not_readable() {
    let world = World::new().await;
    let path = "/webchat/v1/channels/site/config";
    for origin in ["https://evil.example", "null"] {
        let answer = world.call("GET", path, &[("origin", origin)], "").await;
        assert!(answer.headers.get("access-control-allow-origin").is_none());
        assert_eq!(answer.headers["vary"], "Origin");
        answer.refused(403).await;
    }
    // A page of another channel can read that it was refused.
    let answer = world.call("GET", path, &[("origin", "https://other.example")], "").await;
    answer.refused(403).await;
    world
        .call("GET", "/webchat/v1/channels/nowhere/config", &[("origin", PAGE)], "")
        .await
        .refused(404)
        .await;
    let ask = |origin| [("origin", origin), ("access-control-request-method", "POST")];
    let preflight = world.call("OPTIONS", "/webchat/v1/files", &ask(PAGE), "").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.headers["access-control-allow-origin"], PAGE);
    assert_eq!(preflight.headers["access-control-allow-headers"], "authorization, content-type, x-file-name");
    let refused = world.call("OPTIONS", "/webchat/v1/files", &ask("https://evil.example"), "").await;
    assert_eq!(refused.status, 403);
    assert!(refused.headers.get("access-control-allow-origin").is_none());
    // A token does not open its channel to other pages.
    let (_, welcome) = world.visitor().await;
    let bearer = format!("Bearer {}", text(&welcome["tok"]));
    let headers = [("authorization", bearer.as_str()), ("origin", "https://other.example")];
    world.call("GET", "/webchat/v1/conversations", &headers, "").await.refused(403).await;
    // And is none of another channel.
    let foreign = bearer.replace(".site", ".other");
    let headers = [("authorization", foreign.as_str())];
    world.call("GET", "/webchat/v1/conversations", &headers, "").await.refused(401).await;
}

#[tokio::test]
async fn conversations_are_listed_begun_and_deleted() {
    let world = World::configured(json!({ "look": { "deletion": true } })).await;
    let (mut visitor, welcome) = world.visitor().await;
    let token = text(&welcome["tok"]);
    let list = async |query: &str| {
        let path = format!("/webchat/v1/conversations{query}");
        world.page("GET", &path, &token, Value::Null).await.ok().await
    };
    assert_eq!(list("").await, json!({ "conversations": [] }));
    let first = text(&visitor.says("cid-000001", None, "one").await["conv"]);
    let second = world.page("POST", "/webchat/v1/conversations", &token, json!({})).await.ok().await;
    let second = text(&second["id"]);
    visitor.send(json!({ "t": "conv", "id": "cid-000002", "op": "open", "conv": second })).await;
    assert_eq!(visitor.answer("cid-000002").await["conv"], second.as_str());
    assert_eq!(visitor.says("cid-000003", None, "two").await["conv"], second.as_str());
    visitor.send(json!({ "t": "conv", "id": "cid-000004", "op": "new" })).await;
    let third = text(&visitor.answer("cid-000004").await["conv"]);
    assert!(third != first && third != second);
    visitor.send(json!({ "t": "conv", "id": "cid-000004", "op": "new" })).await;
    assert_eq!(visitor.answer("cid-000004").await["conv"], third.as_str(), "a repeat makes no second one");
    let all = list("").await;
    let all = all["conversations"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    let of = |id: &str| all.iter().find(|one| one["id"] == id).unwrap();
    assert_eq!((&of(&second)["last"]["text"], &of(&second)["seq"]), (&json!("two"), &json!(1)));
    assert!(of(&third).get("last").is_none());
    let page = list("?limit=2").await;
    assert_eq!(page["conversations"].as_array().unwrap().len(), 2);
    let rest = list(&format!("?limit=2&cursor={}", text(&page["next"]))).await;
    assert_eq!(rest["conversations"].as_array().unwrap().len(), 1);
    assert!(rest.get("next").is_none());
    let path = format!("/webchat/v1/conversations/{second}");
    assert_eq!(world.page("DELETE", &path, &token, Value::Null).await.status, 204);
    world.page("DELETE", &path, &token, Value::Null).await.refused(404).await;
    let reset = visitor.frame_of("reset").await;
    assert_eq!(reset["conv"], second.as_str());
    let nack = visitor.says("cid-000005", Some(&second), "x").await;
    assert_eq!(nack["code"], "closed");
    // Only where the channel lets visitors.
    let world = World::new().await;
    let (mut visitor, welcome) = world.visitor().await;
    let id = text(&visitor.says("cid-000001", None, "one").await["conv"]);
    let path = format!("/webchat/v1/conversations/{id}");
    world.page("DELETE", &path, &text(&welcome["tok"]), Value::Null).await.refused(403).await;
}

#[tokio::test]
async fn a_transcript_says_everything_and_runs_nothing() {
    let world = World::configured(json!({ "look": { "bot_name": "<b>Ada</b>" } })).await;
    let (mut visitor, welcome) = world.visitor().await;
    let token = text(&welcome["tok"]);
    let conversation = text(&visitor.says("cid-000001", None, "<img src=x onerror=alert(1)>").await["conv"]);
    world
        .bot_sends(
            &conversation,
            "choice",
            json!({ "text": "Colour?", "options": [{ "label": "Red", "value": "r" }] }),
        )
        .await;
    visitor.item_of("msg").await;
    let get = async |format: &str| {
        let path = format!("/webchat/v1/conversations/{conversation}/transcript?format={format}");
        world.page("GET", &path, &token, Value::Null).await
    };
    let plain = get("txt").await;
    assert_eq!(plain.headers["content-disposition"], "attachment; filename=\"conversation.txt\"");
    let plain = plain.text().await;
    assert!(
        plain.contains("You: <img src=x onerror=alert(1)>") && plain.contains("Colour?\n    - Red"),
        "{plain}"
    );
    let page = get("html").await;
    assert_eq!(page.headers["content-security-policy"], "sandbox; default-src 'none'");
    let page = page.text().await;
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt;") && page.contains("&lt;b&gt;Ada&lt;/b&gt;"),
        "{page}"
    );
    assert!(!page.contains("<img") && !page.contains("<b>Ada"));
    let all = get("json").await.ok().await;
    assert_eq!(all["messages"].as_array().unwrap().len(), 2);
    get("exe").await.refused(400).await;
}

#[tokio::test]
async fn the_hosted_page_may_be_framed_by_listed_sites_only() {
    let config = json!({ "origins": [PAGE, "https://*.example.com"], "look": { "bot_name": "A & <B>" } });
    let world = World::configured(config).await;
    let answer = world.call("GET", "/webchat/v1/chat/site", &[], "").await;
    let policy = answer.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("frame-ancestors https://shop.example https://*.example.com 'self'"), "{policy}");
    assert!(policy.contains("default-src 'none'") && policy.contains("wss://gateway.test"), "{policy}");
    assert!(!policy.contains("unsafe"));
    let page = answer.text().await;
    assert!(page.contains("<title>A &amp; &lt;B&gt;</title>"), "{page}");
    assert!(page.contains(&format!("src=\"{PUBLIC}/webchat/v1/embed.js\" data-channel=\"site\"")), "{page}");
    world.call("GET", "/webchat/v1/chat/nowhere", &[], "").await.refused(404).await;
}

#[tokio::test]
async fn the_clients_files_are_served_whole_packed_and_for_ever() {
    let world = World::with(Wishes::default()).await;
    let manifest = crate::assets::manifest();
    for (name, file) in manifest["files"].as_object().unwrap() {
        let path = format!("/webchat/assets/{}", text(&file["path"]));
        let plain = world.call("GET", &path, &[], "").await;
        assert_eq!((plain.status, plain.headers.get("content-encoding")), (200, None), "{name}");
        assert_eq!(plain.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(plain.headers["access-control-allow-origin"], "*");
        let packed = world.call("GET", &path, &[("accept-encoding", "gzip, br")], "").await;
        assert_eq!(
            packed.headers.get("content-encoding").map(|coding| coding.as_bytes()),
            Some(&b"br"[..]),
            "{name}"
        );
    }
    match manifest["embed"].as_str().unwrap_or_default() {
        // A tree whose client was not built yet.
        "" => drop(world.call("GET", "/webchat/v1/embed.js", &[], "").await.refused(404).await),
        _ => {
            let answer = world.call("GET", "/webchat/v1/embed.js", &[], "").await;
            assert_eq!(answer.headers["cache-control"], "public, max-age=300, stale-while-revalidate=86400");
            let tag = answer.headers["etag"].to_str().unwrap().to_owned();
            assert!(!answer.bytes().await.is_empty());
            let known = world.call("GET", "/webchat/v1/embed.js", &[("if-none-match", &tag)], "").await;
            assert_eq!(known.status, 304);
        }
    }
    for path in ["manifest.json", "README.md", "../Cargo.toml", "none/x.js"] {
        let answer = world.call("GET", &format!("/webchat/assets/{path}"), &[], "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
    world.call("GET", "/webchat/v1/nothing", &[], "").await.refused(404).await;
    world.call("DELETE", "/webchat/v1/stream", &[("origin", PAGE)], "").await.refused(405).await;
}
