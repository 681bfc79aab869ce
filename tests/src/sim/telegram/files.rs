//! Files: what a media parameter may name, `getFile`, downloads, profile pictures.

use serde_json::{Value, json};

use super::Telegram;
use super::answer::{Refused, bad};
use super::params::Params;
use crate::sim::provider::SentFile;
use crate::sim::server::Answer;

/// Largest file that a bot can download.
const DOWNLOAD_MAX: usize = 20 * 1024 * 1024;
/// Largest photo that can be uploaded.
const PHOTO_MAX: usize = 10 * 1024 * 1024;

impl Telegram {
    /// Resolves a media parameter: an upload, `attach://name`, a link, or a known `file_id`.
    pub(super) fn media(
        &self,
        params: &Params,
        field: &str,
        given: &str,
    ) -> Result<(Value, Option<SentFile>), Refused> {
        let part = match given.strip_prefix("attach://") {
            Some(name) => {
                Some(params.files.get(name).ok_or_else(|| bad(format!("wrong file attach name {name}")))?)
            }
            None if given.is_empty() => params.files.get(field),
            None => None,
        };
        if let Some(part) = part {
            if part.bytes.is_empty() {
                return Err(bad("file must be non-empty"));
            }
            if field == "photo" && part.bytes.len() > PHOTO_MAX {
                return Err(bad(format!("file of size {} bytes is too big for a photo", part.bytes.len())));
            }
            let name = part.file_name.clone().unwrap_or_default();
            let media_type = part.media_type.clone().unwrap_or_default();
            let id = self.state.lock().add_file(&name, part.bytes.clone());
            let sent =
                SentFile { name: name.clone(), media_type: media_type.clone(), bytes: part.bytes.clone() };
            return Ok((object(field, &id, part.bytes.len(), &name, &media_type), Some(sent)));
        }
        if given.is_empty() {
            return Err(bad(format!("there is no {field} in the request")));
        }
        if given.starts_with("http://") || given.starts_with("https://") {
            let mut state = self.state.lock();
            let refused = state.refused_links.iter().find(|(part, _)| given.contains(part.as_str()));
            if let Some((_, reason)) = refused {
                return Err(bad(reason.clone()));
            }
            if url::Url::parse(given).is_err() {
                return Err(bad("wrong HTTP URL specified"));
            }
            let name = given.rsplit('/').next().unwrap_or_default().to_owned();
            let id = state.add_file(&name, bytes::Bytes::from_static(b"fetched"));
            return Ok((object(field, &id, 7, &name, ""), None));
        }
        let state = self.state.lock();
        match state.files.get(given) {
            Some(file) => Ok((object(field, given, file.bytes.len(), "", ""), None)),
            None => {
                Err(bad("wrong remote file identifier specified: can't unserialize it. Wrong last symbol"))
            }
        }
    }

    pub(super) fn get_file(&self, params: &Params) -> Result<Value, Refused> {
        let id = params.text("file_id");
        let state = self.state.lock();
        let file = state.files.get(&id).ok_or_else(|| bad("invalid file_id"))?;
        if file.bytes.len() > DOWNLOAD_MAX {
            return Err(bad("file is too big"));
        }
        Ok(json!({
            "file_id": id, "file_unique_id": unique(&id), "file_size": file.bytes.len(), "file_path": file.path,
        }))
    }

    /// `GET /file/bot<TOKEN>/<path>`.
    pub(super) fn download(&self, bot: &str, path: &str) -> Answer {
        if bot.strip_prefix("bot") != Some(self.options.token.as_str()) {
            return Refused::Unauthorized.into_answer();
        }
        let state = self.state.lock();
        match state.files.values().find(|file| file.path == path) {
            Some(file) => Answer::text(200, "application/octet-stream", file.bytes.clone()),
            None => Refused::NotFound.into_answer(),
        }
    }

    pub(super) fn profile_photos(&self, params: &Params) -> Result<Value, Refused> {
        let user = params.int("user_id").ok_or_else(|| bad("invalid user_id specified"))?;
        let state = self.state.lock();
        let photos = state.profile_photos.get(&user).cloned().unwrap_or_default();
        let sizes: Vec<Value> = photos
            .iter()
            .map(|id| {
                json!([
                    {"file_id": id, "file_unique_id": unique(id), "width": 160, "height": 160},
                    {"file_id": id, "file_unique_id": unique(id), "width": 640, "height": 640},
                ])
            })
            .collect();
        Ok(json!({"total_count": sizes.len(), "photos": sizes}))
    }
}

fn object(field: &str, id: &str, size: usize, name: &str, media_type: &str) -> Value {
    let file = json!({
        "file_id": id, "file_unique_id": unique(id), "file_size": size, "file_name": name, "mime_type": media_type,
    });
    if field == "photo" {
        return json!([{"file_id": id, "file_unique_id": unique(id), "file_size": size, "width": 640, "height": 480}]);
    }
    file
}

fn unique(id: &str) -> String {
    format!("U{id}")
}
