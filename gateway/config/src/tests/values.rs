//! What options become, and which source wins.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

#[test]
fn an_empty_file_gives_the_documented_defaults() {
    let checked = good("", &[]);
    assert_eq!(checked.server.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!(checked.server.admin_listen, SocketAddr::from(([127, 0, 0, 1], 8081)));
    assert_eq!(checked.server.public_url(checked.server.listen), "http://127.0.0.1:8080");
    assert!(!checked.server.allow_private_networks && checked.server.tls.is_none());
    assert_eq!(checked.server.drain.total, Duration::from_secs(25));
    assert_eq!(checked.store.path, Path::new("/nowhere/./data"));
    assert_eq!(checked.store.retention.events, Duration::from_secs(7 * 86_400));
    assert_eq!(checked.store.disk.refuse_free, 1 << 30);
    let limits = checked.limits;
    assert_eq!(limits.webhook.rate, Rate { count: 1000, per: Duration::from_secs(1), burst: 5000 });
    assert_eq!(limits.webhook.failures, Rate { count: 30, per: Duration::from_secs(60), burst: 30 });
    assert_eq!((limits.edge.connections, limits.edge.head, limits.edge.headers), (10_000, 16 << 10, 64));
    assert_eq!((limits.body.webhook, limits.body.file), (1 << 20, 20 << 20));
    assert_eq!((limits.core.timeout, limits.core.answer), (Duration::from_secs(15), 64 << 10));
    assert_eq!(limits.core.max_age, Duration::from_secs(72 * 3600));
    assert_eq!((limits.lane.outbox, limits.lane.mailbox), (500, 1_000));
    assert_eq!(
        (limits.webchat.hello, limits.webchat.poll),
        (Duration::from_secs(5), Duration::from_secs(25))
    );
    assert_eq!(limits.webchat.link, Duration::from_secs(7 * 86_400));
    assert_eq!(limits.chat.webchat_users, Rate { count: 30, per: Duration::from_secs(60), burst: 60 });
    assert_eq!((limits.chat.chat_streams, limits.body.chat), (2_000, 512 << 10));
    assert!(checked.bots.is_empty() && checked.installations.is_empty() && checked.admin.tokens.is_empty());
}

#[test]
fn the_defaults_written_out_are_the_defaults() {
    // The documented file is the lowest layer, so writing it out changes nothing.
    assert_eq!(format!("{:?}", good(DEFAULTS, &[])), format!("{:?}", good("", &[])));
}

#[test]
fn the_examples_in_the_documented_defaults_hold_and_name_true_defaults() {
    let start = DEFAULTS.find("# [bots.support]").unwrap();
    let example: String = DEFAULTS[start..]
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or_default())
        // What is left of prose after its first `#` begins with a capital or a dash.
        .filter(|line| line.starts_with(['[', '#']) || line.contains(" = "))
        .map(|line| format!("{line}\n"))
        .collect();
    let example = example.replace("\"slack\"", "\"chat\"").replace("# ", "#");
    let with_room = format!("{example}room = \"lobby\"\n");
    let secret = format!("whsec_{}", "A".repeat(32));
    let variables = [
        ("BOT_TOKEN", "bot-token"),
        ("CORE_SECRET", secret.as_str()),
        ("SLACK_BOT_TOKEN", "x"),
        ("SLACK_SIGNING_SECRET", "y"),
    ];
    // `configuration` belongs to another kind of core, and is the one line that does not fit.
    let told = faults(&with_room, &variables);
    assert!(
        told.starts_with("bots.support.core.configuration: no such option") && !told.contains('\n'),
        "{told}"
    );
    let long = good(&with_room.replace("configuration = {}", ""), &variables);
    let short = good(
        r#"
        [bots.support]
        token = "bot-token"
        core = { kind = "http", url = "http://127.0.0.1:9000/", secret = "${CORE_SECRET}" }
        [installations.shop-slack]
        bot = "support"
        connector = "chat"
        config = { bot_token = "x", signing_secret = "y", room = "lobby" }
        "#,
        &variables,
    );
    let (long_core, short_core) = (&long.bots["support"].core, &short.bots["support"].core);
    assert_eq!(format!("{long_core:?}"), format!("{short_core:?}"));
    let (mut long, short) =
        (long.installations["shop-slack"].clone(), short.installations["shop-slack"].clone());
    assert_eq!(long.max_body.take(), Some(1 << 20));
    assert_eq!(format!("{long:?}"), format!("{short:?}"));
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[server]\nlisten = \"127.0.0.1:7000\"\nworkers = 3\n[limits.webhook]\nrate = \"5/s\"";
    let variables = [
        ("PORTICO_SERVER__LISTEN", "127.0.0.1:7777"),
        ("PORTICO_SERVER__ALLOW_PRIVATE_NETWORKS", "true"),
        ("PORTICO_SERVER__ALLOWED_HOSTS", "core:9000, media.internal"),
        ("PORTICO_LIMITS__CORE__CONCURRENCY", "7"),
        ("PORTICO_LIMITS__BODY__WEBHOOK", "2MiB"),
    ];
    let checked = good(file, &variables);
    assert_eq!(checked.server.listen.port(), 7777);
    assert_eq!(checked.server.workers, Some(3));
    assert!(checked.server.allow_private_networks);
    assert_eq!(checked.server.allowed_hosts, ["core:9000", "media.internal"]);
    assert_eq!(checked.limits.webhook.rate.count, 5);
    assert_eq!((checked.limits.core.concurrency, checked.limits.body.webhook), (7, 2 << 20));
}

#[test]
fn variables_reach_bots_and_installations_by_their_id() {
    let variables = [
        ("PORTICO_BOTS__SUPPORT__TOKEN", "from-the-environment"),
        ("PORTICO_BOTS__SUPPORT__CORE__TIMEOUT", "3s"),
        ("PORTICO_INSTALLATIONS__SHOP__CONFIG__BOT_TOKEN", "newer"),
        ("PORTICO_INSTALLATIONS__SHOP__CONFIG__MAX_CONNECTIONS", "7"),
        ("PORTICO_INSTALLATIONS__SHOP__CONFIG__ROOM", "kitchen"),
    ];
    let checked = good(&with_chat("maxConnections = 3"), &variables);
    assert_eq!(checked.bots["support"].tokens[0].expose_secret(), "from-the-environment");
    assert_eq!(checked.bots["support"].core.timeout, Duration::from_secs(3));
    let shop = &checked.installations["shop"];
    assert_eq!(shop.secrets["bot_token"][0].expose_secret(), "newer");
    assert_eq!(shop.config, json!({ "room": "kitchen", "max_connections": 7 }));
}

#[test]
fn references_stand_anywhere_in_a_text_and_for_any_type() {
    let file = r#"
        [server]
        listen = "127.0.0.1:${PORT}"
        workers = "${WORKERS}"
        public_url = "https://${NAME}.example.com/a/"
        allowed_hosts = ["${NAME}:1", "b"]
        trusted_proxies = "${PROXIES}"
    "#;
    let checked =
        good(file, &[("PORT", "7001"), ("WORKERS", "2"), ("NAME", "shop"), ("PROXIES", "10.0.0.0/8, ::1")]);
    assert_eq!(checked.server.listen.port(), 7001);
    assert_eq!(checked.server.trusted_proxies.len(), 2);
    assert_eq!(checked.server.workers, Some(2));
    assert_eq!(checked.server.public_url.as_deref(), Some("https://shop.example.com/a"));
    assert_eq!(checked.server.allowed_hosts, ["shop:1", "b"]);
    let kept =
        good(&with_chat("labels = { price = \"$${AMOUNT} $5\" }\nloud = \"${LOUD}\""), &[("LOUD", "true")]);
    assert_eq!(kept.installations["shop"].config["labels"]["price"], "${AMOUNT} $5");
    assert_eq!(kept.installations["shop"].config["loud"], true);
}

#[test]
fn a_number_in_a_variable_stays_a_text_where_a_text_is_wanted() {
    let file = with_chat("labels = { phone = \"${PHONE}\" }\nmax_connections = \"${MOST}\"");
    let config = &good(&file, &[("PHONE", "0123"), ("MOST", "12")]).installations["shop"].config;
    assert_eq!(config["labels"]["phone"], "0123");
    assert_eq!(config["max_connections"], 12);
}

#[test]
fn secrets_come_from_files_and_lists_and_are_parted_from_options() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("signing"), "new-secret\n").unwrap();
    let text = r#"
        [bots.b]
        token = ["newest-token", "older-token"]
        core = { kind = "rasa", url = "http://rasa:5005" }
        [installations.i]
        bot = "b"
        connector = "chat"
        [installations.i.config]
        room = "lobby"
        apiUrl = "http://127.0.0.1:9100"
        botToken = "xoxb"
        signingSecret = ["file:signing", "old-secret"]
        menu = [{ callName = "a" }, { call_name = "b" }]
        labels = { camelCase = "kept" }
    "#;
    let checked = parse(text, folder.path(), &nothing, &Connectors::default()).unwrap();
    let tokens: Vec<_> = checked.bots["b"].tokens.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(tokens, ["newest-token", "older-token"]);
    let installation = &checked.installations["i"];
    let signing: Vec<_> =
        installation.secrets["signing_secret"].iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(signing, ["new-secret", "old-secret"]);
    assert_eq!(
        installation.config,
        json!({
            "room": "lobby",
            "api_url": "http://127.0.0.1:9100",
            "menu": [{ "call_name": "a" }, { "call_name": "b" }],
            "labels": { "camelCase": "kept" },
        })
    );
    assert_eq!(installation.alias, "chat");
    assert_eq!(installation.max_age, checked.limits.provider.max_age);
}

#[test]
fn each_kind_of_core_has_its_own_options() {
    let secret = format!("whsec_{}", "QUJD".repeat(8));
    let text = format!(
        r#"
        [bots.h]
        token = "1"
        core = {{ kind = "http", url = "https://core.example/x", secret = ["{secret}", "{secret}"], on_dead = "hold" }}
        [bots.p]
        token = "2"
        [bots.p.core]
        kind = "botpress"
        url = "http://127.0.0.1:9000"
        concurrency = 8
        [bots.p.core.configuration]
        greeting = "hi"
        nested = {{ camelCase = [1, true] }}
        [bots.e]
        core = {{ kind = "echo", max_age = "1h" }}
    "#
    );
    let bots = good(&text, &[]).bots;
    match &bots["h"].core.kind {
        CoreKind::Http { url, secrets } => {
            assert_eq!((url.as_str(), secrets.len()), ("https://core.example/x", 2))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bots["h"].core.on_dead, OnDead::Hold);
    match &bots["p"].core.kind {
        CoreKind::Botpress { configuration, secret, .. } => {
            assert_eq!(*configuration, json!({ "greeting": "hi", "nested": { "camelCase": [1, true] } }));
            assert!(secret.is_none());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bots["p"].core.concurrency, 8);
    assert!(matches!(bots["e"].core.kind, CoreKind::Echo) && bots["e"].tokens.is_empty());
}

#[test]
fn a_trial_may_go_without_proof_and_says_so_in_either_place() {
    let open =
        |more: &str| format!("{ONE_BOT}\n[installations.i]\nbot = \"support\"\nconnector = \"open\"\n{more}");
    for more in ["insecure = true", "[installations.i.config]\ninsecure = true"] {
        let installation = &good(&open(more), &[]).installations["i"];
        assert!(installation.insecure);
        assert_eq!(installation.config, json!({ "insecure": true }));
    }
    let proven =
        &good(&open("[installations.i.config]\nsecret = \"s\"\nfreeKey = 5"), &[]).installations["i"];
    assert!(!proven.insecure);
    assert_eq!(proven.config, json!({ "free_key": 5 }));
    assert!(faults(&open(""), &[]).contains("nothing would prove"));
}

#[test]
fn nothing_that_is_secret_is_printed() {
    let text = with_chat("").replace("\"t\"", "\"CANARY1\"").replace("\"s\"", "[\"CANARY2\", \"CANARY3\"]");
    let text =
        text.replace("support-token-0001", "CANARY4") + "[admin]\ntoken = \"CANARY5-long-enough-for-admin\"";
    let checked = good(&text, &[]);
    assert!(!format!("{checked:?}").contains("CANARY"), "{checked:?}");
}
