//! Every payload of a folder of recorded and composed webhooks, through the real binary: taken, and normalized
//! as the channel's document says. Runs where that folder is: `PORTICO_SHARED`, or `../shared` beside the
//! repository.

use std::path::{Path, PathBuf};

use http::Method;
use portico_tests::gateway::GatewaySpec;
use portico_tests::sim::client;
use portico_tests::sim::core::{CoreAnswer, CoreEvent, HttpCore, Ledger};
use portico_tests::sim::sign::{self, SignedRequest, now};
use portico_tests::sim::slack::{SlackOptions, SlackSim};
use portico_tests::sim::telegram::{TelegramOptions, TelegramSim};
use serde_json::{Value, json};

use crate::fixtures_expected::{Expected, SLACK, TELEGRAM, WHATSAPP};
use crate::scene::{SOON, bot, http_core};

const SLACK_SECRET: &str = "portico-slack-signing-secret";
const TELEGRAM_SECRET: &str = "portico_test-secret-1";
const META_SECRET: &str = "portico-test-app-secret";
const WEBHOOK_SECRET: &str = "s3cret";

fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("PORTICO_SHARED").map_or(beside, PathBuf::from).join("fixtures");
    if folder.join("slack").is_dir() {
        return Some(folder);
    }
    #[expect(clippy::print_stderr, reason = "whoever runs the tests should know what did not run")]
    {
        eprintln!("skipped: there is no {}", folder.display());
    }
    None
}

fn read(folder: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The payload files of a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".json") && name != "signatures.json")
        .collect();
    names.sort();
    names
}

/// Sends each file to an installation of its own, since recorded ids repeat, and compares what comes of it:
/// the kinds of its events, and what is at some places of the first.
async fn all(
    folder: &Path,
    expected: &[Expected],
    installation: impl Fn(&str) -> String,
    request: impl Fn(&str) -> SignedRequest,
) {
    let listed: Vec<&str> = expected.iter().map(|one| one.file).collect();
    assert_eq!(names(folder), listed, "every payload is looked at");
    let core = HttpCore::start(|_| CoreAnswer::done()).await.unwrap();
    let config: String = (0..expected.len()).map(|number| installation(&format!("f{number}"))).collect();
    let (spec, _folder) = GatewaySpec::temporary(&format!("{}{config}", bot(&http_core(&core)))).unwrap();
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let mut faults = Vec::new();
    for (number, Expected { file, kinds, places }) in expected.iter().enumerate() {
        let id = format!("f{number}");
        let reply = request(file).send(&gateway.webhook(&id)).await.unwrap();
        assert!(reply.is_success(), "{file}: {} {}", reply.status, reply.text());
        let of = |core: &Ledger| -> Vec<CoreEvent> {
            core.events().into_iter().filter(|event| event.body["installation"] == *id).collect()
        };
        let waited = core.wait_until(file, SOON, |core| of(core).len() >= kinds.len()).await;
        let events = of(&core);
        let found: Vec<&str> = events.iter().map(|event| event.kind().trim_start_matches(&id)).collect();
        if waited.is_err() || found != *kinds {
            faults.push(format!(
                "{file}: {found:?}, not {kinds:?}: {:?}",
                events.first().map(|event| &event.body)
            ));
            continue;
        }
        for (place, value) in *places {
            let there = events[0]
                .body
                .pointer(&place.replace("/tags/", &format!("/tags/{id}:")))
                .cloned()
                .unwrap_or_default();
            let there = there
                .as_str()
                .map_or_else(|| there.to_string(), str::to_owned)
                .replace(&format!("{id}:"), "");
            if there != *value {
                faults.push(format!("{file} at {place}: {there}, not {value}: {}", events[0].body));
            }
        }
    }
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), gateway.spec.log());
    // What was ignored made nothing, and nothing was left unread.
    let token = gateway.admin_token().unwrap();
    let url = format!("{}/admin/v1/events?kind=unread", gateway.spec.admin());
    let unread = crate::scene::call(Method::GET, &url, &token, None).await.json();
    assert_eq!(unread["items"], json!([]), "{unread}");
    assert_eq!(core.events().len(), expected.iter().map(|one| one.kinds.len()).sum::<usize>());
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_payloads_are_normalized_as_documented() {
    let Some(folder) = shared().map(|folder| folder.join("slack")) else { return };
    let slack = SlackSim::start(SlackOptions::unpaced()).await.unwrap();
    let installation = |id: &str| {
        format!(
            "[installations.{id}]\nalias = \"{id}\"\nbot = \"support\"\nconnector = \"slack\"\n\
             [installations.{id}.config]\nbot_token = \"{}\"\nsigning_secret = \"{SLACK_SECRET}\"\napi_url = \"{}\"\n",
            slack.options().bot_token,
            slack.url()
        )
    };
    all(&folder, SLACK, installation, |file| {
        let value = read(&folder, file);
        match file {
            "slash_command.json" => {
                let fields: Vec<(String, String)> = value
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                    .collect();
                let fields: Vec<(&str, &str)> =
                    fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                sign::slack_command(SLACK_SECRET, &fields)
            }
            name if name.starts_with("block_actions") || name.starts_with("view_") => {
                sign::slack_interaction(SLACK_SECRET, &value)
            }
            _ => sign::slack_at(SLACK_SECRET, now(), "application/json", value.to_string()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_payloads_are_normalized_as_documented() {
    let Some(folder) = shared().map(|folder| folder.join("telegram")) else { return };
    let telegram = TelegramSim::start(TelegramOptions::unpaced()).await.unwrap();
    let installation = |id: &str| {
        format!(
            "[installations.{id}]\nalias = \"{id}\"\nbot = \"support\"\nconnector = \"telegram\"\n\
             [installations.{id}.config]\nbot_token = \"{}\"\nwebhook_secret = \"{TELEGRAM_SECRET}\"\napi_url = \"{}\"\n",
            telegram.options().token,
            telegram.url()
        )
    };
    all(&folder, TELEGRAM, installation, |file| sign::telegram(TELEGRAM_SECRET, &read(&folder, file))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp_payloads_are_taken_in_both_written_forms_and_normalized_as_documented() {
    let Some(folder) = shared().map(|folder| folder.join("whatsapp")) else { return };
    let vectors = read(&folder, "signatures.json");
    let mut numbers: Vec<String> = Vec::new();
    for name in names(&folder) {
        collect_numbers(&read(&folder, &name), &mut numbers);
    }
    numbers.sort();
    numbers.dedup();
    let installation = |id: &str| {
        format!(
            "[installations.{id}]\nalias = \"{id}\"\nbot = \"support\"\nconnector = \"whatsapp\"\n\
             [installations.{id}.config]\nphone_number_id = \"{}\"\nmore_phone_number_ids = {}\naccess_token = \"t-1\"\n\
             app_secret = \"{META_SECRET}\"\nverify_token = \"v-1\"\napi_url = \"http://127.0.0.1:9\"\n",
            numbers[0],
            json!(numbers[1..])
        )
    };
    // First the bytes of the files with their published headers, then Meta's own form of the same.
    for wire in [false, true] {
        all(&folder, WHATSAPP, installation, |file| {
            let vector =
                vectors["vectors"].as_array().unwrap().iter().find(|one| one["file"] == file).unwrap();
            let bytes = std::fs::read(folder.join(file)).unwrap();
            if wire {
                let request = sign::whatsapp(META_SECRET, wire_form(&bytes));
                assert_eq!(request.header("x-hub-signature-256"), vector["header_over_wire_form"], "{file}");
                request
            } else {
                let request = sign::whatsapp(META_SECRET, bytes);
                assert_eq!(request.header("x-hub-signature-256"), vector["header_over_file_bytes"], "{file}");
                request
            }
        })
        .await;
    }
}

/// Compact, in the order of the file, every unit above 0x7e escaped, slashes escaped.
fn wire_form(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (mut out, mut in_text, mut escaped) = (String::new(), false, false);
    for letter in text.chars() {
        match letter {
            _ if escaped => {
                escaped = false;
                out.push(letter);
            }
            '\\' => {
                escaped = true;
                out.push(letter);
            }
            '"' => {
                in_text = !in_text;
                out.push(letter);
            }
            '/' => out.push_str("\\/"),
            letter if letter.is_ascii_whitespace() && !in_text => {}
            letter if u32::from(letter) > 0x7e => {
                let mut units = [0; 2];
                out.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            letter => out.push(letter),
        }
    }
    out.into_bytes()
}

fn collect_numbers(value: &Value, numbers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(id) = fields.get("phone_number_id").and_then(Value::as_str) {
                numbers.push(id.to_owned());
            }
            fields.values().for_each(|value| collect_numbers(value, numbers));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_numbers(value, numbers)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_requests_become_the_documented_events() {
    let Some(folder) = shared().map(|folder| folder.join("webhook")) else { return };
    let config = format!(
        "[installations.hook]\nbot = \"support\"\nconnector = \"webhook\"\n[installations.hook.config]\nsecret = \"{WEBHOOK_SECRET}\"\n"
    );
    let core = HttpCore::start(|_| CoreAnswer::done()).await.unwrap();
    let (spec, _folder) = GatewaySpec::temporary(&format!("{}{config}", bot(&http_core(&core)))).unwrap();
    let gateway = spec.start().await.unwrap();
    let mut count = 0;
    for (number, case) in read(&folder, "composed-requests.json").as_array().unwrap().iter().enumerate() {
        let request = &case["request"];
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let query = match text("query") {
            query if query.is_empty() => query,
            query => format!("?{query}"),
        };
        let url = format!("{}{}{query}", gateway.webhook("hook"), text("path"));
        let headers: Vec<(String, String)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let method = Method::try_from(text("method").as_str()).unwrap();
        let reply = client::send(method, &url, &headers, text("body").into()).await.unwrap();
        if case["event"].is_null() {
            assert_eq!(reply.status, 401, "request {number}");
            continue;
        }
        assert_eq!((reply.status, reply.body.len()), (200, 0), "request {number}");
        count += 1;
        let events = core
            .wait_for(count, SOON)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", gateway.spec.log()));
        let payload = &events.last().unwrap().body["payload"];
        for (name, value) in case["event"].as_object().unwrap().iter().filter(|(name, _)| *name != "headers")
        {
            assert_eq!(&payload[name], value, "request {number}, {name}: {payload}");
        }
        // What proves the sender is not handed on.
        assert!(payload["headers"].get("x-bp-secret").is_none(), "{payload}");
    }
    assert_eq!(core.received().len(), count);
}
