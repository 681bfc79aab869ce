//! The tree that a query grows into, and how two branches of the same name become one.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) enum Node {
    Text(String),
    /// By index, gaps allowed: they close in the end.
    Array(BTreeMap<usize, Node>),
    Object(BTreeMap<String, Node>),
}

impl Node {
    pub(super) fn object() -> Self {
        Self::Object(BTreeMap::new())
    }

    pub(super) fn list(items: impl IntoIterator<Item = Node>) -> Self {
        Self::Array(items.into_iter().enumerate().collect())
    }

    /// Depth is bounded by that of a key, so this may recurse.
    pub(super) fn merge(self, other: Node) -> Node {
        match (self, other) {
            (Self::Text(first), Self::Text(second)) => Self::list([Self::Text(first), Self::Text(second)]),
            (first @ Self::Text(_), Self::Array(items)) => {
                Self::list(std::iter::once(first).chain(items.into_values()))
            }
            (first @ Self::Text(_), second @ Self::Object(_)) => Self::list([first, second]),
            (Self::Array(mut items), text @ Self::Text(_)) => {
                push(&mut items, text);
                Self::Array(items)
            }
            (Self::Array(mut items), Self::Array(others)) => {
                for (index, other) in others {
                    match items.remove(&index) {
                        None => {
                            items.insert(index, other);
                        }
                        Some(item) if !matches!(item, Self::Text(_)) && !matches!(other, Self::Text(_)) => {
                            items.insert(index, item.merge(other));
                        }
                        Some(item) => {
                            items.insert(index, item);
                            push(&mut items, other);
                        }
                    }
                }
                Self::Array(items)
            }
            (Self::Array(items), second @ Self::Object(_)) => Self::Object(named(items)).merge(second),
            // qs writes a boolean here; ours are all strings.
            (Self::Object(mut fields), Self::Text(name)) => {
                fields.insert(name, Self::Text("true".to_owned()));
                Self::Object(fields)
            }
            (first @ Self::Object(_), Self::Array(items)) => first.merge(Self::Object(named(items))),
            (Self::Object(mut fields), Self::Object(others)) => {
                for (name, other) in others {
                    let merged = match fields.remove(&name) {
                        None => other,
                        Some(field) => field.merge(other),
                    };
                    fields.insert(name, merged);
                }
                Self::Object(fields)
            }
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text),
            Self::Array(items) => Value::Array(items.into_values().map(Self::into_value).collect()),
            Self::Object(fields) => {
                Value::Object(fields.into_iter().map(|(name, node)| (name, node.into_value())).collect())
            }
        }
    }
}

fn push(items: &mut BTreeMap<usize, Node>, node: Node) {
    let next = items.last_key_value().map_or(0, |(index, _)| index + 1);
    items.insert(next, node);
}

fn named(items: BTreeMap<usize, Node>) -> BTreeMap<String, Node> {
    items.into_iter().map(|(index, node)| (index.to_string(), node)).collect()
}
