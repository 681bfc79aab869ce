//! A new connection: from an address of its group, with its handshake checked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};

use anyhow::{Result, bail};
use rustix::net::{AddressFamily, SocketType, sockopt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{PATIENCE, Target};

/// Clients of one address, at most: what a channel allows as it comes.
const PER_ADDRESS: usize = 20;
/// Any 16 bytes in base64 will do (RFC 6455, 4.1).
const KEY: &str = "cG9ydGljby1iZW5jaC0wMQ==";

/// The loopback address of a client.
fn home(number: usize) -> Ipv4Addr {
    let group = number / PER_ADDRESS;
    Ipv4Addr::new(127, 77, (group / 250) as u8, (group % 250 + 1) as u8)
}

/// Connects a client and shakes hands.
///
/// # Errors
/// When the server does not want to.
pub(super) fn open(target: &Target, number: usize) -> Result<TcpStream> {
    let fd = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if let Some(bytes) = target.window {
        sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
    }
    rustix::net::bind(&fd, &SocketAddr::V4(SocketAddrV4::new(home(number), 0)))?;
    rustix::net::connect(&fd, &target.address)?;
    let mut stream = TcpStream::from(fd);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(target.dialect.handshake(KEY).as_bytes())?;
    // What follows may belong to the first frame: the head is looked at, and then read as far as it goes.
    let mut piece = [0; 2048];
    let length = loop {
        let seen = stream.peek(&mut piece)?;
        let text = piece.get(..seen).unwrap_or_default();
        match memchr::memmem::find(text, b"\r\n\r\n") {
            Some(end) => break end + 4,
            None if seen == 0 || seen == piece.len() => bail!("no answer to the handshake"),
            None => std::thread::yield_now(),
        }
    };
    let mut head = vec![0; length];
    stream.read_exact(&mut head)?;
    let text = String::from_utf8_lossy(&head);
    let accepts = |line: &str| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value == derive_accept_key(KEY.as_bytes())
        })
    };
    if !text.starts_with("HTTP/1.1 101 ") || !text.lines().any(accepts) {
        bail!("the handshake was answered: {}", text.lines().next().unwrap_or_default());
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_addresses_of_their_own() {
        assert_eq!(home(0), home(PER_ADDRESS - 1));
        assert_eq!(home(PER_ADDRESS), Ipv4Addr::new(127, 77, 0, 2));
        let last: Vec<Ipv4Addr> = (0..12_000).step_by(PER_ADDRESS).map(home).collect();
        assert!(last.is_sorted_by(|one, next| one < next));
    }
}
