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

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_was_read_to_the_end_however_it_came() {
    let server = Server::start(|_, mut stream| async move {
        while read_request(&mut stream).await.is_some() {
            for piece in [
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
                "2\r\nde\r\n",
                "0\r\n\r\n",
            ] {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        assert_eq!(&client.send(named(server.url("/"))).await.unwrap().body[..], b"abcde");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_takes_its_connection_along() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\nx").await;
    let client = client();
    drop(client.open(named(server.url("/"))).await.unwrap());
    drop(client.open(named(server.url("/"))).await.unwrap());
    assert_eq!(server.accepted(), 2);
    // Nothing was left to read of this one.
    let empty = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    drop(client.open(named(empty.url("/"))).await.unwrap());
    drop(client.open(named(empty.url("/"))).await.unwrap());
    assert_eq!(empty.accepted(), 1);
}

#[tokio::test]
async fn requests_at_the_same_time_have_a_connection_each_and_their_callers_may_go() {
    let server = Server::start(|number, mut stream| async move {
        while read_request(&mut stream).await.is_some() {
            if number > 0 {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = client();
    assert_eq!(client.send(named(server.url("/"))).await.unwrap().status, 200);
    let both =
        futures_util::future::join(client.send(named(server.url("/"))), client.send(named(server.url("/"))));
    // The second of them never ends; it is given up with its connection.
    assert!(tokio::time::timeout(Duration::from_millis(200), both).await.is_err());
    assert_eq!(client.send(named(server.url("/"))).await.unwrap().status, 200);
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_target_is_called_as_its_address_says_and_checked_like_it() {
    let server = Server::start(|_, mut stream| async move {
        while let Some(request) = read_request(&mut stream).await {
            let seen = request.lines().next().unwrap_or_default().to_owned();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}", seen.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = client();
    let target = client.target(server.url("/a/b?c=d#e"), true).unwrap();
    for _ in 0..2 {
        let call = crate::Call {
            method: Method::POST,
            headers: http::HeaderMap::new(),
            body: b"x".to_vec().into(),
            timeout: Duration::from_secs(20),
            max_answer: 1000,
        };
        let answer = client.call(&target, call).await.unwrap().whole().await.unwrap();
        assert_eq!(&answer.body[..], b"POST /a/b?c=d HTTP/1.1");
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(client.target(server.url("/"), false).unwrap_err().kind, NetErrorKind::Denied);
    assert!(!format!("{target:?}").contains("/a/b"));
}
