//! Tags: short named texts on users, conversations and messages.

use std::borrow::Cow;
use std::fmt;

use compact_str::{CompactString, ToCompactString};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names and most values are short enough to stand in the list itself.
type Tag = (CompactString, CompactString);

/// Room for the tags of nearly every person, thread and message.
const USUAL: usize = 6;

/// Named texts, sorted by name. A connector writes its own names without a prefix (`id`); the gateway
/// stores and shows them to bots as `connector:id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
// Most have one to four tags: a list takes one allocation and is searched faster than a tree.
pub struct Tags(Vec<Tag>);

impl Tags {
    /// No tags.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a tag, unless the value is empty (an empty tag means "no tag" everywhere).
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<CompactString>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a tag; an empty value removes it.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<CompactString>) {
        let (name, value) = (name.into(), value.into());
        if value.is_empty() {
            self.remove(&name);
        } else {
            let name = match name {
                Cow::Borrowed(name) => CompactString::const_new(name),
                Cow::Owned(name) => name.into(),
            };
            self.put(name, value);
        }
    }

    /// Sets a tag to a number, in decimal digits.
    pub fn set_number(&mut self, name: &'static str, number: i64) {
        self.put(CompactString::const_new(name), number.to_compact_string());
    }

    fn put(&mut self, name: CompactString, value: CompactString) {
        match self.place(&name) {
            Ok(at) => {
                if let Some(tag) = self.0.get_mut(at) {
                    tag.1 = value;
                }
            }
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(USUAL);
                }
                self.0.insert(at, (name, value));
            }
        }
    }

    /// Where a name stands, or where it would.
    fn place(&self, name: &str) -> Result<usize, usize> {
        // Names mostly come in their order.
        match self.0.last() {
            Some((last, _)) if last.as_str() < name => Err(self.0.len()),
            _ => self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)),
        }
    }

    /// The value of a tag.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.place(name).ok()?;
        self.0.get(at).map(|(_, value)| value.as_str())
    }

    /// Removes a tag and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        match self.place(name) {
            Ok(at) => {
                self.0.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// All tags in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut tags = Tags::new();
                while let Some((name, value)) = map.next_entry::<CompactString, CompactString>()? {
                    tags.put(name, value);
                }
                Ok(tags)
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<CompactString>> FromIterator<(N, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut tags = Self::new();
        for (name, value) in pairs {
            tags.set(name, value);
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_once_in_the_order_of_their_names() {
        let mut tags: Tags =
            [("b", "1"), ("c", "2"), ("a", "3"), ("b", "4"), ("d", "")].into_iter().collect();
        assert_eq!(tags.iter().collect::<Vec<_>>(), [("a", "3"), ("b", "4"), ("c", "2")]);
        assert_eq!(
            (tags.get("b"), tags.get("bb"), tags.get("d"), tags.get("")),
            (Some("4"), None, None, None)
        );
        assert!(tags.remove("b") && !tags.remove("b") && !tags.remove("z"));
        tags.set("a", "");
        assert_eq!((tags.len(), tags.is_empty()), (1, false));
        assert_eq!(tags, Tags::new().with("c", "2"));
    }

    #[test]
    fn tags_go_to_json_and_back_whatever_their_order_there() {
        let tags: Tags = serde_json::from_str(r#"{"b":"2","a":"1","b":"3"}"#).unwrap();
        assert_eq!(serde_json::to_string(&tags).unwrap(), r#"{"a":"1","b":"3"}"#);
        assert!(serde_json::from_str::<Tags>(r#"{"a":1}"#).is_err());
        assert!(serde_json::from_str::<Tags>(r#"["a"]"#).is_err());
    }
}
