//! At most so many lines a second from one place in the code.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::RwLock;
use tracing::callsite::Identifier;

/// Lines a second of one callsite.
pub(super) const PER_SECOND: u64 = 100;

#[derive(Debug)]
pub(super) struct RateLimit {
    began: Instant,
    sites: RwLock<HashMap<Identifier, Arc<Site>>>,
}

#[derive(Debug, Default)]
struct Site {
    /// The second in the upper half, lines in it in the lower half: one word, so that no lock is needed.
    window: AtomicU64,
    dropped: AtomicU64,
}

impl RateLimit {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), sites: RwLock::default() }
    }

    /// Whether a line may be written, and how many of its like were left out since the last.
    pub(super) fn pass(&self, callsite: Identifier) -> Option<u64> {
        self.pass_at(callsite, self.began.elapsed().as_secs())
    }

    fn pass_at(&self, callsite: Identifier, second: u64) -> Option<u64> {
        let known = self.sites.read().get(&callsite).cloned();
        let site = known.unwrap_or_else(|| self.sites.write().entry(callsite).or_default().clone());
        let mut count = 0;
        let counted = site.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| {
            let lines = if window >> 32 == second & 0xffff_ffff { window & 0xffff_ffff } else { 0 };
            count = (lines + 1).min(0xffff_ffff);
            Some((second & 0xffff_ffff) << 32 | count)
        });
        if counted.is_err() || count > PER_SECOND {
            site.dropped.fetch_add(1, Ordering::Relaxed);
            super::DROPPED.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(site.dropped.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Callsite;

    #[test]
    fn a_callsite_has_its_hundred_lines_and_the_next_second_tells_what_is_missing() {
        let site = tracing::callsite!(name: "rate", kind: tracing::metadata::Kind::EVENT, fields: a);
        let other = tracing::callsite!(name: "other", kind: tracing::metadata::Kind::EVENT, fields: a);
        let (site, other) = (site.metadata().callsite(), other.metadata().callsite());
        let limit = RateLimit::new();
        let passed = (0..250).filter(|_| limit.pass_at(site.clone(), 7).is_some()).count();
        assert_eq!(passed, 100);
        assert_eq!(limit.pass_at(other, 7), Some(0));
        assert_eq!(limit.pass_at(site.clone(), 8), Some(150));
        assert_eq!(limit.pass_at(site, 8), Some(0));
    }
}
