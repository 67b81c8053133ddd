//! Which server a command is for, and with which token: arguments, environment, defaults.

use super::RemoteError;
use crate::cli::remote::Remote;
use procpool_client::{Address, Client, Token};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

const SERVER: &str = "PROCPOOL_SERVER";
const TOKEN: &str = "PROCPOOL_TOKEN";

/// Maximum size of a file with a token, in bytes.
const LONGEST_TOKEN: u64 = 8192;

/// Returns a client, not yet connected.
pub(super) fn client(remote: &Remote) -> Result<Client, RemoteError> {
    Ok(Client::new(address(remote)?, token(remote)?))
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
        (Some(path), _) => (read(path)?, path.display().to_string()),
        (None, Ok(text)) if !text.is_empty() => (text, TOKEN.to_owned()),
        (None, _) => return Ok(None),
    };
    Token::read(&text).map(Some).ok_or(RemoteError::NoToken(place))
}

/// Reads a file that must be this user's alone: who reads it could do what the token allows.
fn read(path: &Path) -> Result<String, RemoteError> {
    let failed = |reason| RemoteError::TokenFile { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    if found.mode() & 0o077 != 0 {
        return Err(RemoteError::OpenToken { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LONGEST_TOKEN).read_to_string(&mut text).map_err(failed)?;
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
            let remote = Remote { server: None, token_file: Some(path.clone()) };
            token(&remote).map(|token| token.is_some()).map_err(|error| error.to_string())
        };
        assert_eq!(read("0123456789abcdef\n", 0o600), Ok(true));
        assert!(read("0123456789abcdef\n", 0o640).unwrap_err().contains("chmod 600"));
        for text in ["", "\n", "two words"] {
            assert!(read(text, 0o600).unwrap_err().contains("holds no token"), "{text}");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(super::read(&path), Err(RemoteError::TokenFile { .. })));
    }
}
