//! The address to listen on: an IP address with a port. Refuses host names, whose meaning may change
//! between two starts.

use serde::de::{Deserialize, Deserializer, Error};
use std::net::SocketAddr;
use std::str::FromStr;

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) SocketAddr);

/// A text is not an address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address with a port such as 127.0.0.1:3000, 0.0.0.0:80 or [::1]:3000")]
pub(crate) struct InvalidListen(String);

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        text.parse().map(Self).map_err(|_| InvalidListen(text.into()))
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_an_ip_and_a_port() {
        assert!("127.0.0.1:3000".parse::<Listen>().is_ok());
        assert!("[::1]:0".parse::<Listen>().is_ok());
        for text in ["3000", ":3000", "localhost:3000", "127.0.0.1", "http://127.0.0.1:3000"] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("127.0.0.1:3000"), "{error}");
        }
    }
}
