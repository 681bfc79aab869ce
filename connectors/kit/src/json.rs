//! Inbound, after the signature: a stranger's JSON as a type, bounded and without leaks.
//!
//! A cheap scan refuses what no provider sends before a parser works on it. A field that does not
//! fit is named by its path; its value never appears, because errors are logged.

mod scan;

#[cfg(test)]
mod tests;

use serde::Deserialize;

/// Why bytes are not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The field, such as `entry[0].id`; empty for the document itself. Names may come from the
    /// sender: at most 200 characters, none of them a control character.
    pub path: String,
    /// What is wrong and what is expected. Never holds a value.
    pub reason: String,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            write!(f, "JSON body: {}", self.reason)
        } else {
            write!(f, "JSON field `{}`: {}", self.path, self.reason)
        }
    }
}

impl std::error::Error for JsonError {}

/// The longest path that an error carries, in characters.
const MAX_PATH: usize = 200;

impl JsonError {
    fn new(path: &str, reason: String) -> Self {
        let path = if path == "." { "" } else { path };
        let path = path.chars().take(MAX_PATH).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        Self { path, reason }
    }
}

/// Reads JSON of at most 32 levels, 10,000 items in an array, 256 KiB in a string and 64 digits in
/// a number.
///
/// # Errors
/// [`JsonError`] when a bound is passed, when the bytes are not JSON, or when they do not fit `T`.
pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    scan::check(bytes)?;
    // That all of it is text is seen at once; bytes that are not are named by the reader of bytes.
    let read = match str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    // The path costs time, so it is tracked only once there is something to report.
    read.map_err(|first| {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(error) => JsonError::new(&error.path().to_string(), reason(error.inner())),
            // The value was fine and the error comes after it.
            Ok(_) => JsonError::new("", reason(&first)),
        }
    })
}

/// serde's message without the value that it quotes.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // Syntax messages are fixed texts with a line and a column.
    if !error.is_data() {
        return text;
    }
    let text = text.rfind(" at line ").and_then(|at| text.get(..at)).unwrap_or(&text);
    let expected = text.rfind(", expected ").and_then(|at| text.get(at..)).unwrap_or_default();
    // The kind of the value, without the value: `string "abc"` is `string`.
    let kind = |after: &str| {
        after
            .split(['`', '"', ','])
            .next()
            .unwrap_or_default()
            .trim_end()
            .chars()
            .take(40)
            .collect::<String>()
    };
    if let Some(after) = text.strip_prefix("invalid type: ") {
        format!("invalid type: {}{expected}", kind(after))
    } else if let Some(after) = text.strip_prefix("invalid value: ") {
        format!("invalid value: {}{expected}", kind(after))
    } else if text.starts_with("invalid length ") {
        format!("invalid length{expected}")
    } else if text.starts_with("unknown variant ") {
        format!("unknown variant{expected}")
    } else if text.starts_with("unknown field ") {
        format!("unknown field{expected}")
    } else if text.starts_with("missing field `") || text.starts_with("duplicate field `") {
        // The names are the program's own.
        text.to_owned()
    } else if text.starts_with("data did not match any variant") {
        "fits none of the known forms".to_owned()
    } else {
        // A message made by a type itself may quote what it was given.
        "value not accepted".to_owned()
    }
}
