use super::*;
use crate::sim::client;

async fn counting() -> (Provider, Server) {
    let provider = Provider::default();
    let inner = provider.clone();
    let server = provider
        .serve(|_| {
            move |request: RawRequest| {
                let inner = inner.clone();
                async move {
                    let body = request.json().unwrap_or_default();
                    inner.accept(Sent {
                        kind: "test".into(),
                        to: "x".into(),
                        id: "1".into(),
                        body,
                        files: Vec::new(),
                        at: Duration::ZERO,
                        is_message: true,
                    });
                    Answer::json(200, &serde_json::json!({"ok": true}))
                }
            }
        })
        .await
        .unwrap();
    (provider, server)
}

#[tokio::test]
async fn a_reset_is_not_acted_on_and_a_reset_after_the_body_is() {
    let (provider, server) = counting().await;
    let url = format!("{}/send", server.url());
    provider.fail("send", Fault::Reset, 1);
    provider.fail("send", Fault::ResetAfterBody, 1);
    assert!(client::post_json(&url, &[], &Value::Null).await.is_err());
    assert_eq!(provider.messages().len(), 0);
    assert!(client::post_json(&url, &[], &Value::Null).await.is_err());
    assert_eq!(provider.messages().len(), 1);
    assert_eq!(client::post_json(&url, &[], &Value::Null).await.unwrap().status, 200);
    let statuses: Vec<_> = provider.requests().iter().map(|exchange| exchange.status).collect();
    assert_eq!(statuses, [None, None, Some(200)]);
}

#[tokio::test]
async fn a_reset_is_a_tcp_reset_and_not_an_end_of_stream() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (provider, server) = counting().await;
    provider.fail("*", Fault::Reset, 1);
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let error = stream.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_status_fault_is_used_as_often_as_asked_and_only_on_its_route() {
    let (provider, server) = counting().await;
    let fault =
        Fault::Status { code: 503, body: "busy".into(), headers: vec![("retry-after".into(), "7".into())] };
    provider.fail("a/b", fault, 2);
    let at = |path: &str| format!("{}{path}", server.url());
    assert_eq!(client::get(&at("/a/c"), &[]).await.unwrap().status, 200);
    let refused = client::get(&at("/v1/a/b/c"), &[]).await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after"), refused.text().as_str()), (503, "7", "busy"));
    assert_eq!(client::get(&at("/a/b"), &[]).await.unwrap().status, 503);
    assert_eq!(client::get(&at("/a/b"), &[]).await.unwrap().status, 200);
    provider.fail("*", Fault::Html, 1);
    let page = client::get(&at("/any"), &[]).await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(provider.requests_of("a/b").len(), 3);
    assert_eq!(provider.messages().len(), 2, "faults are not acted on");
}

#[tokio::test]
async fn waiting_ends_when_the_message_comes_and_says_what_is_missing_when_not() {
    let (provider, server) = counting().await;
    let url = server.url();
    provider.fail("*", Fault::Slow(Duration::from_millis(30)), 1);
    let call = tokio::spawn(async move { client::get(&url, &[]).await });
    assert_eq!(provider.wait_for(1, Duration::from_secs(5)).await.unwrap().len(), 1);
    assert_eq!(call.await.unwrap().unwrap().status, 200);
    let error = provider.wait_for(2, Duration::from_millis(20)).await.unwrap_err().to_string();
    assert!(error.contains("waited 20 ms for 2 messages; 1 messages accepted, 1 requests"), "{error}");
}

#[tokio::test]
async fn a_dropped_server_refuses_connections_and_ends_open_ones() {
    let (provider, server) = counting().await;
    let (url, address) = (server.url(), server.address());
    provider.fail("*", Fault::Slow(Duration::from_secs(60)), 1);
    let hanging = tokio::spawn(async move { client::get(&url, &[]).await });
    provider.wait_until("the request", Duration::from_secs(5), |p| p.requests().len() == 1).await.unwrap();
    drop(server);
    assert!(hanging.await.unwrap().is_err());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
