//! What comes back, or why nothing does.

use portico_contract::TransportFailure;

use super::*;
use crate::{Body, NetErrorKind};

async fn kind_of(request: Request) -> NetErrorKind {
    client().send(request).await.unwrap_err().kind
}

#[tokio::test]
async fn status_headers_and_body_come_back_as_they_were() {
    let server = Server::answering("HTTP/1.1 418 Teapot\r\nx-a: 1\r\ncontent-length: 5\r\n\r\nhello").await;
    let response = client().send(named(server.url("/"))).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (418, &b"hello"[..]));
    assert_eq!(response.headers["x-a"], "1");
}

#[tokio::test]
async fn framing_headers_are_the_clients_own_and_others_pass() {
    let server = Server::start(|_, mut stream| async move {
        let request = read_request(&mut stream).await.unwrap().to_ascii_lowercase();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{request}", request.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let mut request =
        Request { method: Method::POST, body: Body::from(b"abc".to_vec()), ..named(server.url("/p?q=1#f")) };
    for (name, value) in [
        ("host", "evil.example"),
        ("content-length", "99"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("upgrade", "h2c"),
        ("x-kept", "yes"),
    ] {
        request.headers.insert(name, value.parse().unwrap());
    }
    let seen = client().send(request).await.unwrap().body;
    let seen = String::from_utf8(seen.to_vec()).unwrap();
    assert!(seen.starts_with("post /p?q=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", server.address)), "{seen}");
    assert!(seen.contains("content-length: 3\r\n") && seen.contains("x-kept: yes\r\n"), "{seen}");
    assert!(seen.contains("user-agent: portico/"), "{seen}");
    for absent in ["evil.example", "transfer-encoding", "upgrade"] {
        assert!(!seen.contains(absent), "{seen}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_its_target_is_never_called() {
    let canary = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let location = canary.url("/");
    let server = Server::start(move |_, mut stream| {
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        async move {
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let response = client().send(named(server.url("/"))).await.unwrap();
    assert_eq!(response.status, 302);
    assert!(response.headers.contains_key("location"));
    assert_eq!(canary.accepted(), 0);
}

#[tokio::test]
async fn an_answer_above_its_cap_is_cut_off_with_and_without_a_stated_length() {
    let stated = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789").await;
    let chunked = Server::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n4\r\n6789\r\n0\r\n\r\n",
    )
    .await;
    for server in [&stated, &chunked] {
        let with_cap = |max_answer| Request { max_answer, ..named(server.url("/")) };
        assert_eq!(kind_of(with_cap(8)).await, NetErrorKind::TooLarge);
        assert_eq!(&client().send(with_cap(9)).await.unwrap().body[..], b"123456789");
    }
    let endless = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    })
    .await;
    assert_eq!(
        kind_of(Request { max_answer: 1 << 20, ..named(endless.url("/")) }).await,
        NetErrorKind::TooLarge
    );
}

#[tokio::test]
async fn a_large_body_arrives_piece_by_piece_and_a_full_sink_ends_it() {
    let server = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n").await);
        drop(stream.write_all(&vec![7; 3_000_000]).await);
    })
    .await;
    let request = || Request { max_answer: 3_000_000, ..named(server.url("/")) };
    let mut size = 0;
    let head = client()
        .fetch_to(request(), |piece| {
            assert!(piece.iter().all(|byte| *byte == 7));
            size += piece.len();
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!((head.status, size), (200, 3_000_000));
    let error = client().fetch_to(request(), |_| Err(io::Error::other("disk full"))).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::UnknownResult);
    assert!(error.message.contains("disk full"));
}

#[tokio::test]
async fn a_silent_or_slow_server_times_out_after_the_request_was_sent() {
    let silent = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let stalling = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234").await);
        std::future::pending::<()>().await;
    })
    .await;
    for server in [&silent, &stalling] {
        let request = Request { timeout: Duration::from_millis(200), ..named(server.url("/")) };
        let kind = kind_of(request).await;
        assert_eq!(kind, NetErrorKind::TimedOut);
        assert!(!kind.before_sending());
        assert_eq!(TransportFailure::from(kind), TransportFailure::TimedOut);
    }
}

#[tokio::test]
async fn no_connection_in_time_is_known_to_precede_sending() {
    struct Hanging;
    #[async_trait]
    impl Resolve for Hanging {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    let url = Url::parse("https://slow.example/").unwrap();
    for (connect_ms, whole_ms) in [(100, 5_000), (5_000, 100)] {
        let options =
            ClientOptions { connect_timeout: Duration::from_millis(connect_ms), ..ClientOptions::default() };
        let request =
            Request { timeout: Duration::from_millis(whole_ms), ..Request::new(Method::GET, url.clone()) };
        let error = client_to(None, options, Arc::new(Hanging)).send(request).await.unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Connect, "{error}");
        assert!(error.kind.before_sending());
    }
    // A port that nobody listens at.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(kind_of(named(Url::parse(&format!("http://{free}/")).unwrap())).await, NetErrorKind::Connect);
}

#[tokio::test]
async fn a_connection_lost_before_or_within_the_answer_has_an_unknown_result() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nconte",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n123",
        "no HTTP at all\r\n\r\n",
    ] {
        let server = Server::start(move |_, mut stream| async move {
            read_request(&mut stream).await;
            drop(stream.write_all(answer.as_bytes()).await);
        })
        .await;
        let kind = kind_of(Request { method: Method::POST, ..named(server.url("/")) }).await;
        assert_eq!(kind, NetErrorKind::UnknownResult, "{answer:?}");
        assert_eq!(server.accepted(), 1, "a request that may have been received is not sent again");
    }
    let resetting = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        // Closing with unread data or zero linger resets the connection instead of ending it.
        #[allow(deprecated)]
        stream.set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    assert_eq!(kind_of(named(resetting.url("/"))).await, NetErrorKind::UnknownResult);
}

#[tokio::test]
async fn errors_tell_the_host_and_never_the_path() {
    let server = Server::start(|_, _| async {}).await;
    let error = client().send(named(server.url("/bot123:SECRET/getMe?token=SECRET"))).await.unwrap_err();
    assert!(error.message.contains("127.0.0.1") && !error.message.contains("SECRET"), "{error}");
}
