//! An installation's configuration as its operator wrote it; the secrets are not in it.
//!
//! Read once per installation through `ParsedConfig::typed`, then used on every path.

use portico_contract::{Fault, FaultCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Where a person's message in a channel is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyPlace {
    /// In the channel itself.
    Channel,
    /// In a thread under the message.
    #[default]
    Thread,
    /// In both: the bot gets the message twice, once in each conversation.
    #[serde(alias = "channelAndThread")]
    ChannelAndThread,
}

/// One Slack installation, as written under `[installations.<name>.config]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackConfig {
    /// Replaces `https://slack.com`; methods are called at `{api_url}/api/<method>`.
    pub api_url: String,
    /// Where a message in a channel is answered. Default `thread`.
    pub reply_place: ReplyPlace,
    /// In channels and threads, pass on only messages that mention the bot. Default `false`.
    pub only_on_mention: bool,
    /// Show typing with an `eyes` reaction on the message that is answered. Default `false`.
    pub typing_reaction: bool,
    /// Name shown with the bot's messages; needs the scope `chat:write.customize`.
    pub username: Option<String>,
    /// Address of the picture shown with the bot's messages; same scope.
    pub icon_url: Option<String>,
    /// Emoji shown with the bot's messages, such as `:robot_face:`; same scope.
    pub icon_emoji: Option<String>,
}

impl Default for SlackConfig {
    fn default() -> Self {
        Self {
            api_url: "https://slack.com".into(),
            reply_place: ReplyPlace::default(),
            only_on_mention: false,
            typing_reaction: false,
            username: None,
            icon_url: None,
            icon_emoji: None,
        }
    }
}

impl SlackConfig {
    /// Address of a Web API method.
    pub fn method(&self, name: &str) -> String {
        // Slack's own documents write the base with `/api`; both ways mean the same.
        let base = self.api_url.trim_end_matches('/');
        let base = base.strip_suffix("/api").unwrap_or(base);
        format!("{base}/api/{name}")
    }

    /// Whether the bot token may be sent to an address: Slack's hosts, and the configured one.
    pub fn is_slack(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        let host = url.host_str().unwrap_or_default();
        let at_slack = url.scheme() == "https"
            && url.port_or_known_default() == Some(443)
            && (host == "slack.com"
                || host.strip_suffix(".slack.com").is_some_and(|label| !label.contains('.')));
        at_slack || Url::parse(&self.api_url).is_ok_and(|own| own.origin() == url.origin() && own.has_host())
    }
}

/// Everything that is wrong with a configuration.
pub(crate) fn check(config: &Value) -> Vec<Fault> {
    let bad = |field: &str, reason: String| Fault::new(FaultCode::BadConfig, reason).at(field);
    let read: SlackConfig = match serde_json::from_value(config.clone()) {
        Ok(read) => read,
        Err(error) => return vec![bad("", format!("configuration: {error}"))],
    };
    let mut faults = Vec::new();
    let web = |address: &str| {
        Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    let bare = |address: &str| {
        Url::parse(address).is_ok_and(|url| url.query().is_none() && url.fragment().is_none())
    };
    if !web(&read.api_url) || !bare(&read.api_url) {
        faults.push(bad(
            "/api_url",
            "api_url must be an http or https address without query, such as https://slack.com".into(),
        ));
    }
    if read.icon_url.as_deref().is_some_and(|address| !web(address)) {
        faults.push(bad("/icon_url", "icon_url must be an http or https address of a picture".into()));
    }
    if read.icon_url.is_some() && read.icon_emoji.is_some() {
        faults.push(bad(
            "/icon_emoji",
            "icon_emoji and icon_url exclude each other; remove one of them".into(),
        ));
    }
    let emoji = |name: &str| name.len() > 2 && name.starts_with(':') && name.ends_with(':');
    if read.icon_emoji.as_deref().is_some_and(|name| !emoji(name)) {
        faults.push(bad(
            "/icon_emoji",
            "icon_emoji must be an emoji name between colons, such as :robot_face:".into(),
        ));
    }
    if read.username.as_deref().is_some_and(|name| name.trim().is_empty() || name.chars().count() > 80) {
        faults.push(bad("/username", "username must have 1 to 80 characters".into()));
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn methods_stand_under_api() {
        let at =
            |api_url: &str| SlackConfig { api_url: api_url.into(), ..Default::default() }.method("auth.test");
        assert_eq!(SlackConfig::default().method("auth.test"), "https://slack.com/api/auth.test");
        assert_eq!(at("http://127.0.0.1:9100"), "http://127.0.0.1:9100/api/auth.test");
        assert_eq!(at("https://proxy.example/slack/"), "https://proxy.example/slack/api/auth.test");
        assert_eq!(at("https://slack.com/api/"), "https://slack.com/api/auth.test");
    }

    #[test]
    fn the_token_goes_to_slack_only() {
        let config = SlackConfig { api_url: "http://127.0.0.1:9100".into(), ..Default::default() };
        for good in ["https://slack.com/x", "https://files.slack.com/a/b", "http://127.0.0.1:9100/files/1"] {
            assert!(config.is_slack(good), "{good}");
        }
        for bad in [
            "http://files.slack.com/a",
            "https://slack.com.evil.example/",
            "https://evilslack.com/",
            "https://a.b.slack.com/",
            "https://files.slack.com:8443/",
            "http://127.0.0.1:9101/",
            "https://slack.com@evil.example/",
            "file:///etc",
            "x",
        ] {
            assert!(!config.is_slack(bad), "{bad}");
        }
    }

    #[test]
    fn faults_name_their_field() {
        let fields =
            |config: Value| check(&config).into_iter().filter_map(|fault| fault.field).collect::<Vec<_>>();
        assert!(fields(json!({})).is_empty());
        assert!(fields(json!({ "reply_place": "channelAndThread", "icon_emoji": ":eyes:" })).is_empty());
        assert_eq!(fields(json!({ "api_url": "slack.com" })), ["/api_url"]);
        assert_eq!(fields(json!({ "api_url": "https://h/?a=b" })), ["/api_url"]);
        assert_eq!(
            fields(json!({ "icon_url": "x", "icon_emoji": "eyes", "username": " " })),
            ["/icon_url", "/icon_emoji", "/icon_emoji", "/username"]
        );
        assert_eq!(fields(json!({ "replyplace": "thread" })), [""]);
        assert!(check(&json!({ "reply_place": "nowhere" }))[0].message.contains("channel_and_thread"));
    }
}
