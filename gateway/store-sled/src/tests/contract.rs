//! The contract suite, as it is configured and in a way that makes every path short.

fn folder() -> super::Folder {
    super::Folder::new()
}

portico_store::store_suite!(folder);

/// A checkpoint after nearly every batch, nothing idle kept in memory, snapshots all the time: what is read
/// comes from the engine, and windows move while they are read.
mod hurried {
    use std::sync::Arc;
    use std::time::Duration;

    use portico_store::Store;
    use portico_store::suite::Home;

    use crate::tests::Folder;
    use crate::{Options, SledStore};

    struct Hurried(Folder);

    impl Home for Hurried {
        fn open(&self) -> Arc<dyn Store> {
            let options = Options {
                checkpoint_bytes: 1024,
                checkpoint_every: Duration::from_millis(5),
                snapshot_bytes: 4 * 1024 * 1024,
                idle_lanes: 0,
                ..self.0.options()
            };
            Arc::new(SledStore::open(options).unwrap())
        }

        fn durable(&self) -> bool {
            true
        }
    }

    fn hurried() -> Hurried {
        Hurried(Folder::new())
    }

    portico_store::store_suite!(hurried);
}
