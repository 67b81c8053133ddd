//! `orders` and `orders_token_file`: how operators prove that they may change what is running.

use super::error::Mistake;
use procpool_frontend::OrdersToken;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// By which way orders are taken, beside the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Orders {
    /// Over loopback, from processes of this user and of root.
    Loopback,
    /// On this socket, from the same.
    Socket(PathBuf),
    Off,
}

impl Orders {
    /// Returns the setting that applies where the file has none. A configuration with a token wants proof by
    /// the token.
    pub(super) fn default_beside(token_file: Option<&PathBuf>) -> Self {
        if token_file.is_some() { Self::Off } else { Self::Loopback }
    }
}

impl<'de> Deserialize<'de> for Orders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Orders;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("true, the path of a socket such as \"/run/procpool/orders.sock\", or \"off\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Orders, E> {
        match text {
            "" => Err(E::custom("orders names no socket; write true, a path, or \"off\"")),
            "off" => Ok(Orders::Off),
            path if path.contains(['/', '.']) => Ok(Orders::Socket(path.into())),
            word => Err(E::custom(format!(
                "orders = \"{word}\" is neither \"off\" nor a path; write \"./{word}\" for a socket of that name"
            ))),
        }
    }

    fn visit_bool<E: Error>(self, taken: bool) -> Result<Orders, E> {
        Ok(if taken { Orders::Loopback } else { Orders::Off })
    }
}

/// Reads the token that a file holds, alone on its only line.
pub(super) fn token(path: &Path) -> Result<OrdersToken, Mistake> {
    let failed = |reason| Mistake::ReadToken { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    let user = rustix::process::geteuid().as_raw();
    if !found.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    if found.mode() & 0o077 != 0 || (found.uid() != user && found.uid() != 0) {
        let (path, mode, owner) = (path.to_owned(), found.mode() & 0o7777, found.uid());
        return Err(Mistake::OpenToken { path, mode, owner });
    }
    let mut text = String::new();
    file.take(OrdersToken::LONGEST as u64 + 2).read_to_string(&mut text).map_err(failed)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    OrdersToken::new(line).map_err(|invalid| Mistake::Token { path: path.to_owned(), invalid })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_read_from_a_file_that_is_its_users_alone() {
        let path = std::env::temp_dir().join(format!("pp-token-{}", std::process::id()));
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            token(&path).map_err(|mistake| mistake.to_string())
        };
        let own = OrdersToken::new("0123456789abcdef").unwrap();
        assert_eq!(read("0123456789abcdef\n", 0o600), Ok(own.clone()));
        assert_eq!(read("0123456789abcdef", 0o400), Ok(own));
        for mode in [0o604, 0o640, 0o620, 0o666] {
            let refused = read("0123456789abcdef", mode).unwrap_err();
            assert!(refused.contains("chmod 600"), "{refused}");
        }
        for text in ["", "short\n", "0123456789abcdef\n\n", "two tokens 0123456789abcdef", &"x".repeat(2000)]
        {
            assert!(read(text, 0o600).is_err(), "{text}");
        }
        fs::remove_file(&path).unwrap();
        let missing = token(&path).unwrap_err().to_string();
        assert!(missing.contains("No such file"), "{missing}");
        assert!(token(Path::new("/dev/null")).unwrap_err().to_string().contains("no regular file"));
    }
}
