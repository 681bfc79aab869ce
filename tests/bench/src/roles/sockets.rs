//! The limit of WebSockets: a server made by hand of tokio-tungstenite on one thread, one task for each socket, with
//! the same small buffers as the gateway. It says pong, and hands on to all others what begins with `!`.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use anyhow::Result;
use futures_util::{Sink, Stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

use crate::child::announce;

/// What waits to be written to one socket.
#[derive(Default)]
struct Line {
    waiting: RefCell<VecDeque<Utf8Bytes>>,
    waker: RefCell<Option<Waker>>,
}

type Lines = Rc<RefCell<HashMap<u64, Rc<Line>>>>;

/// Serves until it is killed.
///
/// # Errors
/// When there is no socket to be had.
pub(crate) fn bare_sockets() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?.port())?;
        let lines = Lines::default();
        for number in 0.. {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let lines = lines.clone();
            tokio::task::spawn_local(async move {
                let mut config = WebSocketConfig::default();
                config.read_buffer_size = 4096;
                config.write_buffer_size = 0;
                let Ok(mut socket) = accept_async_with_config(stream, Some(config)).await else { return };
                let line = Rc::new(Line::default());
                lines.borrow_mut().insert(number, line.clone());
                // A client that goes away is no fault.
                let _gone = std::future::poll_fn(|cx| serve(&mut socket, &line, &lines, number, cx)).await;
                lines.borrow_mut().remove(&number);
            });
        }
        Ok(())
    })
}

fn serve(
    socket: &mut WebSocketStream<TcpStream>,
    line: &Line,
    lines: &Lines,
    own: u64,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    loop {
        write(socket, line, cx)?;
        match Pin::new(&mut *socket).poll_next(cx) {
            Poll::Ready(Some(Ok(Message::Text(text)))) => match text.strip_prefix('!') {
                Some(said) => hand_on(&Utf8Bytes::from(said), lines, own),
                None => {
                    line.waiting.borrow_mut().push_back(Utf8Bytes::from_static(r#"{"t":"pong"}"#));
                }
            },
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => break,
        }
    }
    let mut waker = line.waker.borrow_mut();
    if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
    Poll::Pending
}

fn write(socket: &mut WebSocketStream<TcpStream>, line: &Line, cx: &mut Context<'_>) -> Result<(), Error> {
    loop {
        if line.waiting.borrow().is_empty() || Pin::new(&mut *socket).poll_ready(cx)?.is_pending() {
            break;
        }
        let next = line.waiting.borrow_mut().pop_front();
        if let Some(text) = next {
            Pin::new(&mut *socket).start_send(Message::Text(text))?;
        }
    }
    // It wakes this task when more can be written.
    let _later = Pin::new(&mut *socket).poll_flush(cx)?;
    Ok(())
}

/// The text is counted, not copied.
fn hand_on(text: &Utf8Bytes, lines: &Lines, own: u64) {
    for (number, line) in lines.borrow().iter() {
        if *number == own {
            continue;
        }
        line.waiting.borrow_mut().push_back(text.clone());
        if let Some(waker) = line.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}
