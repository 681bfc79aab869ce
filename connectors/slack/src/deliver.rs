//! Delivery: a message's parts as calls, one after the other, and what each answer brings.
//!
//! A file is four calls: fetch its bytes (they stay with the gateway), ask Slack for a place, put them there,
//! share the file. What the later calls need stands in the note and in the labels of the earlier ones.

use portico_contract::{
    Fault, FaultCode, Field, Host, HttpAnswer, InboundResponse, Keep, OutboundMessage, OutboundRequest,
    Payload, Tags, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::config::SlackConfig;
use crate::normalize::is_ts;
use crate::place;
use crate::render::{Piece, Post, Upload, render};
use crate::send;

/// Name of the job in the memo.
pub(crate) const JOB: &str = "deliver";
/// Time for a file, in milliseconds.
const FILE_TIMEOUT_MS: u32 = 60_000;

/// Writes that one turn may make.
const MOST_WRITES: usize = 256;

/// What the calls have in common.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread_ts: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uploads: Vec<Upload>,
}

/// `chat.postMessage`, `chat.postEphemeral`.
#[derive(Serialize)]
struct PostMessage<'a> {
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    blocks: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reply_broadcast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_emoji: Option<&'a str>,
}

/// The first turn of a delivery.
///
/// # Errors
/// `bad-input` when Slack can't take the message, `unsupported` for kinds that it doesn't have.
pub(crate) fn deliver(
    host: &dyn Host,
    config: &SlackConfig,
    message: &OutboundMessage,
) -> Result<Turn, Fault> {
    let (channel, thread) = place::target(&message.thread)?;
    // A reply outside of a thread opens one; within a thread Slack knows no replies to replies.
    let reply_to = message.reply_to.as_deref().filter(|id| is_ts(id));
    let thread_ts = thread.or(reply_to);
    let ephemeral = message.tags.get("ephemeralTo");
    let mut note =
        Note { channel: channel.to_owned(), thread_ts: thread_ts.map(str::to_owned), uploads: Vec::new() };
    let mut effects = Vec::new();
    let mut calls = Vec::new();
    for content in &message.parts {
        for piece in render(host, content, &mut effects)? {
            let index = note.uploads.len();
            let post = |post: &Post, upload: Option<usize>| {
                let method = if ephemeral.is_some() { "chat.postEphemeral" } else { "chat.postMessage" };
                let body = PostMessage {
                    channel,
                    user: ephemeral,
                    text: &post.text,
                    blocks: &post.blocks,
                    thread_ts,
                    reply_broadcast: thread_ts.is_some()
                        && message.tags.get("replyBroadcast") == Some("true"),
                    username: config.username.as_deref(),
                    icon_url: config.icon_url.as_deref(),
                    icon_emoji: config.icon_emoji.as_deref(),
                };
                let label = upload.map_or_else(|| method.to_owned(), |upload| format!("{method}:{upload}"));
                OutboundRequest::json(&label, config.method(method), &body).bearer("bot_token")
            };
            match piece {
                Piece::Post(posted) => calls.push(post(&posted, None)),
                Piece::Picture(posted, upload) => {
                    calls.push(post(&posted, Some(index).filter(|_| ephemeral.is_none())));
                    note.uploads.push(upload);
                }
                Piece::Upload(_) if ephemeral.is_some() => {
                    let reason =
                        "Slack shows files to everybody: a message with the tag 'ephemeralTo' can't have any";
                    return Err(Fault::new(FaultCode::BadInput, reason).at("/tags/ephemeralTo"));
                }
                Piece::Upload(upload) => {
                    calls.push(fetch(index, &upload));
                    note.uploads.push(upload);
                }
            }
        }
    }
    let note = serde_json::to_value(&note).map_err(bug)?;
    let mut turn = Sequence::new(JOB, calls).with_note(note).start()?;
    turn.effects.append(&mut effects);
    if turn.effects.len() > MOST_WRITES {
        let reason = format!(
            "{} values are longer than Slack takes; at most {MOST_WRITES} can be stored",
            turn.effects.len()
        );
        return Err(Fault::new(FaultCode::BadInput, reason).at("/payload"));
    }
    Ok(turn)
}

/// Takes the answer of the call under way.
///
/// # Errors
/// After Slack's error; a later attempt makes the same call again.
pub(crate) fn resume(
    host: &dyn Host,
    config: &SlackConfig,
    sequence: Sequence,
    answers: &[HttpAnswer],
) -> Result<Turn, Fault> {
    let note: Note = serde_json::from_value(sequence.note.clone()).map_err(bug)?;
    sequence.resume(answers, |asked, answer| step(host, config, &note, asked, answer))
}

fn step(
    host: &dyn Host,
    config: &SlackConfig,
    note: &Note,
    asked: &OutboundRequest,
    answer: &HttpAnswer,
) -> Result<Step, Fault> {
    let mut label = asked.label.splitn(3, ':');
    let (method, index, id) =
        (label.next().unwrap_or_default(), label.next(), label.next().unwrap_or_default());
    let index = index.and_then(|index| index.parse::<usize>().ok());
    let upload = index.and_then(|index| note.uploads.get(index).map(|upload| (index, upload)));
    match (method, upload) {
        ("chat.postMessage" | "chat.postEphemeral", upload) => match (posted(answer), upload) {
            // Slack could not show the picture from its address: it gets the bytes instead.
            (Err(fault), Some((index, upload))) if not_shown(&fault) => {
                Ok(Step { then: vec![fetch(index, upload)], ..Step::default() })
            }
            (result, _) => result,
        },
        ("media", Some((index, upload))) => {
            let blob = fetched(answer)?;
            let size = host.blobs().describe(&blob).map_or(0, |blob| blob.size);
            if size == 0 {
                return Err(
                    Fault::new(FaultCode::BadInput, "the media address gave an empty file").at("/payload")
                );
            }
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("filename", &upload.filename)
                .append_pair("length", &size.to_string())
                .finish();
            let call = OutboundRequest {
                headers: vec![Field::new("content-type", "application/x-www-form-urlencoded")],
                method: "POST".into(),
                body: Payload::Text(form),
                ..OutboundRequest::get(
                    &format!("files.getUploadURLExternal:{index}:{blob}"),
                    config.method("files.getUploadURLExternal"),
                )
            };
            Ok(Step { then: vec![call.bearer("bot_token")], ..Step::default() })
        }
        ("files.getUploadURLExternal", Some((index, _))) => {
            #[derive(Deserialize)]
            struct Slot {
                upload_url: String,
                file_id: String,
            }
            let slot: Slot = send::read(answer)?;
            let call = OutboundRequest {
                headers: vec![Field::new("content-type", "application/octet-stream")],
                method: "POST".into(),
                body: Payload::Stored(id.to_owned()),
                timeout_ms: Some(FILE_TIMEOUT_MS),
                keep: Keep::Nothing,
                ..OutboundRequest::get(&format!("upload:{index}:{}", slot.file_id), slot.upload_url)
            };
            Ok(Step { then: vec![call], ..Step::default() })
        }
        ("upload", Some((index, upload))) => {
            stored(answer)?;
            let mut body =
                json!({ "files": [{ "id": id, "title": upload.title }], "channel_id": note.channel });
            if let Some(thread_ts) = &note.thread_ts {
                body["thread_ts"] = json!(thread_ts);
            }
            let label = format!("files.completeUploadExternal:{index}:{id}");
            let call = OutboundRequest::json(&label, config.method("files.completeUploadExternal"), &body);
            Ok(Step { then: vec![call.bearer("bot_token")], ..Step::default() })
        }
        ("files.completeUploadExternal", Some((index, _))) => {
            let shared: Shared = send::read(answer)?;
            let file = shared.files.into_iter().next().unwrap_or_default();
            if let Some(ts) = file.ts_in(&note.channel) {
                return Ok(delivered(id, Some(ts), &note.channel));
            }
            // Slack shares the file a moment later; only then is there a message with an id.
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("file", id).finish();
            let url = format!("{}?{query}", config.method("files.info"));
            let call = OutboundRequest::get(&format!("files.info:{index}:{id}"), url).bearer("bot_token");
            Ok(Step { then: vec![call], ..Step::default() })
        }
        ("files.info", Some(_)) => {
            // The file is out. Not to know the id of its message is no reason to send it again.
            let file = send::read::<Info>(answer).map(|info| info.file).unwrap_or_default();
            Ok(delivered(id, file.ts_in(&note.channel), &note.channel))
        }
        _ => Err(Fault::new(FaultCode::Bug, "memo: a call of no known kind")),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shared {
    files: Vec<SharedFile>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    file: SharedFile,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SharedFile {
    shares: Value,
}

impl SharedFile {
    /// The id of the message with the file: `shares.{public,private}.<channel>[0].ts`.
    fn ts_in(&self, channel: &str) -> Option<String> {
        let kinds = ["public", "private"].into_iter().filter_map(|kind| self.shares.get(kind)?.as_object());
        let mut places = kinds.flat_map(|kind| kind.iter());
        // A direct message addressed by the person's id is shared under the id of the conversation.
        let (_, place) = places.clone().find(|(id, _)| *id == channel).or_else(|| places.next())?;
        Some(place.get(0)?.get("ts")?.as_str()?.to_owned())
    }
}

fn delivered(file: &str, ts: Option<String>, channel: &str) -> Step {
    let tags = Tags::new()
        .with("fileId", file)
        .with("channelId", channel)
        .with("ts", ts.clone().unwrap_or_default());
    Step { external_ids: ts.into_iter().collect(), tags, then: Vec::new() }
}

fn posted(answer: &HttpAnswer) -> Result<Step, Fault> {
    #[derive(Deserialize)]
    struct Posted {
        #[serde(alias = "message_ts")]
        ts: String,
        #[serde(default)]
        channel: String,
    }
    let posted: Posted = send::read(answer)?;
    let tags = Tags::new().with("ts", &posted.ts).with("channelId", posted.channel);
    Ok(Step { tags, ..Step::sent(posted.ts) })
}

/// Errors that Slack gives for a picture that it can't fetch or show.
fn not_shown(fault: &Fault) -> bool {
    matches!(send::error_of(fault), "invalid_blocks" | "invalid_attachments" | "image_url_not_accessible")
}

fn fetch(index: usize, upload: &Upload) -> OutboundRequest {
    let call = OutboundRequest::get(&format!("media:{index}"), upload.url.as_str());
    OutboundRequest { keep: Keep::Stored, timeout_ms: Some(FILE_TIMEOUT_MS), ..call }
}

/// The blob of a fetched media address.
fn fetched(answer: &HttpAnswer) -> Result<String, Fault> {
    let response = answer.outcome.as_ref().map_err(|failure| {
        let fault = send::transport("media", *failure);
        match failure {
            portico_contract::TransportFailure::TooLarge => {
                Fault::new(FaultCode::BadInput, "the file at the media address is larger than 100 MiB")
                    .at("/payload")
            }
            portico_contract::TransportFailure::Denied => {
                Fault::new(FaultCode::BadInput, "the gateway's rules forbid the media address").at("/payload")
            }
            _ => fault,
        }
    })?;
    match (&response.body, response.status) {
        (Payload::Stored(blob), 200..=299) => Ok(blob.clone()),
        (_, 408 | 425 | 429 | 500..=599) => {
            Err(Fault::new(FaultCode::Unavailable, format!("the media address answered {}", response.status)))
        }
        (_, status) => {
            Err(Fault::new(FaultCode::BadInput, format!("the media address answered {status}"))
                .at("/payload"))
        }
    }
}

/// The upload address answers with plain text.
fn stored(answer: &HttpAnswer) -> Result<&InboundResponse, Fault> {
    let response = answer.outcome.as_ref().map_err(|failure| send::transport("upload", *failure))?;
    match response.status {
        200..=299 => Ok(response),
        429 | 500..=599 => {
            Err(Fault::new(FaultCode::Unavailable, format!("upload: answered {}", response.status)))
        }
        status => {
            Err(Fault::new(FaultCode::Rejected, format!("upload: Slack refused the file with {status}")))
        }
    }
}

fn bug(error: serde_json::Error) -> Fault {
    Fault::new(FaultCode::Bug, format!("memo: {error}"))
}
