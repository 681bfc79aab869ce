//! Which shards are ours, until when, and by which epoch.

use std::time::{Duration, Instant};

use parking_lot::RwLock;
use portico_store::{Fence, Lease, Shard};

/// Work on a shard stops so long before its lease ends, so that a slow clock can't make two owners.
const MARGIN: Duration = Duration::from_secs(1);

/// A lease that ends later than this is for ever: nothing watches its end.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Leases(RwLock<Vec<Option<Lease>>>);

impl Leases {
    pub(crate) fn new() -> Self {
        Self(RwLock::new(vec![None; 256]))
    }

    /// Takes over what the store granted; says whether shards came that were not ours.
    pub(crate) fn update(&self, granted: &[Lease]) -> bool {
        let mut held = self.0.write();
        let before = std::mem::replace(&mut *held, vec![None; 256]);
        let mut fresh = false;
        for lease in granted {
            let index = usize::from(lease.fence.shard);
            fresh |= before.get(index).copied().flatten().is_none_or(|old| old.fence != lease.fence);
            if let Some(place) = held.get_mut(index) {
                *place = Some(*lease);
            }
        }
        fresh
    }

    /// The right to work a shard now.
    pub(crate) fn fence(&self, shard: Shard) -> Option<Fence> {
        self.lease(shard).map(|lease| lease.fence)
    }

    fn lease(&self, shard: Shard) -> Option<Lease> {
        let lease = self.0.read().get(usize::from(shard)).copied().flatten()?;
        (lease.until > Instant::now() + MARGIN).then_some(lease)
    }

    /// Gives up a shard that has a newer owner.
    pub(crate) fn drop_shard(&self, fence: Fence) {
        if let Some(place) = self.0.write().get_mut(usize::from(fence.shard))
            && place.is_some_and(|lease| lease.fence == fence)
        {
            *place = None;
        }
    }

    /// Waits until a right is lost; for ever when it is held for ever.
    pub(crate) async fn lost(&self, fence: Fence) {
        loop {
            let Some(lease) = self.lease(fence.shard).filter(|lease| lease.fence == fence) else { return };
            let left = lease.until.saturating_duration_since(Instant::now() + MARGIN);
            if left > FOR_EVER {
                return std::future::pending().await;
            }
            // A renewal moves the end; look again no later than it was.
            tokio::time::sleep(left.max(Duration::from_millis(5))).await;
        }
    }
}
