//! Pages: sizes, and tokens that mean something to this gateway only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portico_contract::BotId;
use portico_problem::Problem;
use portico_store::Key;

use crate::Shared;
use crate::problems::bad_query;
use crate::query::Query;
use crate::wire::Meta;

/// Items of a page when the caller does not say.
const SIZE: u64 = 50;
/// Most items of a page; whoever asks for more gets these, and a token.
const MAX_SIZE: u64 = 100;
const MAC: usize = 16;

/// Where a listing goes on.
pub(crate) struct Paging<'a> {
    api: &'a Shared,
    bot: &'a BotId,
    scope: String,
    /// Items wanted.
    pub(crate) size: usize,
    /// Where the page before ended.
    pub(crate) after: Option<Vec<u8>>,
}

impl<'a> Paging<'a> {
    /// Reads `pageSize` and `nextToken`. A token is good for the bot and the list (`scope`) that it was made for.
    pub(crate) fn read(
        api: &'a Shared,
        bot: &'a BotId,
        scope: String,
        query: &Query,
    ) -> Result<Self, Problem> {
        let size = query.number("pageSize")?.unwrap_or(SIZE);
        if size == 0 {
            return Err(bad_query("pageSize", "must be from 1 to 100"));
        }
        let size = usize::try_from(size.min(MAX_SIZE)).unwrap_or(1);
        let mut paging = Self { api, bot, scope, size, after: None };
        if let Some(token) = query.one("nextToken") {
            let cursor = paging.open(token);
            let wrong =
                || bad_query("nextToken", "is none of this list; leave it out to begin from the start");
            paging.after = Some(cursor.ok_or_else(wrong)?);
        }
        Ok(paging)
    }

    /// Where the page before ended, as a key of the store.
    pub(crate) fn key(&self) -> Option<Key> {
        self.after.clone().map(Key)
    }

    /// The `meta` of an answer.
    pub(crate) fn meta(&self, next: Option<&[u8]>) -> Meta {
        Meta { next_token: next.map(|cursor| self.seal(cursor)) }
    }

    fn mac(&self, cursor: &[u8]) -> [u8; 32] {
        self.api.sign(&[b"page", self.bot.as_str().as_bytes(), self.scope.as_bytes(), cursor])
    }

    fn seal(&self, cursor: &[u8]) -> String {
        let mut token = self.mac(cursor)[..MAC].to_vec();
        token.extend_from_slice(cursor);
        URL_SAFE_NO_PAD.encode(token)
    }

    fn open(&self, token: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (claimed, cursor) = bytes.split_at_checked(MAC)?;
        portico_kit::signature::equal(&self.mac(cursor)[..MAC], claimed).then(|| cursor.to_vec())
    }
}
