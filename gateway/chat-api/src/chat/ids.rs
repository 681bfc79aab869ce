//! Ids of this API: the caller's own where the caller chose one, else the gateway's.
//!
//! There is no table: a user's own id is the party behind the user, a conversation's is the identity of its
//! thread, and both lead to the gateway's id by derivation. The way back is in the row.

use portico_contract::{BotId, ConversationId, Thread, UserId};
use portico_problem::Problem;
use portico_store::records::{Conversation, User};
use portico_turns::Installation;

use crate::problems;
use crate::{Shared, problems::not_found};

/// The one kind of conversation that a chat has.
pub(crate) const CHANNEL: &str = "channel";
/// Longest id of a caller's choice, in characters.
const MAX: usize = 70;
/// Begins the party of a user whose caller chose no id; no id of a caller begins so.
const MADE: char = '~';

/// A party for a user whose caller chose no id.
pub(crate) fn made() -> String {
    format!("{MADE}{}", UserId::new())
}

/// Checks an id of a caller's choice.
///
/// # Errors
/// `InvalidPayload` at the field.
pub(crate) fn check(field: &str, id: &str) -> Result<(), Problem> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '\\' | '/');
    if id.is_empty() || id.len() > MAX || !id.chars().all(fits) {
        return Err(Problem::field(
            field,
            format!("must have 1 to {MAX} characters of A-Z a-z 0-9 _ - \\ /"),
        ));
    }
    if is_ours(id, "user_") || is_ours(id, "conv_") {
        return Err(Problem::field(field, "has the form of the gateway's own ids; choose another"));
    }
    Ok(())
}

/// Whether a text has the form of the gateway's ids.
fn is_ours(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| ConversationId::parse(&format!("conv_{rest}")).is_ok())
}

/// The id of a user on this API.
pub(crate) fn of_user(user: &User) -> &str {
    match user.party.as_deref() {
        Some(party) if !party.starts_with(MADE) => party,
        _ => user.id.as_str(),
    }
}

/// The id of a conversation on this API.
pub(crate) fn of_conversation(at: &Installation, conversation: &Conversation) -> String {
    let own = conversation.tags.get(&format!("{}:fid", at.alias));
    own.cloned().unwrap_or_else(|| conversation.id.to_string())
}

/// Whether an id is the bot's.
pub(crate) fn is_bot(bot: &BotId, id: &str) -> bool {
    bot.as_str() == id
}

/// The user that an id names.
pub(crate) async fn user(
    api: &Shared,
    at: &std::sync::Arc<Installation>,
    id: &str,
) -> Result<Option<User>, Problem> {
    let found = if is_ours(id, "user_") {
        let Ok(id) = UserId::parse(id) else { return Ok(None) };
        api.live.user(at, &id).await
    } else if check("id", id).is_ok() {
        api.live.user_of_party(at, id).await
    } else {
        return Ok(None);
    };
    found.map_err(problems::live)
}

/// Key of the thread of a conversation with an id of a caller's choice.
pub(crate) fn key(id: &str) -> String {
    Thread::key_of(std::iter::once(id))
}

/// The conversation that an id names.
pub(crate) async fn conversation(
    api: &Shared,
    at: &std::sync::Arc<Installation>,
    id: &str,
) -> Result<Conversation, Problem> {
    let missing = || not_found("conversation");
    let id = if is_ours(id, "conv_") {
        ConversationId::parse(id).map_err(|_| missing())?
    } else {
        check("id", id).map_err(|_| missing())?;
        ConversationId::of_thread(&at.bot, &at.id, CHANNEL, &key(id))
    };
    api.live.conversation(at, id).await.map_err(problems::live)?.ok_or_else(missing)
}
