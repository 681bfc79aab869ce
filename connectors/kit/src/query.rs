//! Inbound: a query string or form body as JSON, by the rules of the JavaScript library qs.
//!
//! `a[b]=1` nests, `a=1&a=2`, `a[]=1` and `a[0]=1` are arrays. The bot behind the gateway may be
//! written against exactly these rules, odd corners included; the bounds are theirs too.

mod node;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use node::Node;

/// Parameters after these are not read.
const MAX_PARAMETERS: usize = 1000;
/// Brackets after these are one last key, brackets included.
const MAX_DEPTH: usize = 5;
/// A higher index makes an object, so that `a[999999]=x` costs nothing.
const MAX_INDEX: usize = 20;

/// What every JavaScript object has already; qs leaves such keys out, so that nobody overwrites it.
const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// A query string without its `?`, as a JSON object whose leaves are all strings.
///
/// Never fails: bad percent escapes stay as they are, a parameter without a name is left out, one
/// without a value is empty.
pub fn parse(query: &str) -> Value {
    let mut root = Node::object();
    for (key, values) in raw(query) {
        if let Some(tree) = nest(&key, values) {
            root = root.merge(tree);
        }
    }
    root.into_value()
}

/// Parameters in order of their first name, values of the same name together.
fn raw(query: &str) -> Vec<(String, Vec<String>)> {
    let mut order: Vec<(String, Vec<String>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for part in query.split('&').take(MAX_PARAMETERS) {
        let part = bracketed(part);
        let equals = part.find("]=").map(|at| at + 1).or_else(|| part.find('='));
        let (key, value) = match equals.and_then(|at| part.split_at_checked(at)) {
            Some((key, value)) => (key, value.get(1..).unwrap_or_default()),
            None => (part.as_ref(), ""),
        };
        let (key, value) = (decode(key), decode(value));
        if key.is_empty() {
            continue;
        }
        let place = *places.entry(key.clone()).or_insert_with(|| {
            order.push((key, Vec::new()));
            order.len() - 1
        });
        if let Some((_, values)) = order.get_mut(place) {
            values.push(value);
        }
    }
    order
}

/// Brackets count escaped as well.
fn bracketed(part: &str) -> Cow<'_, str> {
    if !part.contains('%') {
        return Cow::Borrowed(part);
    }
    let open = part.replace("%5B", "[").replace("%5b", "[");
    Cow::Owned(open.replace("%5D", "]").replace("%5d", "]"))
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        Err(_) => spaced,
    }
}

/// `a[b][c]` with its values as a tree of one branch.
fn nest(key: &str, mut values: Vec<String>) -> Option<Node> {
    let mut names: Vec<Name> = Vec::new();
    let first = segment(key, 0);
    let parent = first.as_ref().map_or(key, |found| key.get(..found.start).unwrap_or_default());
    if INHERITED.contains(&parent) {
        return None;
    }
    if !parent.is_empty() {
        names.push(Name::Key(parent.to_owned()));
    }
    let mut next = first;
    for _ in 0..MAX_DEPTH {
        let Some(found) = next else { break };
        let inside = key.get(found.start + 1..found.end - 1).unwrap_or_default();
        if INHERITED.contains(&inside) {
            return None;
        }
        names.push(Name::bracket(inside));
        next = segment(key, found.end);
    }
    if let Some(found) = next {
        names.push(Name::Key(key.get(found.start..).unwrap_or_default().to_owned()));
    }
    let mut tree = match values.len() {
        1 => Node::Text(values.pop().unwrap_or_default()),
        _ => Node::list(values.into_iter().map(Node::Text)),
    };
    for name in names.into_iter().rev() {
        tree = match name {
            Name::Key(key) => Node::Object([(key, tree)].into()),
            Name::Index(index) => Node::Array([(index, tree)].into()),
            Name::Append => match tree {
                Node::Array(_) => tree,
                other => Node::list([other]),
            },
        };
    }
    Some(tree)
}

enum Name {
    Key(String),
    Index(usize),
    /// `[]`
    Append,
}

impl Name {
    fn bracket(inside: &str) -> Self {
        if inside.is_empty() {
            return Self::Append;
        }
        match inside.parse::<usize>() {
            Ok(index) if index <= MAX_INDEX && index.to_string() == inside => Self::Index(index),
            _ => Self::Key(inside.to_owned()),
        }
    }
}

/// The next `[…]` without brackets inside it, from a place on.
fn segment(key: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let mut open = None;
    for (at, byte) in key.bytes().enumerate().skip(from) {
        match (byte, open) {
            (b'[', _) => open = Some(at),
            (b']', Some(start)) => return Some(start..at + 1),
            _ => {}
        }
    }
    None
}
