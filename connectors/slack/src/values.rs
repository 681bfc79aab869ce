//! Button values that are longer than Slack takes: stored under a short key, which is sent instead.

use bytes::Bytes;
use portico_contract::{DigestKind, Effect, Host, Scope, StateWrite, base32};
use portico_kit::split::Measure;

/// Begins a key; a value that begins so itself is always stored, so that the two can't be confused.
const PREFIX: &str = "portico:";
/// How long a button works: 90 days.
const LIFETIME_S: u32 = 90 * 24 * 3600;

/// The value as it is sent, at most `limit` long, and the write that a stored one needs.
pub(crate) fn shorten(host: &dyn Host, value: &str, limit: usize, effects: &mut Vec<Effect>) -> String {
    if Measure::Utf16.of(value) <= limit && !value.starts_with(PREFIX) {
        return value.to_owned();
    }
    // The same value has the same key, so a repeated attempt sends and stores the same.
    let key = key(host, value);
    let write = StateWrite {
        scope: Scope::Installation,
        key: format!("value:{key}"),
        data: Some(Bytes::copy_from_slice(value.as_bytes())),
        expect: None,
        lifetime_s: Some(LIFETIME_S),
    };
    if !effects.iter().any(|effect| matches!(effect, Effect::Write(known) if known.key == write.key)) {
        effects.push(Effect::Write(write));
    }
    format!("{PREFIX}{key}")
}

/// A short text that stands for a long one.
pub(crate) fn key(host: &dyn Host, text: &str) -> String {
    let mut half = [0; 16];
    half.iter_mut()
        .zip(host.keyring().digest(DigestKind::Sha256, text.as_bytes()))
        .for_each(|(to, from)| *to = from);
    base32(&half)
}

/// The value behind what a press brought; a key that is forgotten stays as it is.
pub(crate) fn look_up(host: &dyn Host, sent: String) -> String {
    let stored = sent
        .strip_prefix(PREFIX)
        .and_then(|key| host.state_get(&Scope::Installation, &format!("value:{key}")));
    stored.and_then(|stored| String::from_utf8(stored.data.to_vec()).ok()).unwrap_or(sent)
}
