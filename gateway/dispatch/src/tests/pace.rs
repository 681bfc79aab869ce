//! What dispatch costs beside the bare calls that it makes, on one machine in one process. Run it on purpose:
//! `cargo test --release -p portico-dispatch pace -- --ignored --nocapture`.

use std::sync::atomic::{AtomicU64, Ordering};

use ::http::Method;
use portico_net::{Body, Request};

use super::http::{Say, Server};
use super::*;

const PLACES: u64 = 1000;
const EVENTS: u64 = 20;

#[expect(clippy::print_stderr, reason = "a measurement is for people")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for a quiet machine"]
async fn dispatch_to_a_null_core_beside_bare_calls() {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let server = Server::silent(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Say::Status(200)
    })
    .await;
    let endpoint = server.endpoint();
    let url = endpoint.url.clone();
    let client = client();
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let bare = bare(&client, &url).await;
        let gateway = Gateway::with(CoreKind::Http(endpoint.clone()));
        gateway.dispatch.pause(&bot());
        for number in 0..EVENTS {
            for place in 0..PLACES {
                gateway.say(&place.to_string(), &number.to_string()).await;
            }
        }
        let before = count.load(Ordering::Relaxed);
        let from = std::time::Instant::now();
        gateway.dispatch.resume(&bot());
        while gateway.dispatch.stats().settled < PLACES * EVENTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ours = (count.load(Ordering::Relaxed) - before) as f64 / from.elapsed().as_secs_f64();
        assert_eq!(gateway.dispatch.drain(Duration::from_secs(1)).await.unfinished, 0);
        ratios.push(ours / bare);
        eprintln!("bare {bare:.0}/s, dispatch {ours:.0}/s, ratio {:.2}", ours / bare);
    }
    ratios.sort_by(f64::total_cmp);
    // Without optimisation the figure says nothing.
    assert!(cfg!(debug_assertions) || ratios[2] >= 0.45, "the median ratio is {:.2}", ratios[2]);
}

/// Calls per second of 64 tasks that do nothing else.
async fn bare(client: &Client, url: &url::Url) -> f64 {
    let body = Bytes::from(vec![b'x'; 1024]);
    let from = std::time::Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (client, url, body) = (client.clone(), url.clone(), body.clone());
            tokio::spawn(async move {
                for _ in 0..PLACES * EVENTS / 64 {
                    let request = Request {
                        body: Body::Bytes(body.clone()),
                        private: true,
                        ..Request::new(Method::POST, url.clone())
                    };
                    client.send(request).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (PLACES * EVENTS) as f64 / from.elapsed().as_secs_f64()
}
