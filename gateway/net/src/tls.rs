//! TLS of both sides: versions 1.2 and 1.3, ring's algorithms, no client certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::{NetError, NetErrorKind};

/// Why a server can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or holds no PEM of its kind.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key can't be used, or not together.
    #[error("certificate and key: {0}")]
    Pair(#[from] rustls::Error),
}

/// The server's side, from a PEM file with the certificate chain (leaf first) and one with its key.
///
/// Offers HTTP/2 and HTTP/1.1. Session tickets use keys that change every 6 hours.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |path: &Path, reason: String| TlsError::File { path: path.into(), reason };
    let chain = certificates(cert).map_err(|reason| wrong(cert, reason))?;
    let key =
        PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, format!("no private key: {error}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// The certificates of a PEM file.
///
/// # Errors
/// A sentence: the file can't be read, is malformed, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?.collect();
    match read {
        Ok(found) if found.is_empty() => Err("holds no certificate".into()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// The client's side: the system's authorities, or the built-in list where the system has none (a bare
/// container), and `extra`.
pub(crate) fn client_config(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, NetError> {
    let tls = |error: rustls::Error| NetError::new(NetErrorKind::Tls, format!("TLS set-up: {error}"));
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!("a system certificate could not be read: {error}");
    }
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in extra {
        roots.add(certificate.clone()).map_err(tls)?;
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
