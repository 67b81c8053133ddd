//! TLS in front of HTTP: what a server shows of itself, and whom it asks for a certificate. The handshake is `handshake`.
//! Does not: read files.

mod cable;
mod certificate;
mod handshake;

pub(crate) use cable::Cable;
pub(crate) use handshake::{Shaken, is_about_a_certificate, shake};

use certificate::Certificate;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// The protocols inside, in the order in which the server prefers it.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate with its key, and whose certificates clients need.
#[derive(Clone)]
pub struct Identity(Arc<ServerConfig>);

/// An identity cannot be used. Which of the files is at fault, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidIdentity {
    /// The file of the certificate.
    Certificate(String),
    /// The file of the key.
    Key(String),
    /// The file of those who certify clients.
    ClientCa(String),
}

impl Identity {
    /// Reads a certificate with those that certify it, and its key, as PEM. With `client_ca`, every client needs a
    /// certificate of one of these.
    ///
    /// # Errors
    /// When one of them is missing, malformed or no longer valid, or the key is another's.
    pub fn from_pem(
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
    ) -> Result<Self, InvalidIdentity> {
        use InvalidIdentity as Invalid;
        let chain = certificates(certificate).map_err(Invalid::Certificate)?;
        judge(&chain[0], UnixTime::now().as_secs()).map_err(Invalid::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| Invalid::Key(no_key(&error)))?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Invalid::Certificate(error.to_string()))?;
        let builder = match client_ca {
            Some(client_ca) => {
                let roots = certificates(client_ca).and_then(|roots| store(roots, provider));
                builder.with_client_cert_verifier(roots.map_err(Invalid::ClientCa)?)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Invalid::Key("it is not the key of the certificate".into()),
            rustls::Error::InvalidCertificate(error) => Invalid::Certificate(format!("{error:?}")),
            error => Invalid::Key(error.to_string()),
        })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Identity(…)")
    }
}

impl fmt::Display for InvalidIdentity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Certificate(reason) | Self::Key(reason) | Self::ClientCa(reason)) = self;
        out.write_str(reason)
    }
}

impl std::error::Error for InvalidIdentity {}

/// The identity of a server, which can be replaced while it runs. Clones are one.
#[derive(Clone, Debug)]
pub struct Tls(Arc<RwLock<Identity>>);

impl Tls {
    /// Returns a server's identity.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(RwLock::new(identity)))
    }

    /// Replaces it for connections that come from now on. Those that are there keep theirs.
    pub fn replace(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if all.is_empty() => {
            Err("there is no certificate in it, which begins with -----BEGIN CERTIFICATE-----".into())
        }
        Ok(all) => Ok(all),
        Err(error) => Err(format!("it is not PEM: {error}")),
    }
}

/// # Errors
/// When a certificate cannot be read, or is over at that second.
fn judge(der: &[u8], now: u64) -> Result<(), String> {
    let certificate = Certificate::of(der).ok_or("its first certificate is malformed")?;
    let not_after = certificate.not_after;
    if not_after.unix_seconds() < now {
        return Err(format!("the certificate expired at {not_after}"));
    }
    Ok(())
}

fn store(
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root).map_err(|error| error.to_string())?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build();
    verifier.map_err(|error| error.to_string())
}

fn no_key(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => {
            "there is no key in it, which begins with -----BEGIN PRIVATE KEY----- and needs no password"
                .into()
        }
        error => format!("it is not PEM: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["localhost".into()]).unwrap();
        change(&mut parameters);
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn read(certificate: &str, key: &str, client_ca: Option<&str>) -> Result<(), InvalidIdentity> {
        Identity::from_pem(certificate.as_bytes(), key.as_bytes(), client_ca.map(str::as_bytes)).map(drop)
    }

    #[test]
    fn what_does_not_fit_together_is_told_with_the_file_at_fault() {
        use InvalidIdentity::{Certificate, ClientCa, Key};
        let (certificate, key) = made(|_| {});
        let (_, other) = made(|_| {});
        let (old, old_key) = made(|it| it.not_after = date_time_ymd(2020, 1, 2));
        assert_eq!(read(&certificate, &key, Some(&certificate)), Ok(()));
        assert_eq!(read(&certificate, &other, None), Err(Key("it is not the key of the certificate".into())));
        let expired = "the certificate expired at 2020-01-02T00:00:00Z";
        assert_eq!(read(&old, &old_key, None), Err(Certificate(expired.into())));
        for nothing in ["", "x", &key] {
            let Err(Certificate(reason)) = read(nothing, &key, None) else { panic!() };
            assert!(reason.contains("-----BEGIN CERTIFICATE-----"), "{reason}");
            let Err(ClientCa(reason)) = read(&certificate, &key, Some(nothing)) else { panic!() };
            assert!(reason.contains("-----BEGIN CERTIFICATE-----"), "{reason}");
        }
        for nothing in ["", "x", &certificate] {
            let Err(Key(reason)) = read(&certificate, nothing, None) else { panic!() };
            assert!(reason.contains("-----BEGIN PRIVATE KEY-----"), "{reason}");
        }
        let cut = &certificate[..certificate.len() / 2];
        assert!(matches!(read(cut, &key, None), Err(Certificate(_))));
    }
}
