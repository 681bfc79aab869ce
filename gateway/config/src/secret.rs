//! Secrets: texts, `${VARIABLE}` and `file:/path` references, one or several.

use std::io::Read as _;
use std::path::Path;

use secrecy::SecretString;

use crate::Fault;
use crate::section::Section;
use crate::tree::Value;

/// Largest file that a secret may come from.
const SECRET_FILE: u64 = 64 * 1024;

impl Section<'_> {
    /// One secret, or several with the newest first: texts or `file:` references.
    pub(crate) fn secrets(&self, key: &str) -> Option<Vec<SecretString>> {
        self.secrets_as(key, key)
    }

    /// As [`Section::secrets`], for a key that the operator may have written in another spelling.
    pub(crate) fn secrets_as(&self, key: &str, written: &str) -> Option<Vec<SecretString>> {
        let found = self.find_as(key, written)?;
        let texts: Option<Vec<&str>> = match &found.value {
            Value::Text(text) => Some(vec![text.as_str()]),
            Value::List(items) => items
                .iter()
                .map(|item| match &item.value {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let wrong = |what: &str| {
            let mend = "write \"${VARIABLE}\", \"file:/path\" or a list of these, newest first";
            self.loader.fault(Fault::new(self.path_of(written), what, mend).at(found.line));
        };
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
            wrong(&format!("is {}, not a secret", found.value.kind()));
            return None;
        };
        let mut secrets = Vec::with_capacity(texts.len());
        for text in texts {
            match self.secret(text) {
                Ok(secret) => secrets.push(secret),
                Err(what) => {
                    wrong(&what);
                    return None;
                }
            }
        }
        Some(secrets)
    }

    fn secret(&self, text: &str) -> Result<SecretString, String> {
        let value = match text.strip_prefix("file:") {
            Some(path) => read_secret(&self.loader.file_path(path))?,
            None => text.to_owned(),
        };
        if value.is_empty() { Err("the secret is empty".into()) } else { Ok(SecretString::from(value)) }
    }
}

fn read_secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unread = |error: std::io::Error| format!("file {shown} can't be read: {error}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    // Its stated size is no bound: a device has none.
    file.take(SECRET_FILE + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > SECRET_FILE {
        return Err(format!("file {shown} is too large for a secret"));
    }
    // Editors and `echo` end files with a line break, which is no part of the secret.
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
