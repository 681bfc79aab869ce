//! Which connections are used again, and for whom.

use super::*;
use crate::NetErrorKind;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Server::answering(OK).await;
    let client = client();
    for _ in 0..5 {
        assert_eq!(client.clone().send(named(server.url("/"))).await.unwrap().status, 200);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced_without_a_failure() {
    let server = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let client = client();
    for round in 1..=3 {
        assert_eq!(client.send(named(server.url("/"))).await.unwrap().status, 200);
        assert_eq!(server.accepted(), round);
        // The close must have arrived, else the next request races it.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_name_that_turns_private_is_refused_at_its_next_connection() {
    let (authority, server) = secure::server(1).await;
    let names = Names::answering(&[&["9.9.9.9"], &["127.0.0.1"]]);
    let options = ClientOptions { extra_roots: vec![authority], ..ClientOptions::default() };
    let client = client_to(Some(server.address), options, names.clone());
    let url = Url::parse("https://core.test/").unwrap();
    let fetch = || client.send(Request::new(Method::GET, url.clone()));
    assert_eq!(fetch().await.unwrap().status, 200);
    assert_eq!(
        names.lookups.load(Ordering::SeqCst),
        1,
        "the address that was checked is the one connected to"
    );
    assert_eq!(server.accepted(), 1);
    // The server closes after each answer.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fetch().await.unwrap_err().kind, NetErrorKind::Denied);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_made_for_a_named_target_never_serves_a_stranger() {
    let (authority, server) = secure::server(9).await;
    let options = ClientOptions { extra_roots: vec![authority], ..ClientOptions::default() };
    let client = client_to(Some(server.address), options, Names::answering(&[&["10.0.0.5"]]));
    let url = Url::parse("https://core.test/").unwrap();
    let from_operator = || client.send(Request { private: true, ..Request::new(Method::GET, url.clone()) });
    assert_eq!(from_operator().await.unwrap().status, 200);
    let from_stranger = client.send(Request::new(Method::GET, url.clone())).await.unwrap_err();
    assert_eq!(from_stranger.kind, NetErrorKind::Denied);
    assert_eq!(from_operator().await.unwrap().status, 200);
    assert_eq!(server.accepted(), 1, "the connection was there to be used");
}
