//! A feed as a WebSocket, which the chat client of version 1 may ask for: text frames with the same JSON, `ping`
//! while nothing happens. What the other side says means nothing; its pings are answered, its close is obeyed.

use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper_util::rt::TokioIo;
use portico_problem::{Kind, Problem};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::feed::{Feed, Frame};

/// How long a socket may be silent.
const QUIET: Duration = Duration::from_secs(25);
/// Largest frame that is read, in bytes; nothing is expected.
const FRAME: usize = 4096;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked_for(request: &Request) -> bool {
    has(request.headers(), UPGRADE, "websocket")
}

fn has(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let words = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    words.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
}

/// The answer: 101, and the feed on what the connection becomes.
///
/// # Errors
/// `InvalidPayload` when the request is no proper question for a WebSocket.
pub(crate) fn answer(mut request: Request, feed: Feed) -> Result<Response, Problem> {
    let refuse = |why: &str| Problem::new(Kind::InvalidPayload, why);
    let headers = request.headers();
    if !has(headers, CONNECTION, "upgrade") || request.method() != http::Method::GET {
        return Err(refuse("a WebSocket begins with GET and 'connection: upgrade'"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let problem = refuse("sec-websocket-version: must be 13");
        return Err(problem.header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = derive_accept_key(key.ok_or_else(|| refuse("sec-websocket-key: is missing"))?.as_bytes());
    let accept = HeaderValue::from_str(&accept).map_err(|_| refuse("sec-websocket-key: is malformed"))?;
    let upgraded = hyper::upgrade::on(&mut request);
    let feed = feed.over_socket(QUIET);
    tokio::spawn(async move {
        // The other side may leave before its connection is handed over.
        if let Ok(upgraded) = upgraded.await {
            let config = WebSocketConfig::default()
                .read_buffer_size(FRAME)
                .write_buffer_size(0)
                .max_message_size(Some(FRAME))
                .max_frame_size(Some(FRAME));
            let io = TokioIo::new(upgraded);
            run(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await, feed).await;
        }
    });
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

async fn run<S>(mut socket: WebSocketStream<S>, mut feed: Feed)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        let text = tokio::select! {
            frame = feed.next() => match frame {
                Some(Frame::Signal(signal)) => signal.to_string(),
                Some(Frame::Ping) => "ping".to_owned(),
                None => break,
            },
            heard = socket.next() => match heard {
                // Reading answers pings and closes; a text of the client means nothing.
                Some(Ok(message)) if !message.is_close() => continue,
                _ => return,
            },
        };
        match tokio::time::timeout(feed.patience, socket.send(Message::text(text))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                feed.count_slow();
                return;
            }
        }
    }
    // The stream is over; whether the other side hears it does not matter any more.
    drop(tokio::time::timeout(feed.patience, socket.close(None)).await);
}
