//! What a request carries: bytes, files, or pieces of both one after the other.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read from a file at a time.
const CHUNK: usize = 64 * 1024;

/// A request's body. Its length is known before it is sent.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file, streamed.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its length in bytes; a file that is shorter by then breaks the request off.
        len: u64,
    },
    /// Pieces one after the other, such as the parts of a multipart form.
    Segments(Vec<Segment>),
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub enum Segment {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file, streamed.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
    },
}

impl Body {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
            Self::Segments(segments) => segments.iter().map(Segment::len).sum(),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first file that can't be opened, found before a connection is spent on it.
    pub(crate) async fn missing_file(&self) -> Option<(&Path, io::Error)> {
        let paths: Vec<&Path> = match self {
            Self::Empty | Self::Bytes(_) => return None,
            Self::File { path, .. } => vec![path],
            Self::Segments(segments) => segments.iter().filter_map(Segment::path).collect(),
        };
        for path in paths {
            if let Err(error) = File::open(path).await {
                return Some((path, error));
            }
        }
        None
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Bytes(bytes) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Bytes(_) => None,
            Self::File { path, .. } => Some(path),
        }
    }
}

/// The body as hyper pulls it. The common case, bytes in memory, costs no allocation.
pub(crate) enum Outgoing {
    Whole(Option<Bytes>),
    Pieces(Box<Pieces>),
}

impl From<Body> for Outgoing {
    fn from(body: Body) -> Self {
        let left = body.len();
        let segments = match body {
            Body::Empty => return Self::Whole(None),
            Body::Bytes(bytes) => return Self::Whole(Some(bytes)),
            Body::File { path, len } => vec![Segment::File { path, len }],
            Body::Segments(segments) => segments,
        };
        Self::Pieces(Box::new(Pieces { rest: segments.into_iter(), now: Now::Between, left }))
    }
}

pub(crate) struct Pieces {
    rest: std::vec::IntoIter<Segment>,
    now: Now,
    left: u64,
}

enum Now {
    Between,
    Opening { open: Pin<Box<dyn Future<Output = io::Result<File>> + Send + Sync>>, len: u64 },
    Reading { file: File, left: u64 },
}

impl Pieces {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match &mut self.now {
                Now::Between => match self.rest.next() {
                    None => return Poll::Ready(None),
                    Some(Segment::Bytes(bytes)) if bytes.is_empty() => {}
                    Some(Segment::Bytes(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                    Some(Segment::File { len: 0, .. }) => {}
                    Some(Segment::File { path, len }) => {
                        self.now = Now::Opening { open: Box::pin(File::open(path)), len };
                    }
                },
                Now::Opening { open, len } => {
                    let file = match ready!(open.as_mut().poll(cx)) {
                        Ok(file) => file,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    self.now = Now::Reading { file, left: *len };
                }
                Now::Reading { left: 0, .. } => self.now = Now::Between,
                Now::Reading { file, left } => {
                    let want = usize::try_from(*left).unwrap_or(CHUNK).min(CHUNK);
                    let mut chunk = BytesMut::zeroed(want);
                    let mut buffer = ReadBuf::new(&mut chunk);
                    if let Err(error) = ready!(Pin::new(file).poll_read(cx, &mut buffer)) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    let read = buffer.filled().len();
                    if read == 0 {
                        let short =
                            io::Error::new(io::ErrorKind::UnexpectedEof, "a file is shorter than it was");
                        return Poll::Ready(Some(Err(short)));
                    }
                    *left -= read as u64;
                    chunk.truncate(read);
                    return Poll::Ready(Some(Ok(chunk.freeze())));
                }
            }
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => {
                let next = ready!(pieces.poll(cx));
                if let Some(Ok(bytes)) = &next {
                    pieces.left = pieces.left.saturating_sub(bytes.len() as u64);
                }
                Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Pieces(pieces) => pieces.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(pieces) => SizeHint::with_exact(pieces.left),
        }
    }
}
