//! The query of a listing: repeated keys are lists, dotted keys are objects (`tags.color=red`).

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use http::request::Parts;
use portico_contract::Millis;
use portico_problem::Problem;

use crate::problems::bad_query;

/// Pairs of the query, decoded.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// Tags that a listing asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagFilter {
    /// Tags that must equal.
    pub(crate) is: BTreeMap<String, String>,
    /// Tags that must not equal (`tags.color.not=red`).
    pub(crate) is_not: BTreeMap<String, String>,
}

impl Query {
    fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter's value; empty counts as absent.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of a repeated parameter, also of `name[]` and `name[0]`.
    pub(crate) fn many(&self, name: &str) -> Vec<&str> {
        let is_ours =
            |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('['));
        self.0
            .iter()
            .filter(|(key, value)| is_ours(key) && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The tags of a filter, in the caller's names.
    pub(crate) fn tags(&self) -> TagFilter {
        let mut filter = TagFilter::default();
        for (key, value) in &self.0 {
            let Some(name) = key.strip_prefix("tags.").filter(|name| !name.is_empty()) else { continue };
            match name.strip_suffix(".not").filter(|name| !name.is_empty()) {
                Some(name) => filter.is_not.insert(name.to_owned(), value.clone()),
                None => filter.is.insert(name.to_owned(), value.clone()),
            };
        }
        filter
    }

    /// A point in time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Millis>, Problem> {
        self.one(name)
            .map(|text| {
                time(text)
                    .ok_or_else(|| bad_query(name, "must be an ISO 8601 time such as 2026-01-02T03:04:05Z"))
            })
            .transpose()
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.one(name)
            .map(|text| text.parse().map_err(|_| bad_query(name, "must be a whole number from 0")))
            .transpose()
    }

    /// One of some words.
    pub(crate) fn word<'a>(&'a self, name: &str, words: &[&str]) -> Result<Option<&'a str>, Problem> {
        match self.one(name) {
            Some(word) if !words.contains(&word) => {
                Err(bad_query(name, &format!("must be one of {}", words.join(", "))))
            }
            word => Ok(word),
        }
    }
}

/// Reads an ISO 8601 time.
pub(crate) fn time(text: &str) -> Option<Millis> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_repeat_and_objects_have_dots() {
        let query = Query::parse("ids=a&ids=b&tags.chat%3Aowner=u1&tags.c.not=d&nextToken=&tags.x%2Ey=1");
        assert_eq!(query.many("ids"), ["a", "b"]);
        assert_eq!(query.one("nextToken"), None);
        let tags = query.tags();
        assert_eq!(tags.is, [("chat:owner".to_owned(), "u1".to_owned()), ("x.y".into(), "1".into())].into());
        assert_eq!(tags.is_not, [("c".to_owned(), "d".to_owned())].into());
    }

    #[test]
    fn what_does_not_read_is_named() {
        let query = Query::parse("afterDate=yesterday&min=-1&sortField=size");
        assert!(query.time("afterDate").unwrap_err().message().starts_with("afterDate: "));
        assert!(query.number("min").is_err());
        assert!(query.word("sortField", &["createdAt"]).is_err());
        assert_eq!(time("2026-01-02T03:03:05.007Z"), Some(1_767_322_985_007));
        assert_eq!(time("2026-01-02T04:03:05.007+01:00"), Some(1_767_322_985_007));
        assert_eq!(time("1960-01-01T00:00:00Z"), None);
    }
}
