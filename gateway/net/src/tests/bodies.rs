//! Bodies out of files and pieces.

use std::io::Write as _;

use super::*;
use crate::{Body, NetErrorKind, Segment};

async fn echo() -> Server {
    Server::start(|_, mut stream| async move {
        let request = read_request(&mut stream).await.unwrap_or_default();
        let body = request.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        drop(stream.write_all(answer.as_bytes()).await);
    })
    .await
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn post(server: &Server, body: Body) -> Request {
    Request { method: Method::POST, body, max_answer: 4 << 20, ..named(server.url("/")) }
}

#[tokio::test]
async fn a_file_is_streamed_whole_with_its_length() {
    let server = echo().await;
    let content: Vec<u8> = (0..1_000_000).map(|n| b'a' + (n % 26) as u8).collect();
    let file = file(&content);
    let body = Body::File { path: file.path().into(), len: content.len() as u64 };
    assert_eq!(client().send(post(&server, body)).await.unwrap().body, content);
}

#[tokio::test]
async fn pieces_follow_one_another_and_empty_ones_vanish() {
    let server = echo().await;
    let (first, empty) = (file(b"[file]"), file(b""));
    let body = Body::Segments(vec![
        Segment::Bytes("--b\r\n".into()),
        Segment::File { path: first.path().into(), len: 6 },
        Segment::Bytes("".into()),
        Segment::File { path: empty.path().into(), len: 0 },
        Segment::Bytes("\r\n--b--".into()),
    ]);
    assert_eq!(body.len(), 18);
    assert_eq!(client().send(post(&server, body)).await.unwrap().body, "--b\r\n[file]\r\n--b--");
}

#[tokio::test]
async fn a_missing_file_is_found_before_anything_is_sent() {
    let server = echo().await;
    let missing = Segment::File { path: "/nonexistent/file".into(), len: 5 };
    for body in [
        Body::File { path: "/nonexistent/file".into(), len: 5 },
        Body::Segments(vec![Segment::Bytes("x".into()), missing]),
    ] {
        let error = client().send(post(&server, body)).await.unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Denied);
        assert!(!error.message.contains("/nonexistent"), "{error}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_file_that_shrank_breaks_the_request_off() {
    let server = echo().await;
    let file = file(b"short");
    let body = Body::File { path: file.path().into(), len: 500 };
    let error = client().send(post(&server, body)).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::UnknownResult, "{error}");
}
