//! Content of uploaded files, at addresses that are signed and end: `/webchat/v1/files/{channel}/{blob}?expires=&signature=`.
//!
//! The address in a stored message is good for a while; where a message is shown later, it is signed anew. What is
//! served can do no harm in a browser: no guessing of types, no scripts, and a download unless it is a picture,
//! sound or film.

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::REFERRER_POLICY;
use http::{HeaderName, HeaderValue};
use portico_contract::{Blob, InstallationId, Millis};
use portico_problem::{Kind, Problem};
use portico_serve::file::{Served, is_shown, serve};
use portico_turns::now;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::asked::{Asked, Named};
use crate::channel::Channel;
use crate::errors;
use crate::shared::Api;

/// Where the addresses begin, after the public address.
const PREFIX: &str = "/webchat/v1/files/";

/// The query of an address.
#[derive(Debug, Deserialize)]
pub(crate) struct Signed {
    #[serde(default)]
    expires: Millis,
    #[serde(default)]
    signature: String,
}

fn signature(api: &Api, channel: &InstallationId, blob: &str, expires: Millis) -> String {
    hex::encode(api.sign(&[
        b"webchat-file",
        channel.as_str().as_bytes(),
        blob.as_bytes(),
        &expires.to_be_bytes(),
    ]))
}

fn address(api: &Api, channel: &InstallationId, blob: &str) -> String {
    let life = u64::try_from(api.times.link.as_millis()).unwrap_or(u64::MAX);
    // Whole hours, so that a file shown often has the same address for a while and is fetched once.
    let hour = 3_600_000;
    let expires = now().saturating_add(life) / hour * hour + hour;
    let signature = signature(api, channel, blob, expires);
    format!("{}{PREFIX}{channel}/{blob}?expires={expires}&signature={signature}", api.public_url)
}

/// The address of an upload of a channel.
pub(crate) fn signed(api: &Api, channel: &Channel, blob: &Blob) -> String {
    address(api, &channel.at.id, &blob.id)
}

/// The same file's address with a new signature, for an address that this gateway once gave out for the channel;
/// `None` for any other.
pub(crate) fn signed_anew(api: &Api, channel: &Channel, url: &str) -> Option<String> {
    let rest = url.strip_prefix(api.public_url.as_str())?.strip_prefix(PREFIX)?;
    let (path, query) = rest.split_once('?')?;
    let (id, blob) = path.split_once('/')?;
    let (expires, claimed) = query.strip_prefix("expires=")?.split_once("&signature=")?;
    // A bot could write such an address into a message by hand: only what was signed once is signed again.
    let right = signature(api, &channel.at.id, blob, expires.parse().ok()?);
    let genuine = id == channel.at.id.as_str() && bool::from(right.as_bytes().ct_eq(claimed.as_bytes()));
    genuine.then(|| address(api, &channel.at.id, blob))
}

/// Serves what a signed address names.
pub(crate) async fn get(
    State(api): State<Api>,
    Named((id, blob)): Named<(String, String)>,
    Asked(query): Asked<Signed>,
    request: Request,
) -> Result<Response, Problem> {
    let missing = || Problem::new(Kind::ResourceNotFound, "there is no such file, or its address is over");
    let channel = api.channel(&id).ok_or_else(missing)?;
    let right = signature(&api, &channel.at.id, &blob, query.expires);
    if query.expires <= now() || !bool::from(right.as_bytes().ct_eq(query.signature.as_bytes())) {
        return Err(missing());
    }
    let described =
        api.blobs.describe(&channel.at.id, &blob).await.map_err(|error| errors::problem(error.into()))?;
    let described = described.ok_or_else(missing)?;
    let path = api.blobs.files().find(&described.id).await.ok_or_else(missing)?;
    let served = Served {
        path: &path,
        media_type: &described.media_type,
        name: described.filename.as_deref(),
        is_shown: is_shown(&described.media_type.to_ascii_lowercase()),
        cache: "private, max-age=3600",
    };
    let mut response = serve(served, request.headers()).await?;
    let headers = response.headers_mut();
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Pages embed what visitors sent; who has the address may.
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    Ok(response)
}
