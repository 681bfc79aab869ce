//! Calls at installation: where the provider sends webhooks, and the number's own registration.
//!
//! Source: WhatsApp Cloud API, "Webhook override", "Subscribed apps", "Register a phone number".

use portico_contract::{
    Context, Fault, FaultCode, Host, HttpAnswer, Level, OutboundRequest, Outcome, Slot, SlotPlace, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde_json::json;

use crate::config::{Subscribe, WhatsAppConfig};
use crate::errors;

/// The jobs' names in a sequence.
pub(crate) const REGISTER: &str = "register";
pub(crate) const UNREGISTER: &str = "unregister";

/// What the gateway replaces with the operator's verify token.
const VERIFY: &str = "{verify_token}";

fn verify_slot() -> Slot {
    Slot { place: SlotPlace::Body, marker: VERIFY.into(), secret: "verify_token".into() }
}

/// Sets the webhook address as `subscribe` asks, and registers the number when its PIN is configured.
pub(crate) fn register(host: &dyn Host, ctx: &Context, config: &WhatsAppConfig) -> Result<Turn, Fault> {
    let mut calls = Vec::new();
    if host.keyring().has("number_pin") {
        let mut call = graph_post(
            "number",
            config.graph(&format!("{}/register", config.phone_number_id)),
            &json!({ "messaging_product": "whatsapp", "pin": "{pin}" }),
        );
        call.slots.push(Slot { place: SlotPlace::Body, marker: "{pin}".into(), secret: "number_pin".into() });
        calls.push(call);
    }
    if config.subscribe == Subscribe::None {
        host.log(
            Level::Info,
            "enter this address and your verify token as the webhook in the app dashboard (WhatsApp > Configuration)",
            &[("webhook_url", &ctx.webhook_url)],
        );
    } else if !ctx.webhook_url.starts_with("https://") && config.api_url.is_none() {
        let reason = "the provider takes https addresses only: set the gateway's public_url to one";
        return Err(Fault::new(FaultCode::BadConfig, reason).at("/subscribe"));
    }
    let url = &*ctx.webhook_url;
    match config.subscribe {
        Subscribe::None => {}
        Subscribe::Number => calls.push(
            graph_post(
                "webhook",
                config.graph(&config.phone_number_id),
                &json!({ "webhook_configuration": { "override_callback_uri": url, "verify_token": VERIFY } }),
            )
            .slot(verify_slot()),
        ),
        Subscribe::Waba => calls.push(
            graph_post(
                "webhook",
                config.graph(&format!("{}/subscribed_apps", needed(config.waba_id.as_ref(), "/waba_id")?)),
                &json!({ "override_callback_uri": url, "verify_token": VERIFY }),
            )
            .slot(verify_slot()),
        ),
        Subscribe::App => {
            let app = needed(config.app_id.as_ref(), "/app_id")?;
            let body = json!({
                "object": "whatsapp_business_account",
                "callback_url": url,
                "verify_token": VERIFY,
                "fields": config.fields.join(","),
            });
            let address = config.graph(&format!("{app}/subscriptions?access_token={app}%7C{{app_secret}}"));
            calls.push(
                OutboundRequest::json("webhook", address, &body)
                    .slot(Slot::url("{app_secret}", "app_secret"))
                    .slot(verify_slot())
                    .repeatable(),
            );
            if let Some(waba) = &config.waba_id {
                calls.push(subscribe_waba(config, waba));
            }
        }
    }
    Sequence::new(REGISTER, calls).start().map(nothing)
}

/// Takes the overrides back. The app's own callback stays: other accounts of the app live from it.
pub(crate) fn unregister(host: &dyn Host, config: &WhatsAppConfig) -> Result<Turn, Fault> {
    let calls = match config.subscribe {
        Subscribe::None => Vec::new(),
        Subscribe::App => {
            host.log(
                Level::Info,
                "the app's webhook subscription stays; remove it in the app dashboard",
                &[],
            );
            Vec::new()
        }
        Subscribe::Number => vec![graph_post(
            "webhook",
            config.graph(&config.phone_number_id),
            &json!({ "webhook_configuration": { "override_callback_uri": "" } }),
        )],
        Subscribe::Waba => vec![subscribe_waba(config, needed(config.waba_id.as_ref(), "/waba_id")?)],
    };
    Sequence::new(UNREGISTER, calls).start().map(nothing)
}

/// Takes the answer of one call.
pub(crate) fn resume(sequence: Sequence, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let read = |_: &OutboundRequest, answer: &HttpAnswer| match &answer.outcome {
        // The number is registered already.
        Ok(response) if answer.label == "number" && response.status == 403 => Ok(Step::ok()),
        _ => errors::success(answer, 1).map(|_| Step::ok()),
    };
    sequence.resume_to(answers, read, |_| Outcome::Nothing)
}

fn graph_post(label: &str, url: String, body: &serde_json::Value) -> OutboundRequest {
    OutboundRequest::json(label, url, body).bearer("access_token").repeatable()
}

/// Subscribes the app to the account; without a body it also takes an override back.
fn subscribe_waba(config: &WhatsAppConfig, waba: &str) -> OutboundRequest {
    let mut call = graph_post("account", config.graph(&format!("{waba}/subscribed_apps")), &json!({}));
    call.headers.retain(|header| header.name != "content-type");
    call.body = portico_contract::Payload::Empty;
    call
}

fn needed<'c>(value: Option<&'c String>, field: &str) -> Result<&'c str, Fault> {
    let missing = || Fault::new(FaultCode::BadConfig, "is needed for this kind of subscription").at(field);
    value.map(String::as_str).ok_or_else(missing)
}

/// A sequence without calls ends as a delivery of nothing; a set-up delivers nothing at all.
fn nothing(mut turn: Turn) -> Turn {
    if matches!(turn.next, portico_contract::Next::Done(_)) {
        turn.next = portico_contract::Next::Done(Outcome::Nothing);
    }
    turn
}
