//! The address to listen on: an IP address with a port, or a Unix socket. Refuses host names, whose meaning may change
//! between two starts.

use serde::de::{Deserialize, Deserializer, Error};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// With this the address of a Unix socket begins.
const UNIX: &str = "unix:";

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(PathBuf),
}

/// A text is not an address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidListen {
    /// Neither an address nor a socket.
    #[error(
        "`{0}` is not an address with a port such as 127.0.0.1:3000, 0.0.0.0:80 or [::1]:3000, nor a socket such as \
         unix:/run/procpool/http.sock"
    )]
    Neither(String),
    /// The socket's path depends on a directory.
    #[error("`{0}` is not the absolute path of a socket, such as unix:/run/procpool/http.sock")]
    Relative(String),
}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        match text.strip_prefix(UNIX) {
            Some(path) if Path::new(path).is_absolute() && !path.contains(char::is_control) => {
                Ok(Self::Unix(path.into()))
            }
            Some(_) => Err(InvalidListen::Relative(text.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| InvalidListen::Neither(text.into())),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(path) => write!(out, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_an_ip_and_a_port() {
        for text in ["127.0.0.1:3000", "[::1]:0"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["3000", ":3000", "localhost:3000", "127.0.0.1", "http://127.0.0.1:3000", "/run/p.sock"] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("127.0.0.1:3000"), "{error}");
        }
    }

    #[test]
    fn a_socket_has_an_absolute_path() {
        let socket: Listen = "unix:/run/p q.sock".parse().unwrap();
        assert_eq!(socket, Listen::Unix("/run/p q.sock".into()));
        assert_eq!(socket.to_string(), "unix:/run/p q.sock");
        for text in ["unix:", "unix:p.sock", "unix:./p.sock", "unix:/p\n.sock"] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("the absolute path"), "{error}");
        }
    }
}
