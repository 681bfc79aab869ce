//! Serves the runtime API over a store in memory, for trying a client against it:
//! `cargo run -p portico-runtime-api --example serve -- 127.0.0.1:8090`.
//!
//! Bots, tokens and installations are those of `src/tests/toy.rs`.

#[path = "../src/tests/toy.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod toy;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let folder = tempfile::tempdir()?;
    let parts = toy::parts(folder.path(), &url).await?;
    let server = axum::serve(listener, portico_runtime_api::router(parts.api));
    let stopped = server.with_graceful_shutdown(async {
        drop(tokio::signal::ctrl_c().await);
    });
    tracing::info!("{url}");
    Ok(stopped.await?)
}
