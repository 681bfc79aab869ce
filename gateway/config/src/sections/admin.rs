//! `[admin]`.

use secrecy::{ExposeSecret, SecretString};

use crate::section::Section;

/// Shortest admin token: it opens everything.
const SHORTEST: usize = 16;

/// `[admin]`.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// Tokens of the admin API, newest first; empty: one is made at the first start.
    pub tokens: Vec<SecretString>,
}

pub(crate) fn read(section: &Section<'_>) -> Admin {
    let admin = Admin { tokens: section.secrets("token").unwrap_or_default() };
    if admin.tokens.iter().any(|token| token.expose_secret().len() < SHORTEST) {
        section.fault("token", format!("is shorter than {SHORTEST} characters"), "make a long random one");
    }
    section.finish();
    admin
}
