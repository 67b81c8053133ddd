//! TLS to a server: whose certificates are trusted, and the client's own. Does not: read files.

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The protocol inside.
const PROTOCOL: &[u8] = b"http/1.1";

/// Whom a client trusts, and as whom it shows itself.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// A file cannot be used for TLS. Which of them is at fault, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTrust {
    /// The certificates that are trusted.
    #[error("{0}")]
    Authorities(String),
    /// The client's certificate.
    #[error("{0}")]
    Certificate(String),
    /// The key of that.
    #[error("{0}")]
    Key(String),
}

impl Trust {
    /// Reads the certificates that are trusted, and the client's own certificate with its key, as PEM.
    ///
    /// # Errors
    /// When one of them is missing or malformed, or the key is another's.
    pub fn from_pem(authorities: &[u8], own: Option<(&[u8], &[u8])>) -> Result<Self, InvalidTrust> {
        use InvalidTrust as Invalid;
        let mut roots = RootCertStore::empty();
        // A system's bundle has certificates that are read by others alone.
        let (known, _) =
            roots.add_parsable_certificates(certificates(authorities).map_err(Invalid::Authorities)?);
        if known == 0 {
            return Err(Invalid::Authorities("no certificate in it can be used".into()));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Invalid::Authorities(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match own {
            Some((certificate, key)) => {
                let chain = certificates(certificate).map_err(Invalid::Certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key);
                let key =
                    key.map_err(|error| Invalid::Key(format!("it is no private key as PEM: {error}")))?;
                config.with_client_auth_cert(chain, key).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => {
                        Invalid::Key("it is not the key of the certificate".into())
                    }
                    error => Invalid::Certificate(error.to_string()),
                })?
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands with the server of this name.
    pub(crate) async fn shake(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(self.0.clone()).connect(name, stream).await
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Trust(…)")
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>() {
        Ok(all) if all.is_empty() => {
            Err("there is no certificate in it, which begins with -----BEGIN CERTIFICATE-----".into())
        }
        Ok(all) => Ok(all),
        Err(error) => Err(format!("it is not PEM: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_certificates_are_refused_with_the_reason() {
        let error = Trust::from_pem(b"", None).unwrap_err();
        assert!(error.to_string().contains("no certificate in it"), "{error}");
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = Trust::from_pem(broken, None).unwrap_err();
        assert_eq!(error, InvalidTrust::Authorities("no certificate in it can be used".into()));
        let error = Trust::from_pem(b"-----BEGIN CERTIFICATE-----\n", None).unwrap_err();
        assert!(error.to_string().contains("PEM"), "{error}");
    }
}
