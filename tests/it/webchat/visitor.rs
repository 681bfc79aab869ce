//! A visitor's end of a WebSocket: frames out, frames in, and with which code it ended.

use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::scene::SOON;

/// A road for bytes.
pub(super) trait Road: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Road for T {}

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Came {
    Frame(Value),
    /// The end, with the close code; 1006 where the connection just broke.
    End(u16),
}

/// A visitor's connection.
pub(super) struct Visitor {
    socket: WebSocketStream<Box<dyn Road>>,
}

impl Visitor {
    /// Connects over plain TCP, from a page or from none.
    pub(super) async fn connect(port: u16, origin: Option<&str>) -> Result<Self, tungstenite::Error> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Self::over(Box::new(stream), &format!("ws://127.0.0.1:{port}"), origin).await
    }

    /// Connects over a road that is there already.
    pub(super) async fn over(
        road: Box<dyn Road>,
        base: &str,
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("{base}/webchat/v1/ws").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static("portico.v1"));
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        let (socket, response) = tokio_tungstenite::client_async(request, road).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "portico.v1");
        Ok(Self { socket })
    }

    /// Sends a frame; one that does not go out any more is noticed when the end is read.
    pub(super) async fn send(&mut self, frame: Value) {
        drop(self.socket.send(Message::text(frame.to_string())).await);
    }

    /// The next frame, or the end.
    pub(super) async fn next(&mut self) -> Came {
        let read = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Came::Frame(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(close))) => {
                        return Came::End(close.map_or(1005, |close| close.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Came::End(1006),
                }
            }
        };
        tokio::time::timeout(SOON, read).await.expect("nothing came")
    }

    /// Says who it is, with more fields, and returns the first frame, whatever it is.
    pub(super) async fn greet(&mut self, more: Value) -> Came {
        let mut hello = json!({ "t": "hello", "v": 1, "ch": "site", "cur": {}, "caps": ["delta"] });
        if let (Some(hello), Value::Object(more)) = (hello.as_object_mut(), more) {
            hello.extend(more);
        }
        self.send(hello).await;
        self.next().await
    }

    /// As [`Visitor::greet`], and it must be welcome.
    pub(super) async fn hello(&mut self, more: Value) -> Value {
        match self.greet(more).await {
            Came::Frame(frame) if frame["t"] == "welcome" => frame,
            other => panic!("not welcome: {other:?}"),
        }
    }

    /// The next frame that fits; others are passed over.
    pub(super) async fn frame(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let mut passed = Vec::new();
        loop {
            match self.next().await {
                Came::Frame(frame) if fits(&frame) => return frame,
                Came::Frame(frame) => passed.push(frame),
                Came::End(code) => panic!("the end, {code}, after {passed:?}"),
            }
        }
    }

    /// The next frame of a kind.
    pub(super) async fn frame_of(&mut self, kind: &str) -> Value {
        self.frame(|frame| frame["t"] == kind).await
    }

    /// The next item of a conversation that fits.
    pub(super) async fn item(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        self.frame(|frame| frame["t"] == "ev" && fits(frame)).await
    }

    /// Says something and waits for the answer to that, ack or nack.
    pub(super) async fn tries(&mut self, id: &str, conversation: Option<&str>, text: &str) -> Value {
        let mut frame = json!({ "t": "send", "id": id, "msg": { "type": "text", "text": text } });
        if let Some(conversation) = conversation {
            frame["conv"] = conversation.into();
        }
        self.send(frame).await;
        self.frame(|frame| (frame["t"] == "ack" || frame["t"] == "nack") && frame["id"] == id).await
    }

    /// Says something, which must be taken; the ack.
    pub(super) async fn says(&mut self, id: &str, conversation: Option<&str>, text: &str) -> Value {
        let answer = self.tries(id, conversation, text).await;
        assert_eq!(answer["t"], "ack", "{answer}");
        answer
    }

    /// Reads to the end: all frames on the way, and the close code.
    pub(super) async fn read_out(&mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Came::Frame(frame) => frames.push(frame),
                Came::End(code) => return (frames, code),
            }
        }
    }
}
