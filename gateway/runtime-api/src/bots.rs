//! Who may call: tokens of bots, and how often.
//!
//! First step of every call. Tokens are kept as SHA-256 digests and compared in constant time; one token may
//! serve several bots, and a bot may have several tokens while one is being exchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use portico_contract::BotId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Why a caller was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No token, or one that belongs to nobody.
    Unknown,
    /// A good token, but not for this bot.
    OtherBot,
    /// A token of several bots, and no `x-bot-id` to choose by.
    WhichBot,
}

#[derive(Default)]
struct Tokens(Vec<([u8; 32], BTreeSet<BotId>)>);

/// The bots and their tokens, exchanged as a whole when the configuration changes.
#[derive(Default)]
pub struct Bots(ArcSwap<Tokens>);

impl std::fmt::Debug for Bots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bots").field("tokens", &self.0.load().0.len()).finish()
    }
}

impl Bots {
    /// Bots with their tokens. Empty tokens open nothing.
    pub fn new(bots: BTreeMap<BotId, Vec<SecretString>>) -> Self {
        let this = Self::default();
        this.replace(bots);
        this
    }

    /// Exchanges all bots and tokens.
    pub fn replace(&self, bots: BTreeMap<BotId, Vec<SecretString>>) {
        let mut by_digest: BTreeMap<[u8; 32], BTreeSet<BotId>> = BTreeMap::new();
        for (bot, tokens) in bots {
            for token in tokens.iter().map(ExposeSecret::expose_secret).filter(|token| !token.is_empty()) {
                by_digest.entry(digest(token)).or_default().insert(bot.clone());
            }
        }
        self.0.store(Arc::new(Tokens(by_digest.into_iter().collect())));
    }

    /// The bot that a caller may speak for: `bearer` is the token, `bot` what `x-bot-id` says. Without
    /// `x-bot-id` it is the token's only bot.
    ///
    /// # Errors
    /// [`Refused`]. It does not tell whether a bot exists that the token is not for.
    pub fn authorize(&self, bearer: &str, bot: Option<&str>) -> Result<BotId, Refused> {
        let claimed = digest(bearer);
        let tokens = self.0.load();
        let mut found = None;
        // All are compared, so the time does not tell which one was near.
        for (known, bots) in &tokens.0 {
            if bool::from(known.ct_eq(&claimed)) {
                found = Some(bots);
            }
        }
        let bots = found.ok_or(Refused::Unknown)?;
        match bot {
            Some(name) => bots.get(name).cloned().ok_or(Refused::OtherBot),
            None if bots.len() == 1 => bots.first().cloned().ok_or(Refused::Unknown),
            None => Err(Refused::WhichBot),
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bots(of: &[(&str, &[&str])]) -> Bots {
        let bots = of.iter().map(|(bot, tokens)| {
            (BotId::parse(bot).unwrap(), tokens.iter().map(|token| SecretString::from(*token)).collect())
        });
        Bots::new(bots.collect())
    }

    #[test]
    fn a_token_opens_its_bots_and_no_other() {
        let bots = bots(&[("a", &["shared", "mine"]), ("b", &["shared"]), ("c", &["", "other"])]);
        assert_eq!(bots.authorize("mine", None).unwrap().as_str(), "a");
        assert_eq!(bots.authorize("shared", Some("b")).unwrap().as_str(), "b");
        assert_eq!(bots.authorize("shared", None), Err(Refused::WhichBot));
        assert_eq!(bots.authorize("mine", Some("b")), Err(Refused::OtherBot));
        assert_eq!(bots.authorize("mine", Some("nobody")), Err(Refused::OtherBot));
        assert_eq!(bots.authorize("wrong", Some("a")), Err(Refused::Unknown));
        assert_eq!(bots.authorize("", Some("c")), Err(Refused::Unknown));
    }

    #[test]
    fn an_exchange_takes_effect_at_once() {
        let bots = bots(&[("a", &["old"])]);
        bots.replace([(BotId::parse("a").unwrap(), vec![SecretString::from("new")])].into());
        assert_eq!(bots.authorize("old", None), Err(Refused::Unknown));
        assert!(bots.authorize("new", None).is_ok());
    }
}
