//! Certificates that a test makes for itself, and clients that speak TLS with them.

use crate::client::soon;
use procpool_frontend::Identity;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Somebody who certifies others.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "a test's own");
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Makes a certificate out to this name, as an alternative one or as the subject's.
    pub(crate) fn certify(&self, name: &str, is_alternative: bool) -> Certified {
        let alternative = if is_alternative { vec![name.to_owned()] } else { Vec::new() };
        let mut parameters = CertificateParams::new(alternative).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, if is_alternative { "no name" } else { name });
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap().pem();
        Certified { certificate, key: key.serialize_pem() }
    }

    /// Returns the identity of a server called localhost, which may ask for certificates of `client_ca`.
    pub(crate) fn server(&self, client_ca: Option<&Self>) -> Identity {
        let Certified { certificate, key } = self.certify("localhost", true);
        let client_ca = client_ca.map(|ca| ca.0.pem());
        Identity::from_pem(certificate.as_bytes(), key.as_bytes(), client_ca.as_deref().map(str::as_bytes))
            .unwrap()
    }

    /// Returns a client that trusts this one, speaks these protocols, and may have a certificate.
    pub(crate) fn client(&self, protocols: &[&str], own: Option<&Certified>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

/// Connects to a server called localhost.
pub(crate) async fn connect(client: &TlsConnector, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
    let stream = soon(TcpStream::connect(address)).await?;
    soon(client.connect(ServerName::try_from("localhost").unwrap(), stream)).await
}

/// Sends a request that closes its connection, and returns the whole answer.
pub(crate) async fn ask(mut stream: TlsStream<TcpStream>, request: &[u8]) -> io::Result<String> {
    soon(stream.write_all(request)).await?;
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await?;
    Ok(String::from_utf8(answer).unwrap())
}
