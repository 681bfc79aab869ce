//! The webhook: `setWebhook` with its checks, and delivery of updates as the provider does it.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::Telegram;
use super::answer::{Refused, bad};
use super::params::{Params, as_int};
use super::state::Webhook;
use crate::sim::client;

/// Kinds of update that are only sent when `allowed_updates` names them.
const OPT_IN: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];
/// Keys of an update that carry a message.
const MESSAGES: [&str; 6] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
];

/// What became of one update.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// The id that it carried.
    pub update_id: i64,
    /// The status of each attempt; `None` where the connection failed.
    pub attempts: Vec<Option<u16>>,
    /// Whether the last attempt was answered with 2xx.
    pub delivered: bool,
    /// Whether `allowed_updates` kept it back: then nothing was sent.
    pub filtered: bool,
    /// The method that the webhook's answer asked for and that was carried out.
    pub method_called: Option<String>,
}

impl Telegram {
    pub(super) fn set_webhook(&self, params: &Params) -> Result<Value, Refused> {
        let url = params.text("url");
        if url.is_empty() {
            return Ok(self.delete_webhook(params));
        }
        self.check_url(&url)?;
        let secret = params.text("secret_token");
        if secret.len() > 256 {
            return Err(bad("secret token is too long"));
        }
        if !secret.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(bad("secret token contains unallowed characters"));
        }
        let max_connections = params.int("max_connections").unwrap_or(40);
        if !(1..=100).contains(&max_connections) {
            return Err(bad("max_connections must be between 1 and 100"));
        }
        let mut state = self.state.lock();
        if let Some(allowed) = params.nested("allowed_updates")? {
            let Some(names) = allowed.as_array() else {
                return Err(bad("can't parse allowed_updates: Array expected"));
            };
            if names.iter().any(|name| !name.is_string()) {
                return Err(bad("can't parse allowed_updates: Array of String expected"));
            }
            // Unknown names are passed over in silence by the server, too.
            state.allowed_updates = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        if params.flag("drop_pending_updates") {
            state.pending = 0;
        }
        let allowed = state.allowed_updates.clone();
        let secret = (!secret.is_empty()).then_some(secret);
        let hook = Webhook { url, secret, allowed, max_connections, last_error: None };
        state.webhook = Some(hook);
        drop(state);
        self.record("setWebhook", 0, 0, params, Vec::new(), false);
        Ok(Value::Bool(true))
    }

    fn check_url(&self, text: &str) -> Result<(), Refused> {
        let url = Url::parse(text).map_err(|_| bad("bad webhook: invalid webhook URL specified"))?;
        match url.scheme() {
            "http" if self.options.allow_http => return Ok(()),
            "https" => {}
            _ => return Err(bad("bad webhook: An HTTPS URL must be provided for webhook")),
        }
        let port = url.port_or_known_default().unwrap_or(443);
        if !self.options.allow_http && ![443, 80, 88, 8443].contains(&port) {
            return Err(bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"));
        }
        match url.host() {
            Some(url::Host::Ipv4(ip))
                if !self.options.allow_http && (ip.is_loopback() || ip.is_private()) =>
            {
                Err(bad(format!("bad webhook: IP address {ip} is reserved")))
            }
            Some(_) => Ok(()),
            None => Err(bad("bad webhook: invalid webhook URL specified")),
        }
    }

    pub(super) fn delete_webhook(&self, params: &Params) -> Value {
        let mut state = self.state.lock();
        state.webhook = None;
        if params.flag("drop_pending_updates") {
            state.pending = 0;
        }
        drop(state);
        self.record("deleteWebhook", 0, 0, params, Vec::new(), false);
        Value::Bool(true)
    }

    pub(super) fn webhook_info(&self) -> Value {
        let state = self.state.lock();
        let Some(hook) = &state.webhook else {
            return json!({"url": "", "has_custom_certificate": false, "pending_update_count": state.pending});
        };
        let mut info = json!({
            "url": hook.url, "has_custom_certificate": false, "pending_update_count": state.pending,
            "max_connections": hook.max_connections, "ip_address": "127.0.0.1",
        });
        if !hook.allowed.is_empty() {
            info["allowed_updates"] = json!(hook.allowed);
        }
        if let Some((at, message)) = &hook.last_error {
            info["last_error_date"] = json!(at);
            info["last_error_message"] = json!(message);
        }
        info
    }

    pub(super) async fn deliver(&self, mut update: Value) -> anyhow::Result<Delivery> {
        let update_id = self.note(&mut update);
        let mut delivery = Delivery { update_id, ..Delivery::default() };
        let kind = update
            .as_object()
            .and_then(|fields| fields.keys().find(|name| *name != "update_id").cloned())
            .unwrap_or_default();
        if !self.is_allowed(&kind) {
            delivery.filtered = true;
            return Ok(delivery);
        }
        let queue = self.queues.lock().entry(queue_of(&update, &kind)).or_default().clone();
        let _turn = queue.lock().await;
        self.state.lock().pending += 1;
        let outcome = self.attempts(&update, &mut delivery).await;
        self.state.lock().pending -= 1;
        outcome.map(|()| delivery)
    }

    async fn attempts(&self, update: &Value, delivery: &mut Delivery) -> anyhow::Result<()> {
        let mut pause = self.options.retry_base;
        for attempt in 1..=self.options.max_attempts.max(1) {
            // Read anew each time: the webhook may be moved while an update waits.
            let hook = self.state.lock().webhook.clone();
            let Some(hook) = hook else { anyhow::bail!("no webhook is registered") };
            Url::parse(&hook.url)?;
            let mut headers = Vec::new();
            if let Some(secret) = &hook.secret {
                headers.push(("X-Telegram-Bot-Api-Secret-Token".to_owned(), secret.clone()));
            }
            let mut wait = pause;
            match client::post_json(&hook.url, &headers, update).await {
                Ok(reply) if reply.is_success() => {
                    delivery.attempts.push(Some(reply.status));
                    delivery.delivered = true;
                    delivery.method_called = self.obey(reply.json());
                    return Ok(());
                }
                Ok(reply) => {
                    delivery.attempts.push(Some(reply.status));
                    let told = format!("Wrong response from the webhook: {}", reply.status);
                    self.note_error(told);
                    if let Ok(seconds) = reply.header("retry-after").parse::<u64>() {
                        // Honoured up to an hour by the real one; a test cannot wait that long.
                        wait = Duration::from_secs(seconds.min(2));
                    }
                }
                Err(error) => {
                    delivery.attempts.push(None);
                    self.note_error(format!("Connection failed: {error}"));
                }
            }
            if attempt < self.options.max_attempts {
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
        }
        Ok(())
    }

    /// Carries out the method that a webhook's answer names.
    fn obey(&self, answer: Value) -> Option<String> {
        let Value::Object(fields) = answer else { return None };
        let method = fields.get("method").and_then(Value::as_str)?.to_owned();
        let done = self.call(&method, &Params::of(fields));
        (done.status == 200).then_some(method)
    }

    /// Gives the update an id and remembers its chat, message and callback query.
    fn note(&self, update: &mut Value) -> i64 {
        let mut state = self.state.lock();
        let update_id = update.get("update_id").and_then(Value::as_i64).unwrap_or(state.last_update_id + 1);
        state.last_update_id = state.last_update_id.max(update_id);
        if let Some(fields) = update.as_object_mut() {
            fields.insert("update_id".to_owned(), update_id.into());
        }
        let callback = update.get("callback_query");
        if let Some(id) = callback.and_then(|query| query.get("id")).and_then(Value::as_str) {
            state.callbacks.insert(id.to_owned());
        }
        let direct = MESSAGES.iter().find_map(|name| update.get(*name));
        let message = direct.or_else(|| callback.and_then(|query| query.get("message")));
        if let Some(chat) = message.and_then(|m| m.pointer("/chat/id")).and_then(as_int) {
            let entry = state.chat(chat);
            if direct.is_some() {
                // Who writes has not blocked the bot.
                entry.missing = false;
            }
            if let Some(id) = message.and_then(|m| m.get("message_id")).and_then(as_int) {
                state.foreign.insert((chat, id));
            }
        }
        update_id
    }

    fn is_allowed(&self, kind: &str) -> bool {
        let state = self.state.lock();
        match &state.webhook {
            Some(hook) if !hook.allowed.is_empty() => hook.allowed.iter().any(|name| name == kind),
            _ => !OPT_IN.contains(&kind),
        }
    }

    fn note_error(&self, message: String) {
        let now = self.provider.clock().now().as_secs();
        if let Some(hook) = self.state.lock().webhook.as_mut() {
            hook.last_error = Some((now, message));
        }
    }
}

/// The queue of an update: messages by chat, button presses by user, the rest by kind.
fn queue_of(update: &Value, kind: &str) -> String {
    let body = update.get(kind).unwrap_or(&Value::Null);
    let key = if kind == "callback_query" { "/from/id" } else { "/chat/id" };
    let id = body.pointer(key).and_then(as_int).unwrap_or_default();
    let family = if MESSAGES.contains(&kind) { "message" } else { kind };
    format!("{family}:{id}")
}
