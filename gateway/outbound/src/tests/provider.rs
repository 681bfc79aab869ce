//! A provider that answers by script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the provider does with one request.
#[derive(Clone)]
pub(super) enum Act {
    /// Answers 200 with the next id.
    Take,
    /// Answers a status with headers and a body.
    Answer(u16, &'static str, &'static str),
    /// Closes the connection before the request is read.
    ResetBefore,
    /// Reads the whole request, then closes the connection.
    ResetAfter,
    /// Takes it, after a while.
    Slow(Duration),
}

#[derive(Default)]
struct Book {
    script: VecDeque<Act>,
    /// What to do when the script is over.
    standard: Option<Act>,
    asked: Vec<Value>,
    taken: Vec<String>,
    at_once: usize,
    most_at_once: usize,
}

/// A running provider.
#[derive(Clone)]
pub(super) struct Provider {
    book: Arc<Mutex<Book>>,
    pub(super) url: String,
}

impl Provider {
    pub(super) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Arc::new(Mutex::new(Book { script: script.into_iter().collect(), ..Book::default() }));
        let provider = Self { book, url };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        provider
    }

    /// From now on, whatever the script said.
    pub(super) fn always(&self, act: Act) {
        let mut book = self.book.lock();
        book.script.clear();
        book.standard = Some(act);
    }

    /// Bodies of all requests that were read, in order.
    pub(super) fn asked(&self) -> Vec<Value> {
        self.book.lock().asked.clone()
    }

    /// Texts of the messages that it took, in order.
    pub(super) fn taken(&self) -> Vec<String> {
        self.book.lock().taken.clone()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.book.lock().most_at_once
    }

    async fn serve(&self, mut stream: TcpStream) {
        let act = {
            let mut book = self.book.lock();
            let next = book.script.pop_front();
            next.or_else(|| book.standard.clone()).unwrap_or(Act::Take)
        };
        if matches!(act, Act::ResetBefore) {
            return;
        }
        let Some(body) = read_body(&mut stream).await else { return };
        let mut taken = 0;
        {
            let mut book = self.book.lock();
            book.at_once += 1;
            book.most_at_once = book.most_at_once.max(book.at_once);
            book.asked.push(body.clone());
            // Taken in the order of arrival, however long the answer takes.
            if matches!(act, Act::Take | Act::Slow(_)) {
                book.taken.push(body["text"].as_str().unwrap_or_default().to_owned());
                taken = book.taken.len();
            }
        }
        if let Act::Slow(wait) = act {
            tokio::time::sleep(wait).await;
        }
        let answer = match act {
            Act::Take | Act::Slow(_) => {
                let id = format!("p{taken}");
                Some((200, "content-type: application/json".to_owned(), format!("{{\"id\":\"{id}\"}}")))
            }
            Act::Answer(status, headers, body) => Some((status, headers.to_owned(), body.to_owned())),
            Act::ResetBefore | Act::ResetAfter => None,
        };
        self.book.lock().at_once -= 1;
        let Some((status, mut headers, body)) = answer else { return };
        if !headers.is_empty() {
            headers.push_str("\r\n");
        }
        let text = format!(
            "HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(text.as_bytes()).await.is_ok() {
            drop(stream.shutdown().await);
        }
    }
}

async fn read_body(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        if body.len() >= length {
            return Some(serde_json::from_str(body).unwrap_or(Value::Null));
        }
    }
}
