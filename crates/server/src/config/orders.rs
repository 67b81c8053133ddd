//! `orders` and `orders_token_file`: how operators prove that they may change what is running.

use super::error::Mistake;
use super::secret;
use procpool_frontend::OrdersToken;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
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
    /// Returns the setting that applies where the file has none. A configuration with tokens wants proof by
    /// a token.
    pub(super) fn default_beside(has_tokens: bool) -> Self {
        if has_tokens { Self::Off } else { Self::Loopback }
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
    let text = secret::read("the token in", path, OrdersToken::LONGEST as u64 + 1)?;
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
