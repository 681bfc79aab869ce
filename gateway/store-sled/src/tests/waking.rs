//! Whoever waits for an answer is woken, whatever runtime there is or was.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use portico_store::suite::{append, inbound};
use portico_store::{Commit, Store};

use super::Folder;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread, without any runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    let started = Instant::now();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "nobody woke the waiter");
        thread::park_timeout(Duration::from_secs(10));
    }
}

fn one() -> Commit {
    Commit::of([append(inbound(1), "x").1])
}

#[test]
fn a_thread_without_a_runtime_is_woken() {
    let folder = Folder::new();
    let store = folder.store();
    for _ in 0..20 {
        assert!(wait(store.commit(one())).is_ok());
    }
}

#[test]
fn a_runtime_that_nobody_drives_loses_no_wake() {
    let folder = Folder::new();
    let store = folder.store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    for _ in 0..5 {
        assert!(wait(store.commit(one())).is_ok());
    }
}

#[test]
fn a_runtime_that_ends_takes_no_waiters_with_it() {
    let folder = Folder::new();
    let store = Arc::new(folder.store());
    for round in 0..10 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        for _ in 0..50 {
            let store = store.clone();
            runtime.spawn(async move { store.commit(one()).await });
        }
        let handle = runtime.handle().clone();
        let waiting = {
            let store = store.clone();
            // Polled here, but inside a runtime that goes away meanwhile.
            thread::spawn(move || {
                let _entered = handle.enter();
                (0..20).all(|_| wait(store.commit(one())).is_ok())
            })
        };
        thread::sleep(Duration::from_micros(100 * round));
        runtime.shutdown_background();
        assert!(waiting.join().unwrap());
    }
}
