//! Lists that are put together in memory: by tag, by participant, or in another order than newest first.

use portico_problem::{Kind, Problem};

use crate::page::Paging;
use crate::problems::bad_query;
use crate::query::Query;

/// Most rows that are looked at for one such list.
pub(crate) const MOST: usize = 10_000;

/// The order that a list was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// By the last change instead of the making.
    pub(crate) updated: bool,
    /// Oldest first.
    pub(crate) ascending: bool,
}

impl Order {
    pub(crate) fn read(query: &Query) -> Result<Self, Problem> {
        let fields = ["createdAt", "updatedAt"];
        Ok(Self {
            updated: query.word("sortField", &fields)? == Some("updatedAt"),
            ascending: query.word("sortDirection", &["asc", "desc"])? == Some("asc"),
        })
    }

    /// Newest first, as rows are kept.
    pub(crate) fn is_kept(self) -> bool {
        !self.updated && !self.ascending
    }
}

/// A span of time, both ends left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    after: Option<u64>,
    before: Option<u64>,
    updated: bool,
}

impl Span {
    pub(crate) fn read(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            after: query.time("afterDate")?,
            before: query.time("beforeDate")?,
            updated: query.word("rangeField", &["createdAt", "updatedAt"])? == Some("updatedAt"),
        })
    }

    pub(crate) fn has(&self, created: u64, updated: u64) -> bool {
        let at = if self.updated { updated } else { created };
        self.after.is_none_or(|after| at > after) && self.before.is_none_or(|before| at < before)
    }
}

/// Refuses a list of which not all rows were looked at.
pub(crate) fn whole<T>(rows: &[T]) -> Result<(), Problem> {
    if rows.len() < MOST {
        return Ok(());
    }
    let reason = format!("this list has {MOST} entries or more; narrow it by tags, or leave the order out");
    Err(Problem::new(Kind::LimitExceeded, reason))
}

/// One page of rows that were put together: `place` gives the time and id by which they are ordered.
pub(crate) fn page<T>(
    mut rows: Vec<T>,
    order: Order,
    paging: &Paging<'_>,
    place: impl Fn(&T) -> (u64, String),
) -> Result<(Vec<T>, Option<Vec<u8>>), Problem> {
    rows.sort_by_cached_key(|row| place(row));
    if !order.ascending {
        rows.reverse();
    }
    let after = match &paging.after {
        Some(bytes) => Some(serde_json::from_slice::<(u64, String)>(bytes).map_err(|_| {
            bad_query("nextToken", "is none of this list; leave it out to begin from the start")
        })?),
        None => None,
    };
    let follows = |row: &T| {
        after
            .as_ref()
            .is_none_or(|after| if order.ascending { place(row) > *after } else { place(row) < *after })
    };
    let mut page: Vec<T> = rows.into_iter().filter(follows).take(paging.size + 1).collect();
    let more = page.len() > paging.size;
    page.truncate(paging.size);
    let next = page.last().filter(|_| more).map(|row| serde_json::to_vec(&place(row)).unwrap_or_default());
    Ok((page, next))
}
