//! Methods that only tell: who the bot is, users, conversations.

use serde_json::{Value, json};

use super::answer::{Arguments, Refused, invalid, refused};
use super::{Slack, SlackChannel};

impl Slack {
    pub(super) fn auth_test(&self) -> Value {
        json!({
            "url": "https://sim.slack.com/", "team": "Sim", "user": "simbot",
            "team_id": self.options.team_id, "user_id": self.options.bot_user_id, "bot_id": self.options.bot_id,
            "is_enterprise_install": false,
        })
    }

    pub(super) fn open(&self, arguments: &Arguments) -> Result<Value, Refused> {
        if let Some(channel) = arguments.text("channel") {
            let channel = self.channel(&channel)?;
            return Ok(json!({"no_op": true, "already_open": true, "channel": {"id": channel}}));
        }
        let users = arguments.text("users").ok_or_else(|| refused("users_list_not_supplied"))?;
        let users: Vec<&str> = users.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
        for id in &users {
            if *id == self.options.bot_user_id {
                return Err(refused("cannot_dm_bot"));
            }
            if !self.state.lock().users.contains(*id) {
                return Err(refused("user_not_found"));
            }
        }
        let channel = match users.as_slice() {
            [] => return Err(refused("not_enough_users")),
            [one] => self.direct(one),
            many if many.len() > 8 => return Err(refused("too_many_users")),
            many => {
                let id = format!("G00SIM{}", many.join(""));
                self.state.lock().channels.insert(id.clone(), SlackChannel::joined(&id));
                id
            }
        };
        self.record("conversations.open", &channel, &channel, arguments.to_value(), false);
        Ok(json!({"channel": {"id": channel}}))
    }

    /// The DM channel with a user; always the same one.
    pub(super) fn direct(&self, user: &str) -> String {
        let id = format!("D{}", user.get(1..).unwrap_or_default());
        self.state.lock().channels.entry(id.clone()).or_insert_with(|| SlackChannel::joined(&id));
        id
    }

    pub(super) fn conversation_info(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let id = arguments.required("channel")?;
        let state = self.state.lock();
        let channel = state.channels.get(&id).ok_or_else(|| refused("channel_not_found"))?;
        let is_im = id.starts_with('D');
        Ok(json!({"channel": {
            "id": id, "name": id.to_lowercase(), "is_im": is_im, "is_channel": id.starts_with('C'),
            "is_group": id.starts_with('G'), "is_archived": channel.is_archived, "is_member": channel.bot_is_member,
        }}))
    }

    pub(super) fn user_info(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let id = arguments.text("user").ok_or_else(|| invalid("[ERROR] missing required field: user"))?;
        let is_bot = id == self.options.bot_user_id;
        if !is_bot && !self.state.lock().users.contains(&id) {
            return Err(refused("user_not_found"));
        }
        let name = format!("User {id}");
        Ok(json!({"user": {
            "id": id, "team_id": self.options.team_id, "name": id.to_lowercase(), "real_name": name,
            "tz": "Europe/Berlin", "is_bot": is_bot, "is_admin": false, "deleted": false,
            "profile": {
                "real_name": name, "real_name_normalized": name, "display_name": id.to_lowercase(),
                "display_name_normalized": id.to_lowercase(), "title": "Tester", "phone": "",
                "email": format!("{}@example.com", id.to_lowercase()), "avatar_hash": "g0000000000",
                "status_text": "", "image_512": format!("{}/avatars/{id}.png", self.url),
            },
        }}))
    }
}
