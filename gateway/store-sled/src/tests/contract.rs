//! The contract suite, as it is configured and in ways that make every path short.

fn folder() -> super::Folder {
    super::Folder::new()
}

portico_store::store_suite!(folder);
