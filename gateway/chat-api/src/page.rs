//! Pages of listings: tokens that mean something to this gateway only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use portico_contract::ConversationId;
use portico_problem::{Kind, Problem};
use portico_serve::store_problem;
use portico_store::Key;
use portico_store::records::{Message, MessageFilter};
use portico_turns::Installation;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::{Shared, token};

/// Items of a page.
pub(crate) const SIZE: usize = 50;
const MAC: usize = 16;

/// The value of a parameter of the query; empty counts as absent.
pub(crate) fn query(uri: &Uri, name: &str) -> Option<String> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// Where a listing of this name goes on, from `?nextToken=`.
///
/// # Errors
/// `InvalidQuery` for a token of another list.
pub(crate) fn cursor(api: &Shared, uri: &Uri, list: &str) -> Result<Option<Key>, Problem> {
    let Some(token) = query(uri, "nextToken") else { return Ok(None) };
    let open = || {
        let bytes = URL_SAFE_NO_PAD.decode(&token).ok()?;
        let (claimed, cursor) = bytes.split_at_checked(MAC)?;
        bool::from(mac(api, list, cursor).ct_eq(claimed)).then(|| Key::from(cursor))
    };
    open().map(Some).ok_or_else(|| {
        let reason = "nextToken: is none of this list; leave it out to begin from the start";
        Problem::new(Kind::InvalidQuery, reason).with("field", "nextToken")
    })
}

/// The `meta` of an answer.
pub(crate) fn meta(api: &Shared, list: &str, next: Option<&Key>) -> Value {
    let Some(cursor) = next else { return json!({}) };
    let mut token = mac(api, list, &cursor.0).to_vec();
    token.extend_from_slice(&cursor.0);
    json!({ "nextToken": URL_SAFE_NO_PAD.encode(token) })
}

/// A page of a conversation's messages, newest first, and the `meta` of the answer.
///
/// # Errors
/// `InvalidQuery` for a token of another list, and the store's.
pub(crate) async fn messages(
    api: &Shared,
    at: &Installation,
    conversation: ConversationId,
    uri: &Uri,
) -> Result<(Vec<Message>, Value), Problem> {
    let name = format!("{} messages of {conversation}", at.id);
    let cursor = cursor(api, uri, &name)?;
    let all = MessageFilter::default();
    let found = api.records(at).messages(conversation, &all, cursor, SIZE).await;
    let found = found.map_err(|error| store_problem(&error))?;
    let meta = meta(api, &name, found.next.as_ref());
    Ok((found.items.into_iter().map(|row| row.value).collect(), meta))
}

fn mac(api: &Shared, list: &str, cursor: &[u8]) -> [u8; MAC] {
    let whole = token::mac(&api.page_key, &[list.as_bytes(), cursor]);
    whole.first_chunk().copied().unwrap_or_default()
}
