//! A client that keeps its connection, as balancers and providers do, and tells how an exchange failed.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use portico_tests::sim::client::Reply;
use portico_tests::sim::sign::SignedRequest;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// How an exchange without an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Nobody listens.
    Refused,
    /// The connection ended before an answer came.
    Dropped,
    /// No answer within 30 s.
    Silent,
}

/// One client with at most one connection.
#[derive(Debug)]
pub(super) struct Line {
    port: u16,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Line {
    pub(super) fn to(port: u16) -> Self {
        Self { port, open: None }
    }

    /// Sends a signed request to a path.
    pub(super) async fn post(&mut self, path: &str, request: &SignedRequest) -> Result<Reply, Broken> {
        self.send(request.method.clone(), path, &request.headers, request.body.clone()).await
    }

    /// One exchange. A connection that ended between two exchanges is replaced without a word.
    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Bytes,
    ) -> Result<Reply, Broken> {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).unwrap();
        match timeout(Duration::from_secs(30), self.exchange(request)).await {
            Ok(done) => done,
            Err(_) => {
                self.open = None;
                Err(Broken::Silent)
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, Broken> {
        let mut sender = match self.open.take() {
            Some(mut open) => match open.ready().await {
                Ok(()) => open,
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let mut sent = sender.try_send_request(request).await;
        if let Err(error) = &mut sent
            && let Some(unsent) = error.take_message()
        {
            // The gateway closed it while it was idle; nothing was sent.
            sender = self.connect().await?;
            sent = sender.try_send_request(unsent).await;
        }
        let response = sent.map_err(|_| Broken::Dropped)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| Broken::Dropped)?.to_bytes();
        self.open = Some(sender);
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Broken> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|_| Broken::Refused)?;
        stream.set_nodelay(true).map_err(|_| Broken::Dropped)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Broken::Dropped)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
