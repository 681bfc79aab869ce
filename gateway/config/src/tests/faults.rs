//! What is said of wrong configurations, word for word.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

#[test]
fn every_fault_of_a_file_is_told_at_once_with_its_line() {
    let text = r#"
[sevrer]
listen = "x"

[server]
listn = "127.0.0.1:1"
admin_listen = "nowhere"
workers = -1
allowed_hosts = ["https://a/b"]
trusted_proxies = ["10.0.0.0/8", "10.0.0.0/33", 7]
public_url = "portico.example.com"

[server.drain]
total = "1s"

[store]
kind = "cluster"
[store.retention]
events = "5min"
[store.disk]
warn_percent = 99

[limits.webhook]
rate = "fast"
[limits.body]
webhook = "1 elephant"
[limits.edge]
head = "1MB"
connections = 5

[log]
format = 7

[admin]
token = "short"

[bots."not ok"]
token = "a"
core = { kind = "echo" }

[bots.support]
token = "a"
core = { kind = "htpp" }

[bots.sales]
token = ["a", ""]
[bots.sales.core]
kind = "http"
url = "ftp://x/"
secret = "abc"
timeut = "1s"

[installations.one]
bot = "suport"
connector = "chta"

[installations.two]
bot = "sales"
connector = "chat"
on_unknown = "maybe"
[installations.two.config]
room = "Ä"
place = "roof"
max_connections = 1000
menu = [{ callNam = "a" }, {}, {}]
api_url = "example.com"
botToken = "${MISSING}"
"#;
    assert_snapshot!(faults(text, &[]), @r#"
    sevrer: no such option; did you mean 'server'? (line 2)
    server.listn: no such option; did you mean 'listen'? (line 6)
    server.admin_listen: 'nowhere' is not right; write an address and port like "127.0.0.1:8080" or "[::]:8080" (line 7)
    server.workers: -1 is not right; write a whole number from 0 to 1024 (line 8)
    server.allowed_hosts: 'https://a/b' is not right; write names or name:port like ["core.internal:9000"], without scheme or path (line 9)
    server.trusted_proxies[1]: '10.0.0.0/33' is not right; write networks like ["10.0.0.0/8", "fd00::/8"] (line 10)
    server.trusted_proxies[2]: 7 is not right; write networks like ["10.0.0.0/8", "fd00::/8"] (line 10)
    server.public_url: is no http or https address; write an address like "https://portico.example.com" (line 11)
    server.drain.total: is shorter than readiness and dispatch together; make it at least their sum (line 14)
    store.kind: 'cluster' is not right; write "embedded" (line 17)
    store.retention.events: '5min' is not right; write a time like "15s", from 1h to 100years (line 19)
    store.disk.warn_percent: is above refuse_percent; warn before refusing (line 21)
    limits.webhook.rate: 'fast' is not right; write a rate like "100/s", "30/min" or "1000/s burst 5000" (line 24)
    limits.body.webhook: '1 elephant' is not right; write a size like "64KiB", from 1KiB to 64MiB (line 26)
    limits.edge.connections_per_address: is above all connections together; make it at most limits.edge.connections (line 27)
    log.format: 7 is not right; write one of "text", "json" (line 32)
    admin.token: is shorter than 16 characters; make a long random one (line 35)
    bots.not ok: is no id for a bot; use 1 to 100 characters of a-z A-Z 0-9 - _ . (line 37)
    bots.support.token: is also a token of bots.not ok; give each its own (line 42)
    bots.support.core.kind: 'htpp' is not right; write one of "http", "botpress", "rasa", "echo" (line 43)
    bots.sales.token: the secret is empty; write "${VARIABLE}", "file:/path" or a list of these, newest first (line 46)
    bots.sales.core.url: is no http or https address; write an address like "http://127.0.0.1:9000/" (line 49)
    bots.sales.core.secret: is no Standard Webhooks secret; write "whsec_" and base64 of 24 to 64 random bytes (line 50)
    bots.sales.core.timeut: no such option; did you mean 'timeout'? (line 51)
    installations.one.bot: there is no bot 'suport'; did you mean 'support'? (line 54)
    installations.one.connector: there is no connector 'chta'; did you mean 'chat'? (line 55)
    installations.two.config.signing_secret: is missing; write signing_secret = "${VARIABLE}" or "file:/path" (line 57)
    installations.two.on_unknown: 'maybe' is not right; write one of "retry", "hold", "drop" (line 60)
    installations.two.config.room: has 1 characters, fewer than 2 (line 62)
    installations.two.config.room: does not have the form ^[a-z]+$ (line 62)
    installations.two.config.place: is none of the values that are known; write "channel" or "thread" (line 63)
    installations.two.config.max_connections: is above 100 (line 64)
    installations.two.config.menu: has 3 entries, more than 2 (line 65)
    installations.two.config.menu.0.call_name: is missing (line 65)
    installations.two.config.menu.0.callNam: no such option; did you mean 'call_name'? (line 65)
    installations.two.config.menu.1.call_name: is missing (line 65)
    installations.two.config.menu.2.call_name: is missing (line 65)
    installations.two.config.api_url: is no http or https address; write one like "https://api.example.com" (line 66)
    installations.two.config.botToken: variable MISSING is not set; set it before starting Portico (line 67)
    "#);
}

#[test]
fn faults_between_sections_are_told() {
    let text = r#"
[server]
listen = "0.0.0.0:8081"
public_url = "http://portico.example.com"
[limits.edge]
connections = 100
[bots.a]
token = "same-token"
core = { kind = "echo" }
[bots.b]
token = ["same-token", "other", "other"]
core = { kind = "echo" }
[installations.x]
bot = "a"
connector = "open"
insecure = true
[installations.y]
bot = "a"
connector = "open"
insecure = true
[installations.z]
bot = "b"
connector = "chat"
insecure = true
config = { room = "attic" }
"#;
    assert_snapshot!(faults(text, &[]), @r#"
    server.admin_listen: clashes with server.listen at port 8081; give it a port of its own (line 2)
    server.public_url: is not https, and providers call nothing else; write https://, or set allow_private_networks = true for a trial (line 4)
    limits.edge.connections_per_address: is above all connections together; make it at most limits.edge.connections (line 5)
    bots.b.token: is also a token of bots.a; give each its own (line 11)
    bots.b.token: holds a token twice; give each its own (line 11)
    installations.y.alias: is 'open', as for installation 'x' of the same bot; write an alias of its own, such as alias = "shop" (line 17)
    installations.z.config.bot_token: is missing; write bot_token = "${VARIABLE}" or "file:/path" (line 21)
    installations.z.config.room: is locked; choose another (line 25)
    "#);
}

#[test]
fn an_outside_address_needs_a_public_url() {
    assert_snapshot!(faults("[server]\nlisten = \"0.0.0.0:80\"", &[]), @r#"
    server.public_url: is missing, and 'listen' is reachable from outside; write an address like "https://portico.example.com" (line 1)
    "#);
    good("[server]\nlisten = \"0.0.0.0:80\"\npublic_url = \"http://gw\"\nallow_private_networks = true", &[]);
    good("[server]\nlisten = \"0.0.0.0:80\"\npublic_url = \"http://localhost:80\"", &[]);
}

#[test]
fn broken_toml_is_told_by_line() {
    assert_snapshot!(faults("[server]\nlisten = \nworkers = 1\nworkers = 2", &[]), @r#"
    file: is not TOML here: string values must be quoted, expected literal string; mend the line (line 2)
    file: is not TOML here: duplicate key; mend the line (line 4)
    "#);
    assert_snapshot!(faults("a = 1979-05-27\nb = 99999999999999999999", &[]), @r#"
    a: no option is a date; write a text in quotes (line 1)
    b: the number is too large; stay below 2^63 (line 2)
    "#);
}

#[test]
fn variables_are_told_by_name_and_never_by_value() {
    let env = [("PORTICO_SERVER__WORKERS", "CANARY"), ("PORTICO_LOG__FORMAT", "CANARY"), ("BAD", "CANARY")];
    let text = "[server]\nadmin_listen = \"${BAD}\"\npublic_url = \"${}\"\n[store]\npath = \"a${b\"";
    let told = faults(text, &env);
    assert!(!told.contains("CANARY"), "{told}");
    assert_snapshot!(told, @r#"
    server.admin_listen: the variable's value is not right; write an address and port like "127.0.0.1:8080" or "[::]:8080" (line 2)
    server.public_url: the name between '${' and '}' is no variable name; use letters, digits and underscores, or write $${ for the characters themselves (line 3)
    store.path: '${' has no '}'; close it, or write $${ for the characters themselves (line 5)
    server.workers: the variable's value is not right; write a whole number from 0 to 1024
    log.format: the variable's value is not right; write one of "text", "json"
    "#);
}

#[test]
fn a_misspelt_variable_is_found() {
    struct Env;
    impl Environment for Env {
        fn get(&self, name: &str) -> Option<String> {
            (name == "PORTICO_SERVER__WORKERS").then(|| "2".into())
        }
        fn names(&self) -> Vec<String> {
            ["PORTICO_SERVER__WORKERS", "PORTICO_SERVER__LISTN", "PORTICO_CONFIG", "HOME", "OTHER__NAME"]
                .map(Into::into)
                .into()
        }
    }
    let told = parse("", Path::new("."), &Env, &Connectors::default()).unwrap_err().to_string();
    assert_snapshot!(told, @r#"
    PORTICO_SERVER__LISTN: no option has this name; did you mean PORTICO_SERVER__LISTEN?
    "#);
}

#[test]
fn a_key_in_both_spellings_and_an_unknown_one_are_told() {
    let told = faults(&with_chat("botToken = \"u\"\nroom_name = \"x\"\nrom = \"y\""), &[]);
    assert_snapshot!(told, @r#"
    installations.shop.config.bot_token: is written twice, also as 'botToken'; keep one of them (line 11)
    installations.shop.config.room_name: no such option; known here: api_url, botToken, bot_token, labels, loud, max_connections, menu, place, room, signing_secret (line 14)
    installations.shop.config.rom: no such option; did you mean 'room'? (line 15)
    "#);
}

#[test]
fn secret_files_that_cannot_be_used_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    std::fs::write(folder.path().join("huge"), "x".repeat(100_000)).unwrap();
    for (reference, said) in [
        ("file:absent", "can't be read"),
        ("file:empty", "the secret is empty"),
        ("file:huge", "too large for a secret"),
        ("file:/dev/zero", "too large for a secret"),
        ("file:.", "can't be read"),
        ("", "the secret is empty"),
    ] {
        let text = format!("[bots.b]\ntoken = \"{reference}\"\ncore = {{ kind = \"echo\" }}");
        let told = parse(&text, folder.path(), &nothing, &Connectors::default()).unwrap_err();
        assert_eq!(told.0.len(), 1, "{told}");
        assert!(told.0[0].what.contains(said) && told.0[0].path == "bots.b.token", "{reference}: {told}");
        assert_eq!(told.0[0].line, Some(2));
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let told = load(Path::new("/nonexistent/portico.toml"), &nothing, &Connectors::default()).unwrap_err();
    assert!(told.to_string().starts_with("/nonexistent/portico.toml: can't be read"), "{told}");
}

#[test]
fn tls_needs_both_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cert.pem"), "").unwrap();
    let told = |text: &str| {
        parse(text, folder.path(), &nothing, &Connectors::default()).map(|checked| checked.server.tls)
    };
    assert!(
        told("[server.tls]\ncert = \"cert.pem\"")
            .unwrap_err()
            .to_string()
            .starts_with("server.tls.key: is missing")
    );
    assert!(
        told("[server.tls]\nkey = \"cert.pem\"")
            .unwrap_err()
            .to_string()
            .starts_with("server.tls.cert: is missing")
    );
    let absent = told("[server.tls]\ncert = \"cert.pem\"\nkey = \"absent.pem\"").unwrap_err().to_string();
    assert!(absent.starts_with("server.tls.key:") && absent.contains("absent.pem"), "{absent}");
    let files = told("[server.tls]\ncert = \"cert.pem\"\nkey = \"cert.pem\"").unwrap().unwrap();
    assert_eq!(files.cert, folder.path().join("cert.pem"));
}

/// Values of every kind, nested.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "[ -~]{0,20}".prop_map(|text| format!("{text:?}").replace("\\'", "'")),
        Just("\"${X}\"".to_owned()),
        Just("\"file:/dev/null\"".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("inf".to_owned()),
        Just("\"15s\"".to_owned()),
        Just("\"http://a\"".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::btree_map("[a-zA-Z]{1,6}", inner, 0..4).prop_map(|fields| {
                let fields: Vec<String> =
                    fields.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                format!("{{ {} }}", fields.join(", "))
            }),
        ]
    })
}

/// Paths of options that there are, so that values of the wrong kind meet each of them.
const PATHS: &[&str] = &[
    "server",
    "server.listen",
    "server.public_url",
    "server.allowed_hosts",
    "server.trusted_proxies",
    "server.tls",
    "server.tls.cert",
    "server.drain.total",
    "server.workers",
    "store.kind",
    "store.path",
    "store.disk.refuse_free",
    "limits",
    "limits.edge",
    "limits.edge.head",
    "limits.webhook.rate",
    "limits.core.timeout",
    "limits.webchat.heartbeat",
    "limits.chat.webchat_users",
    "log.filter",
    "admin.token",
    "bots",
    "bots.b",
    "bots.b.token",
    "bots.b.rate",
    "bots.b.core",
    "bots.b.core.kind",
    "bots.b.core.url",
    "bots.b.core.secret",
    "bots.b.core.configuration",
    "installations",
    "installations.i",
    "installations.i.bot",
    "installations.i.connector",
    "installations.i.config",
    "installations.i.config.room",
    "installations.i.config.menu",
    "installations.i.config.botToken",
    "installations.i.alias",
    "installations.i.max_age",
    "x.y.z",
];

/// Whether a refusal names at least one fault, each with its place and what is wrong.
fn tells_all(result: Result<Checked, Faults>) -> bool {
    let told = |fault: &Fault| !fault.path.is_empty() && !fault.what.is_empty() && fault.line != Some(0);
    result.err().is_none_or(|faults| !faults.0.is_empty() && faults.0.iter().all(told))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        prop_assert!(tells_all(checked(&text, &[])));
    }

    #[test]
    fn no_value_makes_an_option_panic(
        options in proptest::collection::vec((proptest::sample::select(PATHS), value()), 1..12),
    ) {
        let text: String = options.iter().map(|(path, value)| format!("{path} = {value}\n")).collect();
        prop_assert!(tells_all(checked(&text, &[("X", "5")])));
    }

    #[test]
    fn no_variable_makes_an_option_panic(value in "\\PC{0,40}") {
        let env = |name: &str| (!name.ends_with("TOKEN")).then(|| value.clone());
        prop_assert!(tells_all(parse(&with_chat(""), Path::new("/nowhere"), &env, &Connectors::default())));
    }
}

#[test]
fn limits_of_live_channels_are_told_as_all_others() {
    let text = r#"
[limits.lane]
mailbox = 0
[limits.webchat]
hello = "2min"
heartbeat = 25
slow_readers = "10s"
[limits.chat]
user_rate = "often"
chat_streams = -1
[limits.body]
chat = "1KB"
"#;
    assert_snapshot!(faults(text, &[]), @r#"
    limits.lane.mailbox: 0 is not right; write a whole number from 1 to 1000000 (line 3)
    limits.webchat.hello: '2min' is not right; write a time like "15s", from 100ms to 1m (line 5)
    limits.webchat.heartbeat: 25 is not right; write a time like "15s", from 5s to 5m (line 6)
    limits.webchat.slow_readers: no such option; did you mean 'slow_reader'? (line 7)
    limits.chat.user_rate: 'often' is not right; write a rate like "100/s", "30/min" or "1000/s burst 5000" (line 9)
    limits.chat.chat_streams: -1 is not right; write a whole number from 1 to 1000000 (line 10)
    limits.body.chat: '1KB' is not right; write a size like "64KiB", from 1KiB to 64MiB (line 12)
    "#);
}
