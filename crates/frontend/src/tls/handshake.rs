//! The beginning of a TLS connection: who is there, before the first request.

use super::Tls;
use super::cable::Cable;
use super::certificate::Certificate;
use crate::wire::Wire;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A connection after its handshake.
pub(crate) struct Shaken {
    pub(crate) stream: Box<TlsStream<Cable>>,
    /// The names of the client's certificate, which is verified. Empty without one.
    pub(crate) names: Vec<String>,
}

/// Shakes hands within `limit`.
///
/// # Errors
/// When the client does not speak TLS, takes too long, or has no certificate that it needs.
pub(crate) async fn shake(tls: &Tls, wire: Arc<Wire>, limit: Duration) -> io::Result<Shaken> {
    let accepting = TlsAcceptor::from(tls.config()).accept(Cable(wire));
    let stream = tokio::time::timeout(limit, accepting).await.unwrap_or(Err(ErrorKind::TimedOut.into()))?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let first = certificates.first().and_then(|der| Certificate::of(der));
    let names = first.map(|certificate| certificate.names()).unwrap_or_default();
    Ok(Shaken { stream: Box::new(stream), names })
}

/// Returns whether a handshake failed because the client's certificate is missing or cannot be used.
pub(crate) fn is_about_a_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}
