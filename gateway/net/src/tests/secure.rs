//! TLS: whom the client believes, and the server's side of the set-up.

use std::io::Write as _;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{NetErrorKind, tls};

struct Pair {
    folder: tempfile::TempDir,
    authority: CertificateDer<'static>,
}

impl Pair {
    /// A certificate for `core.test`, as PEM files.
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["core.test".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
            std::fs::File::create(folder.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
        }
        let authority = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
        Self { folder, authority }
    }

    fn config(&self) -> Result<Arc<rustls::ServerConfig>, tls::TlsError> {
        tls::server_config(&self.folder.path().join("cert.pem"), &self.folder.path().join("key.pem"))
    }
}

/// A TLS server of so many requests per connection, over HTTP/1.1, and the authority that vouches for it.
pub(super) async fn server(requests: usize) -> (CertificateDer<'static>, Server) {
    let pair = Pair::new();
    let mut config = rustls::ServerConfig::clone(&pair.config().unwrap());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut head = [0; 4096];
            for _ in 0..requests {
                if !matches!(stream.read(&mut head).await, Ok(1..)) {
                    return;
                }
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
            }
            drop(stream.shutdown().await);
        }
    })
    .await;
    (pair.authority, server)
}

fn https() -> Request {
    Request::new(Method::GET, Url::parse("https://core.test/").unwrap())
}

fn trusting(roots: Vec<CertificateDer<'static>>, server: &Server) -> Client {
    let options = ClientOptions { extra_roots: roots, ..ClientOptions::default() };
    client_to(Some(server.address), options, Names::answering(&[&["9.9.9.9"]]))
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_believed_and_of_another_not() {
    let (authority, server) = server(1).await;
    assert_eq!(trusting(vec![authority], &server).send(https()).await.unwrap().body, "ok");
    let error = trusting(Vec::new(), &server).send(https()).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Tls, "{error}");
    assert!(error.kind.before_sending());
}

#[tokio::test]
async fn a_certificate_for_another_name_and_a_server_without_tls_fail_before_sending() {
    let (authority, server) = server(1).await;
    let url = Url::parse("https://other.test/").unwrap();
    let error = trusting(vec![authority], &server).send(Request::new(Method::GET, url)).await.unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Tls);
    let plain = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let error =
        trusting(Vec::new(), &plain).send(Request { timeout: Duration::from_secs(2), ..https() }).await;
    assert!(error.unwrap_err().kind.before_sending());
}

#[tokio::test]
async fn http2_is_spoken_where_the_server_offers_it() {
    let pair = Pair::new();
    let acceptor = TlsAcceptor::from(pair.config().unwrap());
    let server = Server::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let answer =
                hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                    let version = format!("{:?}", request.version());
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(http_body_util::Full::new(
                        bytes::Bytes::from(version),
                    )))
                });
            let io = hyper_util::rt::TokioIo::new(stream);
            let executor = hyper_util::rt::TokioExecutor::new();
            drop(hyper::server::conn::http2::Builder::new(executor).serve_connection(io, answer).await);
        }
    })
    .await;
    let client = trusting(vec![pair.authority.clone()], &server);
    for _ in 0..3 {
        assert_eq!(client.send(https()).await.unwrap().body, "HTTP/2.0");
    }
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_server_that_cannot_be_set_up_names_the_file() {
    let pair = Pair::new();
    let at = |name: &str| pair.folder.path().join(name);
    std::fs::write(at("empty.pem"), "").unwrap();
    assert!(pair.config().is_ok());
    for (cert, key, named) in [
        ("absent.pem", "key.pem", "absent.pem"),
        ("cert.pem", "absent.pem", "absent.pem"),
        ("empty.pem", "key.pem", "empty.pem"),
        ("cert.pem", "empty.pem", "empty.pem"),
        ("key.pem", "key.pem", "key.pem"),
        ("cert.pem", "cert.pem", "cert.pem"),
    ] {
        let error = tls::server_config(&at(cert), &at(key)).unwrap_err().to_string();
        assert!(error.contains(named), "{cert} {key}: {error}");
    }
    let other = Pair::new();
    let error = tls::server_config(&at("cert.pem"), &other.folder.path().join("key.pem")).unwrap_err();
    assert!(matches!(error, tls::TlsError::Pair(_)), "{error}");
}
