//! Files: upload in three steps, `files.info`, and downloads that need the token.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Slack;
use super::answer::{Arguments, Refused, invalid, refused};
use super::chat::thread_ts;
use super::state::File;
use crate::sim::multipart;
use crate::sim::provider::{Sent, SentFile, random_hex};
use crate::sim::server::{Answer, RawRequest};

/// Largest file of Slack, in bytes.
const FILE_MAX: usize = 1024 * 1024 * 1024;

impl Slack {
    pub(super) fn add_file(&self, name: &str, media_type: &str, bytes: Bytes) -> Value {
        let mut state = self.state.lock();
        let id = state.next_id('F');
        let file = File {
            name: name.to_owned(),
            title: name.to_owned(),
            media_type: media_type.to_owned(),
            length: bytes.len(),
            bytes: Some(bytes),
            shares: Vec::new(),
            complete: true,
        };
        let object = self.file_object(&id, &file, true);
        state.files.insert(id, file);
        object
    }

    fn file_object(&self, id: &str, file: &File, with_shares: bool) -> Value {
        let link = format!("{}/files-pri/{id}/{}", self.url, form_urlencoded_name(&file.name));
        let mut public = Map::new();
        for (channel, ts) in file.shares.iter().filter(|_| with_shares) {
            public.insert(channel.clone(), json!([{"ts": ts, "channel_name": channel.to_lowercase()}]));
        }
        let shares = if public.is_empty() { json!({}) } else { json!({"public": public}) };
        let filetype = file.name.rsplit_once('.').map_or("binary", |(_, ending)| ending);
        json!({
            "id": id, "name": file.name, "title": file.title, "mimetype": file.media_type, "filetype": filetype,
            "size": file.length, "mode": "hosted", "user": self.options.bot_user_id, "is_external": false,
            "url_private": link, "url_private_download": format!("{link}?download=1"), "shares": shares,
        })
    }

    pub(super) fn file_info(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let id = arguments.required("file")?;
        let state = self.state.lock();
        let file =
            state.files.get(&id).filter(|file| file.complete).ok_or_else(|| refused("file_not_found"))?;
        Ok(json!({"file": self.file_object(&id, file, true)}))
    }

    /// First step.
    pub(super) fn upload_url(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let name = arguments.required("filename")?;
        let length = arguments.required("length")?;
        let length: usize = match length.parse() {
            Ok(0) | Err(_) => return Err(invalid("[ERROR] must be an integer greater than 0: length")),
            Ok(length) if length > FILE_MAX => return Err(refused("file_upload_size_restricted")),
            Ok(length) => length,
        };
        let token = random_hex(16);
        let mut state = self.state.lock();
        let id = state.next_id('F');
        let file = File {
            title: name.clone(),
            name,
            media_type: String::new(),
            length,
            bytes: None,
            shares: Vec::new(),
            complete: false,
        };
        state.files.insert(id.clone(), file);
        state.uploads.insert(token.clone(), id.clone());
        Ok(json!({"upload_url": format!("{}/upload/v1/{token}", self.url), "file_id": id}))
    }

    /// Second step: the bytes, as the body or as one part of a form. Needs no token: the URL is the proof.
    pub(super) async fn upload(&self, token: &str, request: &RawRequest) -> Answer {
        let plain = |status, text: String| Answer::text(status, "text/plain; charset=utf-8", text);
        if request.method != http::Method::POST {
            return plain(405, "method not allowed".into());
        }
        let (bytes, media_type) = if request.media_type() == "multipart/form-data" {
            let Ok(parts) = multipart::parts(request).await else {
                return plain(400, "unreadable form".into());
            };
            match parts.into_iter().find(|part| part.file_name.is_some()) {
                Some(part) => (part.bytes, part.media_type.unwrap_or_default()),
                None => return plain(400, "no file in the form".into()),
            }
        } else {
            (request.body.clone(), request.media_type())
        };
        let mut state = self.state.lock();
        let Some(id) = state.uploads.get(token).cloned() else {
            return plain(404, "no such upload".into());
        };
        let Some(file) = state.files.get_mut(&id).filter(|file| !file.complete) else {
            return plain(404, "no such upload".into());
        };
        if bytes.len() != file.length {
            return plain(400, format!("expected {} bytes, got {}", file.length, bytes.len()));
        }
        let length = bytes.len();
        file.bytes = Some(bytes);
        file.media_type = media_type;
        plain(200, format!("OK - {length}"))
    }

    /// Third step.
    pub(super) fn complete_upload(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let named = arguments.nested("files")?;
        let named = named.as_ref().and_then(Value::as_array).filter(|files| !files.is_empty());
        let named = named.ok_or_else(|| invalid("[ERROR] missing required field: files"))?;
        let blocks = arguments.nested("blocks")?;
        let has_markdown = |block: &Value| block.get("type").and_then(Value::as_str) == Some("markdown");
        if blocks.as_ref().and_then(Value::as_array).is_some_and(|all| all.iter().any(has_markdown)) {
            return Err(refused("internal_error"));
        }
        let mut ids = Vec::new();
        for file in named {
            let id = file.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            let is_there = self.state.lock().files.get(&id).is_some_and(|f| f.bytes.is_some() && !f.complete);
            if !is_there {
                return Err(refused("file_not_found"));
            }
            ids.push((id, file.get("title").and_then(Value::as_str).map(str::to_owned)));
        }
        let channel = match arguments.text("channel_id").or_else(|| arguments.text("channels")) {
            Some(channel) => Some(self.channel(&channel)?),
            None => None,
        };
        let thread = thread_ts(arguments)?;
        if thread.is_some() && channel.is_none() {
            return Err(invalid("[ERROR] thread_ts needs channel_id"));
        }
        if let Some(channel) = &channel {
            self.pace(channel)?;
        }
        let comment = arguments.text("initial_comment").unwrap_or_default();
        let ts = channel.as_ref().map(|channel| self.keep(channel, &comment));
        let mut answer = Vec::new();
        let mut sent = Vec::new();
        let mut state = self.state.lock();
        for (id, title) in ids {
            let Some(file) = state.files.get_mut(&id) else { continue };
            file.complete = true;
            file.title = title.unwrap_or_else(|| file.name.clone());
            if let (Some(channel), Some(ts)) = (&channel, &ts) {
                file.shares.push((channel.clone(), ts.clone()));
            }
            sent.push(SentFile {
                name: file.name.clone(),
                media_type: file.media_type.clone(),
                bytes: file.bytes.clone().unwrap_or_default(),
            });
            answer.push(self.file_object(&id, file, self.options.shares_at_once));
        }
        drop(state);
        if let (Some(channel), Some(ts)) = (channel, ts) {
            self.provider.accept(Sent {
                kind: "files.completeUploadExternal".to_owned(),
                to: channel,
                id: ts,
                body: arguments.to_value(),
                files: sent,
                at: self.provider.clock().now(),
                is_message: true,
            });
        }
        Ok(json!({"files": answer}))
    }

    /// A private file: the bytes with the token, a login page with status 200 without it.
    pub(super) fn download(&self, id: &str, request: &RawRequest) -> Answer {
        if request.bearer() != Some(self.options.bot_token.as_str()) {
            let page = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body></body></html>";
            return Answer::text(200, "text/html; charset=utf-8", page);
        }
        match self.state.lock().files.get(id) {
            Some(File { bytes: Some(bytes), media_type, .. }) => Answer::text(200, media_type, bytes.clone()),
            _ => Answer::text(404, "text/html; charset=utf-8", "<!DOCTYPE html><title>Slack</title>"),
        }
    }
}

fn form_urlencoded_name(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
