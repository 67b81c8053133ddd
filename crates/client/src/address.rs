//! The address of a server: a URL, or a Unix socket. Does not: connect.

use http::Uri;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// With this the address of a Unix socket begins.
const UNIX: &str = "unix:";

/// The socket that a server of this user may listen on, inside `$XDG_RUNTIME_DIR`.
const SOCKET: &str = "procpool.sock";

/// Where `procpool serve` listens unless it is told otherwise.
const DEFAULT_PORT: u16 = 3000;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host with a port.
    Tcp {
        /// A name or an IP address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether the port speaks TLS.
        is_tls: bool,
    },
    /// An absolute path.
    Unix(PathBuf),
}

/// A text is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Neither a URL nor a socket.
    #[error(
        "`{0}` is not a server such as http://127.0.0.1:3000, 127.0.0.1:3000 or unix:/run/procpool/http.sock"
    )]
    Neither(String),
    /// The URL names more than a server.
    #[error("`{0}` names more than a server: write only http://HOST:PORT or https://HOST:PORT")]
    More(String),
    /// The socket's path depends on a directory.
    #[error("`{0}` is not the absolute path of a socket, such as unix:/run/procpool/http.sock")]
    Relative(String),
}

impl Address {
    /// Returns the address that is meant where nothing names one: the socket in `runtime_dir` if there is one, or else
    /// the port of `procpool serve` on this machine.
    pub fn implied(runtime_dir: Option<&Path>, is_socket: impl Fn(&Path) -> bool) -> Self {
        let socket =
            runtime_dir.map(|dir| dir.join(SOCKET)).filter(|path| path.is_absolute() && is_socket(path));
        match socket {
            Some(path) => Self::Unix(path),
            None => Self::Tcp { host: "127.0.0.1".into(), port: DEFAULT_PORT, is_tls: false },
        }
    }

    /// Returns the value of the header `Host`.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } => authority(host, *port),
            Self::Unix(_) => "localhost".into(),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let is_path = Path::new(path).is_absolute() && !path.contains(char::is_control);
            return if is_path {
                Ok(Self::Unix(path.into()))
            } else {
                Err(InvalidAddress::Relative(text.into()))
            };
        }
        let neither = || InvalidAddress::Neither(text.into());
        let implied = [("http://", 80), ("https://", 443)];
        let implied = implied.iter().find(|(scheme, _)| text.starts_with(scheme)).map(|(_, port)| *port);
        let uri: Uri = text.parse().map_err(|_| neither())?;
        let given = uri.authority().ok_or_else(neither)?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if !is_bare || given.as_str().contains('@') {
            return Err(InvalidAddress::More(text.into()));
        }
        // A URL without a port has that of its scheme. A bare host could be anything.
        let port = given.port_u16().or(implied).ok_or_else(neither)?;
        let host = given.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(neither());
        }
        Ok(Self::Tcp { host: host.into(), port, is_tls: implied == Some(443) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, is_tls } => {
                let scheme = if *is_tls { "https" } else { "http" };
                write!(out, "{scheme}://{}", authority(host, *port))
            }
            Self::Unix(path) => write!(out, "{UNIX}{}", path.display()),
        }
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_addresses_and_sockets_are_servers() {
        for (text, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://jobs.example/", "http://jobs.example:80"),
            ("https://jobs.example", "https://jobs.example:443"),
            ("localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("unix:/run/p q.sock", "unix:/run/p q.sock"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        let v6: Address = "[::1]:1".parse().unwrap();
        assert_eq!(v6, Address::Tcp { host: "::1".into(), port: 1, is_tls: false });
        assert_eq!(v6.host(), "[::1]:1");
    }

    #[test]
    fn other_texts_are_refused_with_an_example() {
        for text in ["", "localhost", ":3000", "/run/p.sock", "ftp://a:1/x y", "http://:1"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("http://127.0.0.1:3000"), "{text}: {error}");
        }
        for text in ["http://a:1/v1", "http://me:secret@a:1", "http://a:1/?x=1"] {
            assert!(matches!(text.parse::<Address>(), Err(InvalidAddress::More(_))), "{text}");
        }
        assert!(matches!("unix:p.sock".parse::<Address>(), Err(InvalidAddress::Relative(_))));
    }

    #[test]
    fn without_a_name_it_is_the_users_socket_if_there_is_one_and_else_the_port_of_serve() {
        let dir = Some(Path::new("/run/user/1"));
        assert_eq!(Address::implied(dir, |_| true).to_string(), "unix:/run/user/1/procpool.sock");
        assert_eq!(Address::implied(dir, |_| false).to_string(), "http://127.0.0.1:3000");
        assert_eq!(Address::implied(None, |_| true).to_string(), "http://127.0.0.1:3000");
    }
}
