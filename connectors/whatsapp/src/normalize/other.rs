//! Fields that are no chat: templates, account, quality, calls. Each goes to the bot under the provider's own
//! name; a field that nobody knew when this was written goes as `unknown`.

use portico_contract::{CustomEvent, Event, Level, Party};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Reader, party, thread};
use crate::wire::Entry;

/// Webhook fields that have an event of the same name in the manifest.
pub(crate) const FIELDS: [&str; 23] = [
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "automatic_events",
    "business_capability_update",
    "business_status_update",
    "calls",
    "flows",
    "history",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "partner_solutions",
    "payment_configuration_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "smb_app_state_sync",
    "template_category_update",
    "template_correct_category_detection",
    "tracking_events",
    "user_preferences",
];

impl Reader<'_> {
    /// A change of another field.
    pub(super) fn other(&mut self, entry: &Entry<'_>, field: &str, raw: &RawValue) {
        let known = FIELDS.iter().find(|known| **known == field);
        if known.is_none() {
            self.host.log(Level::Debug, "a webhook field is not known", &[("field", field)]);
        }
        if matches!(field, "user_preferences" | "calls") && self.per_person(field, raw) {
            return;
        }
        self.raw_event(known.copied().unwrap_or("unknown"), entry, field, raw);
    }

    /// Fields whose value lists things of single people: an event each, in that person's conversation.
    fn per_person(&mut self, field: &str, raw: &RawValue) -> bool {
        let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        let bot = value.pointer("/metadata/phone_number_id").and_then(Value::as_str).unwrap_or_default();
        let Some(items) = value.get(field).and_then(Value::as_array).filter(|items| !items.is_empty()) else {
            return false;
        };
        if !self.config.owns(bot) {
            return false;
        }
        let name = if field == "calls" { "calls" } else { "user_preferences" };
        for item in items {
            let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
            let outgoing = text("direction") == "BUSINESS_INITIATED";
            let (number, user_id) = match (field, outgoing) {
                ("calls", true) => (text("to"), text("to_user_id")),
                ("calls", false) => (text("from"), text("from_user_id")),
                _ => (text("wa_id"), text("user_id")),
            };
            let someone = !number.is_empty() || !user_id.is_empty();
            let author: Option<Party> = (someone && !outgoing).then(|| party(number, user_id, None));
            let event = Event::Custom(CustomEvent {
                name: name.into(),
                external_id: Some(self.digest(&[bot.as_bytes(), item.to_string().as_bytes()])),
                thread: someone.then(|| thread(bot, number, user_id)),
                author,
                message: None,
                data: item.clone(),
            });
            self.found.events.push(event);
        }
        true
    }

    /// Something of the account, whole. A repeat has the same account, field, time and value.
    pub(super) fn raw_event(&mut self, name: &'static str, entry: &Entry<'_>, field: &str, raw: &RawValue) {
        let external_id = self.digest(&[
            entry.id.as_str().as_bytes(),
            field.as_bytes(),
            entry.time.as_str().as_bytes(),
            raw.get().as_bytes(),
        ]);
        let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        self.found.events.push(Event::Custom(CustomEvent {
            name: name.into(),
            external_id: Some(external_id),
            thread: None,
            author: None,
            message: None,
            data: json!({ "wabaId": entry.id.as_str(), "field": field, "time": entry.time.as_str(), "value": value }),
        }));
    }
}
