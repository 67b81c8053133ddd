//! Which server a command is for, and with which token: arguments, environment, defaults.

use super::RemoteError;
use crate::cli::remote::Remote;
use procpool_client::tls::{InvalidTrust, Trust};
use procpool_client::{Address, Client, Token};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

const SERVER: &str = "PROCPOOL_SERVER";
const TOKEN: &str = "PROCPOOL_TOKEN";

/// Maximum size of a file with a secret, in bytes.
const LONGEST_SECRET: u64 = 64 << 10;

/// The files in which systems have the certificates that they trust.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Returns a client, not yet connected.
pub(super) fn client(remote: &Remote) -> Result<Client, RemoteError> {
    let address = address(remote)?;
    let is_tls = matches!(address, Address::Tcp { is_tls: true, .. });
    let client = Client::new(address, token(remote)?);
    Ok(if is_tls { client.trusting(trust(remote)?) } else { client })
}

/// Reads the files of TLS.
fn trust(remote: &Remote) -> Result<Trust, RemoteError> {
    let authorities = remote.ca_file.clone().or_else(of_system).ok_or(RemoteError::NoAuthorities)?;
    let failed = |path: &Path, reason| RemoteError::File { name: path.display().to_string(), reason };
    let read = |path: &Path| std::fs::read(path).map_err(|reason| failed(path, reason));
    let own = match (&remote.cert_file, &remote.key_file) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, private(key)?)),
        _ => None,
    };
    let own_pem = own.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_bytes()));
    Trust::from_pem(&read(&authorities)?, own_pem).map_err(|invalid| {
        let path = match invalid {
            InvalidTrust::Certificate(_) => remote.cert_file.as_deref(),
            InvalidTrust::Key(_) => remote.key_file.as_deref(),
            _ => None,
        };
        failed(path.unwrap_or(&authorities), io::Error::other(invalid))
    })
}

/// Returns the file of the certificates that this system trusts.
fn of_system() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| AUTHORITIES.iter().map(PathBuf::from).find(|path| path.exists()))
}

fn address(remote: &Remote) -> Result<Address, RemoteError> {
    if let Some(address) = &remote.server {
        return Ok(address.clone());
    }
    match std::env::var(SERVER) {
        Ok(text) if !text.is_empty() => Ok(text.parse()?),
        _ => {
            let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR");
            Ok(Address::implied(runtime_dir.as_deref().map(Path::new), is_socket))
        }
    }
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.file_type().is_socket())
}

fn token(remote: &Remote) -> Result<Option<Token>, RemoteError> {
    let (text, place) = match (&remote.token_file, std::env::var(TOKEN)) {
        (Some(path), _) => (private(path)?, path.display().to_string()),
        (None, Ok(text)) if !text.is_empty() => (text, TOKEN.to_owned()),
        (None, _) => return Ok(None),
    };
    Token::read(&text).map(Some).ok_or(RemoteError::NoToken(place))
}

/// Reads a file with a secret, which must be this user's alone.
fn private(path: &Path) -> Result<String, RemoteError> {
    let failed = |reason| RemoteError::SecretFile { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    if found.mode() & 0o077 != 0 {
        return Err(RemoteError::OpenSecret { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LONGEST_SECRET).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_read_from_a_file_that_is_its_users_alone() {
        let path = std::env::temp_dir().join(format!("pp-client-token-{}", std::process::id()));
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let token_file = Some(path.clone());
            let remote = Remote { server: None, token_file, ca_file: None, cert_file: None, key_file: None };
            token(&remote).map(|token| token.is_some()).map_err(|error| error.to_string())
        };
        assert_eq!(read("0123456789abcdef\n", 0o600), Ok(true));
        assert!(read("0123456789abcdef\n", 0o640).unwrap_err().contains("chmod 600"));
        for text in ["", "\n", "two words"] {
            assert!(read(text, 0o600).unwrap_err().contains("holds no token"), "{text}");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(private(&path), Err(RemoteError::SecretFile { .. })));
    }
}
