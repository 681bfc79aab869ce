//! A person as `users.info` and `team_join` describe them.

use portico_contract::{Party, Tags};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Null reads as empty.
fn lax<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        _ => String::new(),
    })
}

/// A Slack user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SlackUser {
    #[serde(deserialize_with = "lax")]
    pub(crate) id: String,
    #[serde(deserialize_with = "lax")]
    pub(crate) name: String,
    #[serde(deserialize_with = "lax")]
    tz: String,
    pub(crate) deleted: bool,
    is_bot: bool,
    is_admin: bool,
    pub(crate) profile: SlackProfile,
}

/// Their profile.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SlackProfile {
    #[serde(deserialize_with = "lax")]
    first_name: String,
    #[serde(deserialize_with = "lax")]
    last_name: String,
    #[serde(deserialize_with = "lax")]
    pub(crate) real_name: String,
    #[serde(deserialize_with = "lax")]
    real_name_normalized: String,
    #[serde(deserialize_with = "lax")]
    pub(crate) display_name: String,
    #[serde(deserialize_with = "lax")]
    display_name_normalized: String,
    #[serde(deserialize_with = "lax")]
    pub(crate) email: String,
    #[serde(deserialize_with = "lax")]
    title: String,
    #[serde(deserialize_with = "lax")]
    phone: String,
    #[serde(deserialize_with = "lax")]
    avatar_hash: String,
    #[serde(deserialize_with = "lax")]
    status_text: String,
    #[serde(deserialize_with = "lax")]
    status_emoji: String,
    #[serde(deserialize_with = "lax")]
    image_512: String,
}

impl SlackUser {
    /// The name that Slack's own clients show.
    pub(crate) fn shown(&self) -> &str {
        [&self.profile.display_name, &self.profile.real_name, &self.name]
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or("", String::as_str)
    }

    /// The person as an author, with all tags.
    pub(crate) fn party(&self) -> Party {
        let profile = &self.profile;
        let flag = |set: bool| if set { "true" } else { "" };
        let tags = Tags::new()
            .with("id", &self.id)
            .with("tz", &self.tz)
            .with("is_bot", flag(self.is_bot))
            .with("is_admin", flag(self.is_admin))
            .with("title", &profile.title)
            .with("phone", &profile.phone)
            .with("email", &profile.email)
            .with("real_name", &profile.real_name)
            .with("real_name_normalized", &profile.real_name_normalized)
            .with("display_name", &profile.display_name)
            .with("display_name_normalized", &profile.display_name_normalized)
            .with("avatar_hash", &profile.avatar_hash)
            .with("status_text", &profile.status_text)
            .with("status_emoji", &profile.status_emoji);
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Party {
            id: self.id.clone(),
            name: text(self.shown()),
            picture_url: text(&profile.image_512),
            is_bot: self.is_bot,
            tags,
        }
    }

    /// The person as the output of an action; what is unknown is left out.
    pub(crate) fn output(&self) -> Value {
        let profile = &self.profile;
        let texts = [
            ("userId", &self.id),
            ("name", &self.name),
            ("firstName", &profile.first_name),
            ("lastName", &profile.last_name),
            ("realName", &profile.real_name),
            ("displayName", &profile.display_name),
            ("email", &profile.email),
            ("title", &profile.title),
            ("phone", &profile.phone),
            ("timezone", &self.tz),
            ("pictureUrl", &profile.image_512),
        ];
        let mut fields: Map<String, Value> = texts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), text.as_str().into()))
            .collect();
        fields.insert("isBot".into(), self.is_bot.into());
        fields.insert("isAdmin".into(), self.is_admin.into());
        Value::Object(fields)
    }
}
