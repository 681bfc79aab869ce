//! Connection caps: how many are open, in all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use portico_telemetry::metrics::Limit;

use crate::client_address::bucket;

/// Counts open connections.
pub(crate) struct Gate {
    most: usize,
    most_per_address: usize,
    open: AtomicUsize,
    by_address: Mutex<HashMap<u128, usize>>,
}

/// One open connection; dropping it gives its place back.
pub(crate) struct Place {
    gate: Arc<Gate>,
    key: u128,
}

impl Gate {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        let by_address = Mutex::new(HashMap::new());
        Arc::new(Self { most, most_per_address, open: AtomicUsize::new(0), by_address })
    }

    /// A place for a connection, or the limit that is met. `counted` is false for trusted proxies, behind
    /// which many people stand.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, counted: bool) -> Result<Place, Limit> {
        if self.open.load(Ordering::Relaxed) >= self.most {
            return Err(Limit::Connections);
        }
        let key = bucket(address);
        let mut by_address = self.by_address.lock();
        let here = by_address.entry(key).or_default();
        if counted && *here >= self.most_per_address {
            return Err(Limit::ConnectionsPerAddress);
        }
        *here += 1;
        drop(by_address);
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Place { gate: self.clone(), key })
    }

    /// Open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Ordering::Relaxed);
        let mut by_address = self.gate.by_address.lock();
        if let Some(here) = by_address.get_mut(&self.key) {
            *here -= 1;
            if *here == 0 {
                by_address.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let gate = Gate::new(3, 2);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = gate.enter(one, true).ok();
        let second = gate.enter(one, true).ok();
        assert!(matches!(gate.enter(one, true), Err(Limit::ConnectionsPerAddress)));
        let third = gate.enter(other, true).ok();
        assert!(matches!(gate.enter(other, true), Err(Limit::Connections)));
        drop((first, second, third));
        assert_eq!(gate.open(), 0);
        assert!(gate.by_address.lock().is_empty());
    }
}
