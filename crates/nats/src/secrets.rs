//! Reads files with secrets, which nobody else may read.

use crate::settings::{Credentials, SettingsError};
use async_nats::ConnectOptions;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Maximum size of a file with a secret, in bytes.
const LARGEST: u64 = 64 << 10;

/// Returns the options of a connection with these credentials.
pub(crate) fn options(credentials: &Credentials) -> Result<ConnectOptions, SettingsError> {
    let options = ConnectOptions::new();
    Ok(match credentials {
        Credentials::None => options,
        Credentials::Password { user, password } => options.user_and_password(user.clone(), password.clone()),
        Credentials::Nkey(path) => options.nkey(read(path)?.trim().to_owned()),
        Credentials::File(path) => options
            .credentials(&read(path)?)
            .map_err(|error| SettingsError::Unreadable { path: path.clone(), reason: error.to_string() })?,
    })
}

fn read(path: &Path) -> Result<String, SettingsError> {
    let unreadable = |error: std::io::Error| SettingsError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SettingsError::Readable { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_others_may_read_is_refused_with_its_mode() {
        let path = std::env::temp_dir().join(format!("procpool-nats-secret-{}", std::process::id()));
        std::fs::write(&path, "SUAM\n").unwrap();
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o640);
        let error = options(&Credentials::Nkey(path.clone())).unwrap_err().to_string();
        assert!(error.contains("640") && error.contains("chmod"), "{error}");
        set(0o600);
        assert!(options(&Credentials::Nkey(path.clone())).is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(options(&Credentials::File(path)), Err(SettingsError::Unreadable { .. })));
    }
}
