//! Bytes that no browser would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::{PAGE, SOON, World, hello};
use serde_json::json;

/// A connection whose handshake is done, and which speaks bytes from then on.
async fn raw(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "GET /webchat/v1/ws HTTP/1.1\r\nHost: gateway.test\r\nOrigin: {PAGE}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: portico.v1\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(SOON, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    stream
}

/// One frame: first byte, payload, and whether it is masked.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length => {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    if masked {
        // A mask of zeros leaves the payload as it is.
        bytes.extend_from_slice(&[0; 4]);
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// The code with which the gateway closes.
async fn close_code(mut stream: TcpStream) -> Option<u16> {
    let mut all = Vec::new();
    drop(tokio::time::timeout(SOON, stream.read_to_end(&mut all)).await.expect("the connection stays open"));
    // Short server frames only: opcode, length, payload.
    let mut at = 0;
    while at + 2 <= all.len() {
        let (opcode, mut length, mut head) = (all[at] & 0x0f, usize::from(all[at + 1]), 2);
        if length == 126 {
            length = usize::from(u16::from_be_bytes([all[at + 2], all[at + 3]]));
            head = 4;
        }
        if opcode == 8 {
            return Some(u16::from_be_bytes([all[at + head], all[at + head + 1]]));
        }
        at += head + length;
    }
    None
}

#[tokio::test]
async fn broken_framing_is_closed_with_the_right_code() {
    let world = World::new().await;
    let hello = hello(json!({})).to_string();
    for (what, bytes, code) in [
        ("a reserved bit", frame(0xc1, hello.as_bytes(), true), 1002),
        ("an unknown opcode", frame(0x83, b"x", true), 1002),
        ("an unmasked frame", frame(0x81, hello.as_bytes(), false), 1002),
        ("broken UTF-8", frame(0x81, b"{\"t\":\"\xff\xfe\"}", true), 1007),
        ("a binary frame", frame(0x82, hello.as_bytes(), true), 4400),
        ("a continuation of nothing", frame(0x80, b"x", true), 1002),
        ("a fragmented ping", frame(0x09, b"x", true), 1002),
        ("a text that is no JSON", frame(0x81, b"hello", true), 4400),
    ] {
        let mut stream = raw(&world).await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(close_code(stream).await, Some(code), "{what}");
    }
}

#[tokio::test]
async fn a_huge_frame_is_refused_by_its_head() {
    let world = World::new().await;
    // A gibibyte is announced, and none of it is waited for.
    let mut stream = raw(&world).await;
    let mut head = vec![0x81, 0x80 | 127];
    head.extend_from_slice(&(1_u64 << 30).to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    stream.write_all(&head).await.unwrap();
    assert_eq!(close_code(stream).await, Some(4413));
    // In pieces it is no better.
    let mut stream = raw(&world).await;
    stream.write_all(&frame(0x01, &[b'x'; 60_000], true)).await.unwrap();
    stream.write_all(&frame(0x80, &[b'x'; 60_000], true)).await.unwrap();
    assert_eq!(close_code(stream).await, Some(4413));
}

#[tokio::test]
async fn a_wrong_handshake_is_answered_and_not_upgraded() {
    let world = World::new().await;
    let right = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "portico.v1"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", PAGE),
    ];
    for (name, value, status) in [
        ("upgrade", "h2c", 426),
        ("connection", "keep-alive", 426),
        ("sec-websocket-version", "8", 426),
        ("sec-websocket-protocol", "portico.v2", 400),
        ("sec-websocket-key", "short", 400),
    ] {
        let headers = right.map(|(known, usual)| (known, if known == name { value } else { usual }));
        world.call("GET", "/webchat/v1/ws", &headers, "").await.refused(status).await;
    }
    world.call("GET", "/webchat/v1/ws", &[], "").await.refused(426).await;
    world.call("POST", "/webchat/v1/ws", &[], "").await.refused(405).await;
}
