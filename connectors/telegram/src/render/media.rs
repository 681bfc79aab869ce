//! Files: first by their address, which Telegram fetches itself; when it refuses, by upload; then as a link.

use portico_contract::{Fault, FaultCode, MEDIA_SCHEME, Media, OutboundRequest};
use portico_kit::split::{Measure, split};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use teloxide_core::payloads::{SendAnimation, SendAudio, SendDocument, SendPhoto, SendVideo, SendVoice};
use teloxide_core::types::{FileId, InlineKeyboardMarkup, InputFile, ParseMode, ReplyMarkup};
use url::Url;

use super::{MAX_CAPTION, MAX_TEXT, Page};
use crate::call::{self, Api, addressed};
use crate::html;

/// Largest photo that can be uploaded.
const MAX_PHOTO: u64 = 10 * 1024 * 1024;
/// Largest file that can be uploaded.
const MAX_FILE: u64 = 50 * 1024 * 1024;
/// Longest name of an uploaded file, in characters.
const MAX_NAME: usize = 120;

/// As what a file is sent.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Photo,
    Animation,
    Voice,
    Audio,
    Video,
    Document,
}

impl Kind {
    fn method(self) -> &'static str {
        match self {
            Self::Photo => "sendPhoto",
            Self::Animation => "sendAnimation",
            Self::Voice => "sendVoice",
            Self::Audio => "sendAudio",
            Self::Video => "sendVideo",
            Self::Document => "sendDocument",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Animation => "animation",
            Self::Voice => "voice",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Document => "document",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Photo, Self::Animation, Self::Voice, Self::Audio, Self::Video, Self::Document]
            .into_iter()
            .find(|kind| kind.field() == text)
    }
}

/// Words under a file.
#[derive(Debug)]
pub(crate) struct Caption {
    pub(crate) text: String,
    /// Whether the text is HTML.
    pub(crate) html: bool,
    pub(crate) keyboard: Option<InlineKeyboardMarkup>,
}

/// A file that is being sent, with all that its other ways need.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Plan {
    /// Where it lies.
    url: String,
    /// What it is called.
    filename: String,
    /// Parameters of the call, without the file itself.
    parameters: Map<String, Value>,
}

/// How far a file has come: a call's label says `media.<index>.<kind>.<stage>`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// Its plan.
    pub(crate) index: usize,
    kind: Kind,
    pub(crate) stage: Stage,
}

/// By which way a file is going.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Telegram was given the address.
    Address,
    /// The gateway fetches it, to upload it.
    Fetch,
    /// The gateway uploads it.
    Upload,
}

impl Step {
    fn label(self) -> String {
        let stage = match self.stage {
            Stage::Address => "address",
            Stage::Fetch => "fetch",
            Stage::Upload => "upload",
        };
        format!("media.{}.{}.{stage}", self.index, self.kind.field())
    }

    /// Reads a label; `None` when the call is no file's.
    pub(crate) fn parse(label: &str) -> Option<Self> {
        let mut words = label.strip_prefix("media.")?.split('.');
        let step = Self {
            index: words.next()?.parse().ok()?,
            kind: Kind::parse(words.next()?)?,
            stage: match words.next()? {
                "address" => Stage::Address,
                "fetch" => Stage::Fetch,
                "upload" => Stage::Upload,
                _ => return None,
            },
        };
        words.next().is_none().then_some(step)
    }
}

/// As what a picture is sent: a moving one keeps moving.
pub(crate) fn image_kind(image: &Media) -> Kind {
    if is(image, "image/gif", &["gif"]) { Kind::Animation } else { Kind::Photo }
}

/// As what a sound is sent: music as such, everything else as speech, which Telegram plays in the chat.
pub(crate) fn audio_kind(audio: &Media) -> Kind {
    let music = is(audio, "audio/mpeg", &["mp3"]) || is(audio, "audio/mp4", &["m4a"]);
    if music { Kind::Audio } else { Kind::Voice }
}

fn is(media: &Media, mime_type: &str, endings: &[&str]) -> bool {
    if let Some(mime) = &media.mime_type {
        return mime.split(';').next().is_some_and(|mime| mime.trim().eq_ignore_ascii_case(mime_type));
    }
    let name = file_name(media);
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| endings.iter().any(|own| own.eq_ignore_ascii_case(ending)))
}

/// The file's name: as given, else the last segment of its address.
fn file_name(media: &Media) -> String {
    let from_address = || {
        let url = Url::parse(&media.url).ok()?;
        url.path_segments()?.next_back().map(str::to_owned)
    };
    let name = media.filename.clone().or_else(from_address).unwrap_or_default();
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control() && *c != '"').take(MAX_NAME).collect();
    if clean.trim_matches(['.', ' ']).is_empty() { "file".into() } else { clean }
}

impl Page<'_> {
    /// A file; without a caption its title is one.
    pub(crate) fn media(&mut self, kind: Kind, media: &Media, caption: Option<Caption>) -> Result<(), Fault> {
        let (file, held) = input(media)?;
        let title = media.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
        let (caption, after) = match (caption, title) {
            (Some(caption), _) => (Some(caption), None),
            (None, Some(title)) if Measure::Utf16.of(title) <= MAX_CAPTION => {
                (Some(Caption { text: title.to_owned(), html: false, keyboard: None }), None)
            }
            (None, title) => (None, title),
        };
        let value = self.payload(kind, file, caption)?;
        if held {
            self.calls.push(self.api.slow_call(kind.method(), kind.method(), &value));
        } else {
            let step = Step { index: self.note.media.len(), kind, stage: Stage::Address };
            self.calls.push(self.api.slow_call(&step.label(), kind.method(), &value));
            let mut parameters = value;
            parameters.remove(kind.field());
            self.note.media.push(Plan { url: media.url.clone(), filename: file_name(media), parameters });
        }
        if let Some(words) = after {
            self.plain(words);
        }
        Ok(())
    }

    fn payload(
        &mut self,
        kind: Kind,
        file: InputFile,
        caption: Option<Caption>,
    ) -> Result<Map<String, Value>, Fault> {
        let (text, is_html, keyboard) = match caption {
            Some(caption) => (Some(caption.text), caption.html, caption.keyboard),
            None => (None, false, None),
        };
        let reply = self.reply.take();
        macro_rules! send {
            ($payload:ident) => {{
                let mut payload = addressed!($payload::new(self.target.chat.clone(), file), self.target);
                payload.caption = text;
                payload.parse_mode = is_html.then_some(ParseMode::Html);
                payload.reply_parameters = reply;
                payload.reply_markup = keyboard.map(ReplyMarkup::InlineKeyboard);
                serde_json::to_value(&payload)
            }};
        }
        let value = match kind {
            Kind::Photo => send!(SendPhoto),
            Kind::Animation => send!(SendAnimation),
            Kind::Voice => send!(SendVoice),
            Kind::Audio => send!(SendAudio),
            Kind::Video => send!(SendVideo),
            Kind::Document => send!(SendDocument),
        };
        match value {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(Fault::new(FaultCode::Bug, "a payload is no object")),
            Err(error) => Err(Fault::new(FaultCode::Bug, error.to_string())),
        }
    }
}

/// The file in Telegram's terms, and whether Telegram has it already.
fn input(media: &Media) -> Result<(InputFile, bool), Fault> {
    if let Some(id) = media.url.strip_prefix(MEDIA_SCHEME).filter(|id| !id.is_empty()) {
        return Ok((InputFile::file_id(FileId(id.to_owned())), true));
    }
    match Url::parse(&media.url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok((InputFile::url(url), false))
        }
        _ => Err(Fault::new(
            FaultCode::BadInput,
            "the file's address must be an absolute http or https address",
        )),
    }
}

/// The next call for a file that Telegram would not take. `process` says that Telegram had the bytes and could
/// not make a picture, sound or film of them.
pub(crate) fn refused(api: &Api, plan: &Plan, step: Step, process: bool) -> OutboundRequest {
    let other = |kind, stage| Step { kind, stage, ..step };
    match (step.stage, step.kind) {
        // The reference order for speech: as speech, as a sound file, as a link.
        (Stage::Address, Kind::Voice) => by_address(api, plan, other(Kind::Audio, Stage::Address)),
        (Stage::Address, kind) => {
            let kind = if process { Kind::Document } else { kind };
            let step = other(kind, Stage::Fetch);
            call::fetch(&step.label(), &plan.url)
        }
        (Stage::Fetch, _) | (Stage::Upload, Kind::Document) => link(api, plan),
        // The bytes are still with the gateway, but their id is not known here: fetched again, rarely.
        (Stage::Upload, _) => {
            let step = other(Kind::Document, Stage::Fetch);
            call::fetch(&step.label(), &plan.url)
        }
    }
}

fn by_address(api: &Api, plan: &Plan, step: Step) -> OutboundRequest {
    let mut parameters = plan.parameters.clone();
    parameters.insert(step.kind.field().into(), plan.url.clone().into());
    api.slow_call(&step.label(), step.kind.method(), &parameters)
}

/// The upload of a file that was fetched: as what it should be, or as a document when it is too large for
/// that; as a link when it is too large for anything.
pub(crate) fn fetched(
    api: &Api,
    plan: &Plan,
    step: Step,
    blob: &str,
    size: Option<u64>,
    mime: Option<&str>,
) -> OutboundRequest {
    let size = size.unwrap_or_default();
    // A page in place of a picture is a login or an error, and nothing to send on.
    let page = step.kind != Kind::Document && mime.is_some_and(|mime| mime.starts_with("text/html"));
    if size > MAX_FILE || page {
        return link(api, plan);
    }
    let kind = if step.kind == Kind::Photo && size > MAX_PHOTO { Kind::Document } else { step.kind };
    let step = Step { kind, stage: Stage::Upload, ..step };
    let file = (plan.filename.as_str(), mime, blob);
    api.upload(&step.label(), kind.method(), &plan.parameters, kind.field(), file)
}

/// The file's address as a text, with its caption and buttons.
pub(crate) fn link(api: &Api, plan: &Plan) -> OutboundRequest {
    let mut parameters = plan.parameters.clone();
    let is_html = parameters.contains_key("parse_mode");
    let caption = match parameters.remove("caption") {
        Some(Value::String(caption)) if is_html => caption,
        Some(Value::String(caption)) => html::escape(&caption),
        _ => String::new(),
    };
    let room = MAX_TEXT.saturating_sub(Measure::Utf16.of(&caption) + 1);
    let address = html::escape(&plan.url);
    // An address longer than a message has no whole form; its beginning at least shows what was meant.
    let address = split(&address, room.max(1), Measure::Utf16).into_iter().next().unwrap_or_default();
    let text = format!("{caption}\n{address}");
    parameters.insert("text".into(), text.trim().into());
    parameters.insert("parse_mode".into(), "HTML".into());
    api.call("sendMessage", &parameters)
}
