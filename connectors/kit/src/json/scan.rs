//! One pass over the bytes, before any parser: no depth, length or count beyond the bounds.
//!
//! It checks bounds only. What is not JSON passes here and fails in the parser.

use super::JsonError;

const MAX_DEPTH: usize = 32;
const MAX_ITEMS: usize = 10_000;
const MAX_STRING: usize = 256 * 1024;
const MAX_DIGITS: usize = 64;

/// An open array or object.
#[derive(Clone, Copy)]
struct Level<'a> {
    array: bool,
    /// Commas so far, which is also the index of the item now read.
    commas: usize,
    /// The key now read, raw.
    key: &'a [u8],
}

/// Those that are open, outermost first.
struct Levels<'a> {
    all: [Level<'a>; MAX_DEPTH],
    depth: usize,
}

impl<'a> Levels<'a> {
    fn open(&self) -> &[Level<'a>] {
        self.all.get(..self.depth).unwrap_or_default()
    }

    fn push(&mut self, array: bool) -> bool {
        let Some(level) = self.all.get_mut(self.depth) else { return false };
        *level = Level { array, commas: 0, key: &[] };
        self.depth += 1;
        true
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn last_mut(&mut self) -> Option<&mut Level<'a>> {
        self.depth.checked_sub(1).and_then(|last| self.all.get_mut(last))
    }
}

pub(super) fn check(bytes: &[u8]) -> Result<(), JsonError> {
    let mut levels = Levels { all: [Level { array: false, commas: 0, key: &[] }; MAX_DEPTH], depth: 0 };
    let mut last_string: &[u8] = &[];
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let inside = string(bytes.get(at + 1..).unwrap_or_default());
                if inside.len() > MAX_STRING {
                    return Err(refused(&levels, format!("a string has at most {MAX_STRING} bytes")));
                }
                last_string = inside;
                at += inside.len() + 2;
                continue;
            }
            b'[' | b'{' if levels.push(*byte == b'[') => {}
            b'[' | b'{' => {
                return Err(refused(&levels, format!("JSON nests at most {MAX_DEPTH} levels")));
            }
            b']' | b'}' => {
                levels.pop();
            }
            b':' => {
                if let Some(level) = levels.last_mut() {
                    level.key = last_string;
                }
            }
            b',' => {
                if let Some(level) = levels.last_mut() {
                    level.commas += 1;
                    level.key = &[];
                    if level.array && level.commas >= MAX_ITEMS {
                        levels.pop();
                        return Err(refused(&levels, format!("an array has at most {MAX_ITEMS} items")));
                    }
                }
            }
            b'0'..=b'9' | b'-' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .take_while(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
                    .count();
                if length > MAX_DIGITS {
                    return Err(refused(&levels, format!("a number has at most {MAX_DIGITS} digits")));
                }
                at += length;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// What stands before the closing quote, or all when there is none.
fn string(bytes: &[u8]) -> &[u8] {
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        let at = from + found;
        if bytes.get(at) == Some(&b'"') {
            return bytes.get(..at).unwrap_or(bytes);
        }
        // A backslash and whatever it stands before.
        from = at + 2;
    }
    bytes
}

fn refused(levels: &Levels<'_>, reason: String) -> JsonError {
    let mut path = String::new();
    for level in levels.open() {
        if level.array {
            path.push_str(&format!("[{}]", level.commas));
        } else if !level.key.is_empty() {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&String::from_utf8_lossy(level.key.get(..64).unwrap_or(level.key)));
        }
    }
    JsonError::new(&path, reason)
}
