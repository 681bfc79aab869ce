//! Installation: which webhook address is set where.

use portico_contract::{FaultCode, SlotPlace};
use serde_json::json;

use super::*;

fn calls(job: Job, extra: Value) -> Vec<(String, Value)> {
    let run = run_with_pin(job, extra, false);
    run.outcome.as_ref().expect("set up");
    run.requests
        .iter()
        .map(|request| {
            let body = match &request.body {
                Payload::Text(text) => serde_json::from_str(text).unwrap_or_default(),
                _ => Value::Null,
            };
            (request.url.replace("https://graph.facebook.com/v22.0/", ""), body)
        })
        .collect()
}

fn run_with_pin(job: Job, extra: Value, pin: bool) -> Run {
    let host = if pin { host() } else { host().without_secret("number_pin") };
    portico_suite::run(connector().as_ref(), &host, &with(extra), job, well())
}

const URL: &str = "https://gateway.example/hooks/test-installation";

#[test]
fn nothing_is_set_unless_asked_but_the_address_is_told() {
    let host = host().without_secret("number_pin");
    let run = portico_suite::run(connector().as_ref(), &host, &ctx(), Job::Register, well());
    assert_eq!(run.outcome.expect("set up"), portico_contract::Outcome::Nothing);
    assert!(run.requests.is_empty());
    assert!(host.log_lines().iter().any(|line| line.message.contains("verify token")));
}

#[test]
fn number_and_account_take_an_override_and_give_it_back() {
    let number = json!({ "subscribe": "number" });
    let hook = json!({ "webhook_configuration": { "override_callback_uri": URL, "verify_token": "{verify_token}" } });
    assert_eq!(calls(Job::Register, number.clone()), [(BOT.to_owned(), hook)]);
    let none = json!({ "webhook_configuration": { "override_callback_uri": "" } });
    assert_eq!(calls(Job::Unregister, number), [(BOT.to_owned(), none)]);
    let waba = json!({ "subscribe": "waba", "waba_id": "900" });
    let hook = json!({ "override_callback_uri": URL, "verify_token": "{verify_token}" });
    assert_eq!(calls(Job::Register, waba.clone()), [("900/subscribed_apps".to_owned(), hook)]);
    assert_eq!(calls(Job::Unregister, waba), [("900/subscribed_apps".to_owned(), Value::Null)]);
}

#[test]
fn the_app_is_subscribed_with_its_own_secret() {
    let app =
        json!({ "subscribe": "app", "waba_id": "900", "app_id": "77", "fields": ["messages", "calls"] });
    let run = run_with_pin(Job::Register, app.clone(), false);
    assert_eq!(
        run.requests[0].url,
        "https://graph.facebook.com/v22.0/77/subscriptions?access_token=77%7C{app_secret}"
    );
    assert_eq!(run.json(0)["fields"], "messages,calls");
    let places: Vec<_> =
        run.requests[0].slots.iter().map(|slot| (slot.place, slot.secret.as_str())).collect();
    assert_eq!(places, [(SlotPlace::Url, "app_secret"), (SlotPlace::Body, "verify_token")]);
    assert_eq!(run.requests[1].url, "https://graph.facebook.com/v22.0/900/subscribed_apps");
    assert!(calls(Job::Unregister, app).is_empty(), "other accounts of the app live from it");
}

#[test]
fn a_number_with_a_pin_is_registered_and_may_be_so_already() {
    let run = run_with_pin(Job::Register, json!({}), true);
    assert_eq!(run.json(0), json!({ "messaging_product": "whatsapp", "pin": "{pin}" }));
    let refused = |status| {
        portico_suite::run(connector().as_ref(), &host(), &ctx(), Job::Register, |_| {
            Ok(json_answer(status, json!({})))
        })
    };
    assert!(refused(403).outcome.is_ok());
    assert_eq!(refused(401).fault().code, FaultCode::Unauthenticated);
}

#[test]
fn an_address_without_tls_is_refused_with_the_fix() {
    let ctx = TestContext::new().config(json!({ "phone_number_id": BOT, "subscribe": "number" }));
    let ctx = ctx.webhook_url("http://gateway.example/x").build();
    let run = run(&ctx, Job::Register, well());
    assert_eq!((run.fault().code, run.fault().field.as_deref()), (FaultCode::BadConfig, Some("/subscribe")));
}
