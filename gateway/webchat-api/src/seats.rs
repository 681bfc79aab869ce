//! Who is connected: at most so many of a session and of an address, and a way to tell a connection from outside
//! that it must follow another conversation, or end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use portico_contract::ConversationId;
use portico_serve::address::bucket;
use portico_telemetry::metrics::Held;

use crate::frame::Close;

/// Something that a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Show this conversation too, after an item: it was opened by a frame that came another way.
    Follow(ConversationId, u64),
    /// End.
    Close(Close),
}

/// The inbox of one connection.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    waiting: Mutex<Vec<Order>>,
    waker: AtomicWaker,
}

impl Orders {
    fn put(&self, order: Order) {
        self.waiting.lock().push(order);
        self.waker.wake();
    }

    /// The next order.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Order> {
        self.waker.register(cx.waker());
        let mut waiting = self.waiting.lock();
        match waiting.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(waiting.remove(0)),
        }
    }
}

#[derive(Default)]
struct Taken {
    by_session: HashMap<Arc<str>, Vec<Arc<Orders>>>,
    by_address: HashMap<u128, usize>,
}

/// All connections of all channels.
#[derive(Default)]
pub(crate) struct Seats(Mutex<Taken>);

/// A connection's place; dropping it gives it back.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    session: Option<Arc<str>>,
    address: Option<u128>,
    /// What it is told.
    pub(crate) orders: Arc<Orders>,
    /// Its place in the metrics.
    counted: Option<Held>,
}

impl Seats {
    /// A place for a connection of a session; `None` when its address has too many already. Where the session has
    /// too many, the oldest of them is told to end.
    pub(crate) fn take(
        self: &Arc<Self>,
        session: &str,
        address: Option<IpAddr>,
        of_address: usize,
        of_session: usize,
    ) -> Option<Seat> {
        let mut taken = self.0.lock();
        let address = address.map(bucket);
        if let Some(address) = address {
            let here = taken.by_address.entry(address).or_default();
            if *here >= of_address {
                return None;
            }
            *here += 1;
        }
        let orders = Arc::new(Orders::default());
        let session = sit(&mut taken, session, &orders, of_session);
        Some(Seat { seats: self.clone(), session: Some(session), address, orders, counted: None })
    }

    /// Gives an order to every connection of a session.
    pub(crate) fn tell(&self, session: &str, order: Order) {
        let told = self.0.lock().by_session.get(session).cloned().unwrap_or_default();
        told.iter().for_each(|orders| orders.put(order));
    }

    /// Open connections.
    #[cfg(test)]
    pub(crate) fn open(&self) -> usize {
        self.0.lock().by_session.values().map(Vec::len).sum()
    }
}

/// Puts a connection among those of a session, and sends the oldest away where there are too many.
fn sit(taken: &mut Taken, session: &str, orders: &Arc<Orders>, most: usize) -> Arc<str> {
    let name: Arc<str> = match taken.by_session.get_key_value(session) {
        Some((known, _)) => known.clone(),
        None => session.into(),
    };
    let all = taken.by_session.entry(name.clone()).or_default();
    all.push(orders.clone());
    let surplus = all.len().saturating_sub(most.max(1));
    for oldest in all.drain(..surplus) {
        oldest.put(Order::Close(Close::Crowded));
    }
    name
}

fn stand_up(taken: &mut Taken, session: &str, orders: &Arc<Orders>) {
    if let Some(all) = taken.by_session.get_mut(session) {
        all.retain(|one| !Arc::ptr_eq(one, orders));
        if all.is_empty() {
            taken.by_session.remove(session);
        }
    }
}

impl Seat {
    /// The same seat, counted in the metrics for as long as it is held.
    #[must_use]
    pub(crate) fn counted(mut self, held: Held) -> Self {
        self.counted = Some(held);
        self
    }

    /// The connection is another session's from now on.
    pub(crate) fn change(&mut self, session: &str, of_session: usize) {
        if self.session.as_deref() == Some(session) {
            return;
        }
        let mut taken = self.seats.0.lock();
        if let Some(old) = self.session.take() {
            stand_up(&mut taken, &old, &self.orders);
        }
        self.session = Some(sit(&mut taken, session, &self.orders, of_session));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
        if let Some(session) = &self.session {
            stand_up(&mut taken, session, &self.orders);
        }
        if let Some(address) = self.address
            && let Some(here) = taken.by_address.get_mut(&address)
        {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn next(seat: &Seat) -> Option<Order> {
        match seat.orders.poll_next(&Context::from_waker(Waker::noop())) {
            Poll::Ready(order) => Some(order),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_oldest_of_a_session_goes_and_an_address_is_full_at_its_limit() {
        let seats = Arc::new(Seats::default());
        let (home, away) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        let first = seats.take("s", home, 3, 2).unwrap();
        let second = seats.take("s", home, 3, 2).unwrap();
        let third = seats.take("s", home, 3, 2).unwrap();
        assert_eq!(next(&first), Some(Order::Close(Close::Crowded)));
        assert_eq!((next(&second), next(&third)), (None, None));
        assert!(seats.take("t", home, 3, 2).is_none());
        assert!(seats.take("t", away, 3, 2).is_some());
        seats.tell("s", Order::Close(Close::Ended));
        assert_eq!((next(&first), next(&second)), (None, Some(Order::Close(Close::Ended))));
        drop((first, second, third));
        assert_eq!(seats.open(), 0);
        assert!(seats.0.lock().by_address.is_empty());
    }
}
