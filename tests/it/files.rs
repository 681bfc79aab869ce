//! A file server that stands for the open web: what bots name as pictures and documents is there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use portico_tests::sim::server::{Answer, Answering, Handler, Server};

/// The smallest PNG: one transparent point.
pub(crate) const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0,
    0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0,
    1, 0, 0, 5, 0, 1, 0x0d, 0x0a, 0x2d, 0xb4, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

type Shelf = HashMap<String, (String, Bytes)>;

/// Files on a port of loopback.
pub(crate) struct Files {
    server: Server,
    shelf: Arc<Mutex<Shelf>>,
    reads: Arc<AtomicUsize>,
}

impl Files {
    pub(crate) async fn start() -> Self {
        let shelf: Arc<Mutex<Shelf>> = Arc::default();
        let (read, reads) = (shelf.clone(), Arc::<AtomicUsize>::default());
        let count = reads.clone();
        let handler: Handler = Arc::new(move |request| -> Answering {
            count.fetch_add(1, Ordering::Relaxed);
            let found = read.lock().get(&request.path).cloned();
            Box::pin(async move {
                match found {
                    Some((kind, bytes)) => Answer::text(200, &kind, bytes),
                    None => Answer::empty(404),
                }
            })
        });
        Self { server: Server::start(handler).await.unwrap(), shelf, reads }
    }

    /// Requests so far, of any kind.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Puts a file there and returns its address.
    pub(crate) fn put(&self, name: &str, kind: &str, bytes: impl Into<Bytes>) -> String {
        self.shelf.lock().insert(format!("/{name}"), (kind.to_owned(), bytes.into()));
        format!("{}/{name}", self.server.url())
    }
}
