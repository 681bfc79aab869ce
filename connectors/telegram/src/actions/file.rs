//! Files of people: `getFile` tells a path, which is then fetched. The address holds the token, so it goes out
//! with the token as a slot, and the bytes stay with the gateway.

use portico_contract::{
    Context, Fault, FaultCode, HttpAnswer, OutboundRequest, Outcome, Payload, Tags, Turn,
};
use portico_kit::sequence::{Sequence, Step};
use serde_json::{Value, json};
use teloxide_core::payloads::{GetFile, GetUserProfilePhotos};
use teloxide_core::types::{FileId, UserId};

use crate::call::Api;
use crate::send::{self, lost};

const DOWNLOAD: &str = "download";
const GET_FILE: &str = "getFile";
const GET_PHOTOS: &str = "getUserProfilePhotos";

/// The first call for a file.
pub(super) fn by_handle(api: &Api, handle: &str) -> OutboundRequest {
    api.call(GET_FILE, &GetFile::new(FileId(handle.to_owned()))).repeatable()
}

/// The first call for a person's picture.
pub(super) fn by_user(api: &Api, input: &Value) -> Result<OutboundRequest, Fault> {
    let id = super::text(input, "userId")?
        .parse()
        .map_err(|_| Fault::new(FaultCode::BadInput, "userId must be a person's id: digits").at("/userId"))?;
    let mut payload = GetUserProfilePhotos::new(UserId(id));
    payload.limit = Some(1);
    Ok(api.call(GET_PHOTOS, &payload).repeatable())
}

/// Goes on: picture, path, bytes.
pub(super) fn resume(ctx: &Context, sequence: Sequence, answers: &[HttpAnswer]) -> Result<Turn, Fault> {
    let api = Api::of(ctx)?;
    sequence.resume_to(
        answers,
        |request, answer| match request.label.as_str() {
            GET_PHOTOS => {
                let photos = send::read(answer).map_err(|refusal| refusal.fault)?;
                // Without a picture the run ends here, with an empty output.
                Ok(largest(&photos).map_or_else(Step::ok, |id| then(by_handle(&api, id))))
            }
            GET_FILE => {
                let file = send::read(answer).map_err(|refusal| refusal.fault)?;
                let path = file.get("file_path").and_then(Value::as_str).unwrap_or_default();
                api.download(DOWNLOAD, path).map(then)
            }
            _ => downloaded(answer),
        },
        |sequence| match sequence.sent().tags.get("blob") {
            Some(blob) => Outcome::Output(json!({ "blob": blob })),
            None => Outcome::Output(json!({})),
        },
    )
}

fn then(request: OutboundRequest) -> Step {
    Step { then: vec![request], ..Step::default() }
}

fn largest(photos: &Value) -> Option<&str> {
    let sizes = photos.pointer("/photos/0")?.as_array()?;
    let area = |size: &&Value| {
        let side = |name: &str| size.get(name).and_then(Value::as_u64).unwrap_or_default();
        side("width").saturating_mul(side("height"))
    };
    sizes.iter().max_by_key(area)?.get("file_id")?.as_str()
}

fn downloaded(answer: &HttpAnswer) -> Result<Step, Fault> {
    let fault = |code, reason: &str| Fault::new(code, format!("{DOWNLOAD}: {reason}"));
    let response = match &answer.outcome {
        Ok(response) => response,
        Err(failure) => return Err(lost(DOWNLOAD, *failure)),
    };
    match (response.status, &response.body) {
        (200..=299, Payload::Stored(blob)) => {
            Ok(Step { tags: Tags::new().with("blob", blob.clone()), ..Step::default() })
        }
        (200..=299, _) => Err(fault(FaultCode::Bug, "the bytes were not kept")),
        (401, _) => Err(fault(FaultCode::Unauthenticated, "401, the token was refused")),
        (429, _) => Err(fault(FaultCode::RateLimited, "429, too many requests").retry_after_ms(5_000)),
        (500..=599, _) => Err(fault(FaultCode::Unavailable, "the server is in trouble")),
        (status, _) => Err(fault(FaultCode::NotFound, &format!("{status}, the file is not there any more"))),
    }
}
