//! Host name to addresses. Called once per new connection; its answer is what the guard checks.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, in order of preference; empty or an error when it has none.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver: obeys the hosts file, search domains and whatever else the host is set up with.
///
/// A lookup holds a thread of the runtime's blocking pool, so a bounded number of them run at a time: a name
/// server that hangs must not take the threads that the store needs.
#[derive(Debug)]
pub struct SystemResolver {
    running: Semaphore,
}

/// Lookups at a time; the blocking pool of tokio has 512 threads.
const LOOKUPS: usize = 64;

impl Default for SystemResolver {
    fn default() -> Self {
        Self { running: Semaphore::new(LOOKUPS) }
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let _permit = self.running.acquire().await.map_err(io::Error::other)?;
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}
