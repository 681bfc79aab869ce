//! Registration of webhooks: the app's callback with its handshake, the account's, the number's.

use http::Method;
use serde_json::{Map, Value, json};

use super::WhatsApp;
use super::graph::GraphError;
use crate::sim::client;
use crate::sim::provider::random_hex;
use crate::sim::server::RawRequest;

impl WhatsApp {
    /// `/{app_id}/subscriptions` with the app's own token, `{app_id}|{app_secret}`.
    pub(super) async fn subscriptions(&self, request: &RawRequest) -> Result<Value, GraphError> {
        let fields = fields(request);
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let own = format!("{}|{}", self.options.app_id, self.options.app_secret);
        let given = request.bearer().map_or_else(|| text("access_token"), str::to_owned);
        if given != own {
            return Err(GraphError::bad_token());
        }
        if request.method == Method::GET {
            let all: Vec<Value> = self.state.lock().app_subscription.iter().cloned().collect();
            return Ok(json!({"data": all}));
        }
        if request.method == Method::DELETE {
            self.state.lock().app_subscription = None;
            return Ok(json!({"success": true}));
        }
        for name in ["object", "callback_url", "verify_token", "fields"] {
            if text(name).is_empty() {
                return Err(GraphError::of(100, format!("The parameter {name} is required.")));
            }
        }
        if text("object") != "whatsapp_business_account" {
            return Err(GraphError::of(100, "object must be whatsapp_business_account"));
        }
        self.handshake(&text("callback_url"), &text("verify_token")).await?;
        let mut subscription = fields.clone();
        subscription.remove("access_token");
        self.record("subscriptions", "", "", Value::Object(subscription.clone()), false);
        self.state.lock().app_subscription = Some(Value::Object(subscription));
        Ok(json!({"success": true}))
    }

    /// `/{waba_id}/subscribed_apps`.
    pub(super) async fn subscribed_apps(&self, request: &RawRequest) -> Result<Value, GraphError> {
        if request.method == Method::GET {
            let subscription = self.state.lock().waba_subscription.clone();
            let all: Vec<Value> = subscription
                .into_iter()
                .map(|own| {
                    json!({
                        "whatsapp_business_api_data": {"id": self.options.app_id, "name": "Sim"},
                        "override_callback_uri": own.get("override_callback_uri"),
                    })
                })
                .collect();
            return Ok(json!({"data": all}));
        }
        if request.method == Method::DELETE {
            self.state.lock().waba_subscription = None;
            return Ok(json!({"success": true}));
        }
        let mut fields = fields(request);
        fields.remove("access_token");
        self.check_override(&fields).await?;
        self.record("subscribed_apps", "", "", Value::Object(fields.clone()), false);
        self.state.lock().waba_subscription = Some(Value::Object(fields));
        Ok(json!({"success": true}))
    }

    /// `GET` and `POST /{phone_number_id}`.
    pub(super) async fn number(&self, request: &RawRequest) -> Result<Value, GraphError> {
        if request.method != Method::POST {
            let mut answer = json!({
                "id": self.options.phone_number_id, "display_phone_number": self.options.display_phone_number,
                "verified_name": "Sim", "quality_rating": "GREEN",
            });
            if let Some(hook) = &self.state.lock().number_webhook {
                answer["webhook_configuration"] = json!({"phone_number": hook.get("override_callback_uri")});
            }
            return Ok(answer);
        }
        let fields = fields(request);
        let configuration = fields.get("webhook_configuration").and_then(Value::as_object).cloned();
        let configuration = configuration.ok_or_else(|| GraphError::missing("webhook_configuration"))?;
        self.check_override(&configuration).await?;
        self.record("webhook_configuration", "", "", Value::Object(configuration.clone()), false);
        let is_set = configuration
            .get("override_callback_uri")
            .and_then(Value::as_str)
            .is_some_and(|url| !url.is_empty());
        self.state.lock().number_webhook = is_set.then_some(Value::Object(configuration));
        Ok(json!({"success": true}))
    }

    async fn check_override(&self, fields: &Map<String, Value>) -> Result<(), GraphError> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        match (text("override_callback_uri"), text("verify_token")) {
            ("", _) => Ok(()),
            (_, "") => Err(GraphError::missing("verify_token")),
            (url, token) => self.handshake(url, token).await,
        }
    }

    /// Meta calls the endpoint before it believes in it: the challenge must come back as it was.
    async fn handshake(&self, callback: &str, token: &str) -> Result<(), GraphError> {
        let mut url = url::Url::parse(callback).map_err(|_| GraphError::callback("the URL is not valid"))?;
        let challenge = u32::from_str_radix(&random_hex(4), 16).unwrap_or(7).to_string();
        url.query_pairs_mut()
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.challenge", &challenge)
            .append_pair("hub.verify_token", token);
        let reply = client::get(url.as_str(), &[]).await;
        let reply = reply.map_err(|error| GraphError::callback(&error.to_string()))?;
        if reply.status != 200 {
            return Err(GraphError::callback(&format!(
                "HTTP Status Code = {}; HTTP Message = ",
                reply.status
            )));
        }
        if reply.text() != challenge {
            return Err(GraphError::callback("the challenge did not come back unchanged"));
        }
        Ok(())
    }
}

/// Fields of query and body, from JSON or a form.
fn fields(request: &RawRequest) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.extend(request.query_pairs().into_iter().map(|(name, value)| (name, Value::from(value))));
    match request.json() {
        Some(Value::Object(body)) => fields.extend(body),
        _ if request.media_type() == "application/x-www-form-urlencoded" => {
            fields.extend(request.form_pairs().into_iter().map(|(name, value)| (name, Value::from(value))));
        }
        _ => {}
    }
    fields
}
