//! The target of a request: path and query, with every part encoded.

use std::fmt::{self, Write};

/// A path with a query. Each part is encoded as it is added, so no name can add a part of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// Begins with a path that needs no encoding, such as `/v1/jobs`.
    #[must_use]
    pub fn new(path: &'static str) -> Self {
        Self { text: path.into(), has_query: false }
    }

    /// Adds a segment to the path.
    #[must_use]
    pub fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        self.encode(segment);
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.encode(name);
        self.text.push('=');
        self.encode(value);
        self
    }

    /// Adds a parameter, if there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Returns path and query as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn encode(&mut self, part: &str) {
        for byte in part.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    self.text.push(char::from(byte));
                }
                // Writing to a `String` does not fail.
                _ => drop(write!(self.text, "%{byte:02X}")),
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_encoded_by_itself() {
        let target = Target::new("/v1/pools").segment("a/../b c").segment("jobs");
        let target = target.query("timeout", "1m 30s").query("tenant", "a&b=ü").maybe("x", None);
        assert_eq!(target.as_str(), "/v1/pools/a%2F..%2Fb%20c/jobs?timeout=1m%2030s&tenant=a%26b%3D%C3%BC");
    }
}
