//! The limit of dispatch: a bare hyper client on one thread, so many keep-alive connections, one request at a
//! time on each.

use std::cell::Cell;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Posts `bytes` to `target` for a while and prints `{"requests", "seconds"}`.
///
/// # Errors
/// When the server can't be reached.
pub(crate) fn bare_client(
    target: SocketAddr,
    connections: usize,
    bytes: usize,
    lasting: Duration,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let set = LocalSet::new();
    let done = Rc::new(Cell::new(0_u64));
    let body = Bytes::from(vec![b'x'; bytes]);
    let begin = set.block_on(&runtime, async {
        let mut tasks = Vec::new();
        let begin = Instant::now();
        for _ in 0..connections {
            let (done, body) = (done.clone(), body.clone());
            tasks.push(tokio::task::spawn_local(async move {
                let stream = TcpStream::connect(target).await?;
                stream.set_nodelay(true)?;
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::task::spawn_local(connection);
                while begin.elapsed() < lasting {
                    let request = Request::post("/")
                        .header("host", "127.0.0.1")
                        .header("content-type", "application/json")
                        .body(Full::new(body.clone()))?;
                    sender.ready().await?;
                    let answer = sender.send_request(request).await?;
                    answer.into_body().collect().await?;
                    done.set(done.get() + 1);
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(begin)
    })?;
    let result = serde_json::json!({ "requests": done.get(), "seconds": begin.elapsed().as_secs_f64() });
    writeln!(std::io::stdout(), "{result}")?;
    Ok(())
}
