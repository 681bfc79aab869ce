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
trusted_proxies = ["10.0.0.0/33"]
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
    assert_snapshot!(faults(text, &[]), @"");
}

#[test]
fn faults_between_sections_are_told() {
    let text = r#"
[server]
listen = "0.0.0.0:8081"
public_url = "http://portico.example.com"
[limits.memory]
soft_percent = 95
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
    assert_snapshot!(faults(text, &[]), @"");
}

#[test]
fn an_outside_address_needs_a_public_url() {
    assert_snapshot!(faults("[server]\nlisten = \"0.0.0.0:80\"", &[]), @"");
    good("[server]\nlisten = \"0.0.0.0:80\"\npublic_url = \"http://gw\"\nallow_private_networks = true", &[]);
    good("[server]\nlisten = \"0.0.0.0:80\"\npublic_url = \"http://localhost:80\"", &[]);
}

#[test]
fn broken_toml_is_told_by_line() {
    assert_snapshot!(faults("[server]\nlisten = \nworkers = 1\nworkers = 2", &[]), @"");
    assert_snapshot!(faults("a = 1979-05-27\nb = 99999999999999999999", &[]), @"");
}

#[test]
fn variables_are_told_by_name_and_never_by_value() {
    let env = [("PORTICO_SERVER__WORKERS", "CANARY"), ("PORTICO_LOG__FORMAT", "CANARY"), ("BAD", "CANARY")];
    let text = "[server]\nadmin_listen = \"${BAD}\"\npublic_url = \"${}\"\n[store]\npath = \"a${b\"";
    let told = faults(text, &env);
    assert!(!told.contains("CANARY"), "{told}");
    assert_snapshot!(told, @"");
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
    assert_snapshot!(told, @"");
}

#[test]
fn a_key_in_both_spellings_and_an_unknown_one_are_told() {
    let told = faults(&with_chat("botToken = \"u\"\nroom_name = \"x\"\nrom = \"y\""), &[]);
    assert_snapshot!(told, @"");
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = checked(&text, &[]).map_err(|faults| faults.to_string());
    }

    #[test]
    fn no_value_makes_an_option_panic(
        options in proptest::collection::vec((proptest::sample::select(PATHS), value()), 1..12),
    ) {
        let text: String = options.iter().map(|(path, value)| format!("{path} = {value}\n")).collect();
        let _ = checked(&text, &[("X", "5")]).map_err(|faults| faults.to_string());
    }

    #[test]
    fn no_variable_makes_an_option_panic(value in "\\PC{0,40}") {
        let env = |name: &str| (!name.ends_with("TOKEN")).then(|| value.clone());
        let _ = parse(&with_chat(""), Path::new("/nowhere"), &env, &Connectors::default());
    }
}
