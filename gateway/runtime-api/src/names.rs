//! Tags as callers write them, and as they are stored.

use std::collections::BTreeMap;

use portico_problem::Problem;
use portico_store::records::{TagMap, View};
use sha2::{Digest, Sha256};

use crate::query::TagFilter;

/// Tags of a body: `null` or an empty text removes one.
pub(crate) type TagInput = BTreeMap<String, Option<String>>;

/// Tags of one object, and longest name and value in bytes; together they fit into a key of the store.
const MAX_TAGS: usize = 100;
const MAX_NAME: usize = 200;
const MAX_VALUE: usize = 2000;
/// Names of the gateway's own tags. Callers see them and send them back; they are not theirs to write.
const OWN: &str = "portico:";

/// Tags of a body under their stored names. `place` is the path of the field.
pub(crate) fn stored(view: View<'_>, given: &TagInput, place: &str) -> Result<TagInput, Problem> {
    if given.len() > MAX_TAGS {
        return Err(Problem::field(place, format!("must have at most {MAX_TAGS} entries")));
    }
    let mut tags = TagInput::new();
    for (name, value) in given {
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Problem::field(
                place,
                format!("names must have 1 to {MAX_NAME} bytes, none a control character"),
            ));
        }
        if value.as_ref().is_some_and(|value| value.len() > MAX_VALUE) {
            return Err(Problem::field(
                format!("{place}.{name}"),
                format!("must have at most {MAX_VALUE} bytes"),
            ));
        }
        if name.starts_with(OWN) {
            continue;
        }
        tags.insert(view.stored_name(name), value.clone().filter(|value| !value.is_empty()));
    }
    Ok(tags)
}

/// The tags that a new object has.
pub(crate) fn set(tags: TagInput) -> TagMap {
    tags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Merges tags into those of an object.
pub(crate) fn merge(tags: &mut TagMap, given: TagInput) {
    for (name, value) in given {
        match value {
            Some(value) => tags.insert(name, value),
            None => tags.remove(&name),
        };
    }
}

/// Texts of a body (`properties`, `attributes`) within the same bounds, names as they are.
pub(crate) fn plain(given: &TagInput, place: &str) -> Result<TagInput, Problem> {
    stored(View::Bot, given, place)
}

/// The tags by which an object is looked for: those that `discriminateByTags` names, or else all.
pub(crate) fn telling(
    tags: &TagMap,
    stored_name: impl Fn(&str) -> String,
    by: Option<&[String]>,
    place: &str,
) -> Result<TagMap, Problem> {
    let Some(by) = by.filter(|by| !by.is_empty()) else {
        if tags.is_empty() {
            return Err(Problem::field(
                format!("{place}tags"),
                "must have a tag by which the object is known again",
            ));
        }
        return Ok(tags.clone());
    };
    let mut telling = TagMap::new();
    for (index, name) in by.iter().enumerate() {
        let stored = stored_name(name);
        let value = tags.get(&stored).ok_or_else(|| {
            Problem::field(format!("{place}discriminateByTags[{index}]"), "must name one of the given tags")
        })?;
        telling.insert(stored, value.clone());
    }
    Ok(telling)
}

/// Tags of any size as one short tag, for a claim's key.
pub(crate) fn claim_of(tags: &TagMap) -> TagMap {
    let mut hash = Sha256::new();
    for (name, value) in tags {
        for part in [name, value] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    [("sha256".to_owned(), hex::encode(hash.finalize()))].into()
}

/// A filter under stored names.
pub(crate) fn filter(view: View<'_>, given: TagFilter) -> TagFilter {
    let rename = |tags: BTreeMap<String, String>| {
        tags.into_iter().map(|(name, value)| (view.stored_name(&name), value)).collect()
    };
    TagFilter { is: rename(given.is), is_not: rename(given.is_not) }
}

/// Whether tags pass a filter.
pub(crate) fn passes(tags: &TagMap, filter: &TagFilter) -> bool {
    filter.is.iter().all(|(name, value)| tags.get(name) == Some(value))
        && filter.is_not.iter().all(|(name, value)| tags.get(name) != Some(value))
}
