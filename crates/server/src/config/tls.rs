//! `[server.tls]`: the files of a server's certificate and key, and of those who certify its clients.

use super::error::{ConfigError, Mistake};
use super::place::Place;
use super::secret;
use procpool_frontend::{Identity, InvalidIdentity};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Maximum length of each file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// `[server.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct TlsTable {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

/// The files, and where the configuration names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    certificate: Named,
    key: Named,
    client_ca: Option<Named>,
}

/// A file, and the place of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    path: PathBuf,
    place: Place,
}

impl TlsFiles {
    /// Returns the files of the table, which count from `directory`. `place` is that of a key.
    pub(super) fn new(table: TlsTable, directory: &Path, place: impl Fn(&str) -> Place) -> Self {
        let named = |key, path: PathBuf| Named { path: directory.join(path), place: place(key) };
        Self {
            certificate: named("certificate", table.certificate),
            key: named("key", table.key),
            client_ca: table.client_ca.map(|path| named("client_ca", path)),
        }
    }

    /// Returns where the configuration asks clients for certificates, if it does.
    pub(crate) fn client_ca(&self) -> Option<&Place> {
        self.client_ca.as_ref().map(|file| &file.place)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.certificate.path
    }

    /// Reads the files.
    ///
    /// # Errors
    /// With the file that is missing, malformed, no secret or no longer valid, or does not fit the others.
    pub(crate) fn load(&self) -> Result<Identity, ConfigError> {
        let certificate = self.certificate.read("the certificate")?;
        let key = secret::read("the key", &self.key.path, MAX_FILE)
            .map_err(|error| ConfigError::at(self.key.place.clone(), error))?;
        let client_ca = self.client_ca.as_ref().map(|file| file.read("the certificates of client_ca"));
        let client_ca = client_ca.transpose()?;
        Identity::from_pem(&certificate, key.as_bytes(), client_ca.as_deref())
            .map_err(|invalid| self.mistake(&invalid))
    }

    fn mistake(&self, invalid: &InvalidIdentity) -> ConfigError {
        let (file, what) = match (invalid, &self.client_ca) {
            (InvalidIdentity::Key(_), _) => (&self.key, "the key"),
            (InvalidIdentity::ClientCa(_), Some(file)) => (file, "the certificates of client_ca"),
            _ => (&self.certificate, "the certificate"),
        };
        let (path, reason) = (file.path.clone(), invalid.to_string());
        ConfigError::at(file.place.clone(), Mistake::Tls { what, path, reason })
    }
}

impl Named {
    fn read(&self, what: &'static str) -> Result<Vec<u8>, ConfigError> {
        let failed = |reason: io::Error| {
            let (path, reason) = (self.path.clone(), reason.to_string());
            ConfigError::at(self.place.clone(), Mistake::Tls { what, path, reason })
        };
        let mut bytes = Vec::new();
        let file = File::open(&self.path).map_err(failed)?;
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(failed(io::Error::other(format!("it is longer than {MAX_FILE} bytes"))));
        }
        Ok(bytes)
    }
}
