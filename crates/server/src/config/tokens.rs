//! The file of tokens: who may use the server, and for what.

use super::error::{ConfigError, Mistake};
use super::place::{Place, Source};
use super::secret;
use procpool_frontend::{PoolPattern, Scope, Token, TokenDigest, Tokens};
use procpool_protocol::engine::Priority;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Maximum length of the file, in bytes.
pub(crate) const MAX_FILE: u64 = 1024 * 1024;

pub(crate) const WHAT: &str = "the file of tokens";

/// The file, and where the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokensFile {
    path: PathBuf,
    place: Place,
    /// Whether a client may prove its name by a certificate.
    takes_certificates: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", default)]
struct File {
    tokens: BTreeMap<String, TokenTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct TokenTable {
    sha256: Option<Parsed<TokenDigest>>,
    scopes: Vec<Parsed<Scope>>,
    pools: Option<Vec<Parsed<PoolPattern>>>,
    max_priority: Option<Parsed<Priority>>,
    max_jobs: Option<NonZeroU32>,
    jobs_per_second: Option<NonZeroU32>,
    burst: Option<NonZeroU32>,
}

/// A text that stands for something else.
#[derive(Debug)]
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

impl TokensFile {
    pub(super) fn new(path: PathBuf, place: Place, takes_certificates: bool) -> Self {
        Self { path, place, takes_certificates }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is not secret, or something in it is wrong.
    pub(crate) fn load(&self) -> Result<Vec<Token>, ConfigError> {
        let text = secret::read(WHAT, &self.path, MAX_FILE)
            .map_err(|error| ConfigError::at(self.place.clone(), error))?;
        parse(Source { path: &self.path, text: &text }, self.takes_certificates)
    }
}

/// Returns the tokens of a text. One without a digest is for a client with a certificate.
///
/// # Errors
/// With the place of the mistake.
pub(crate) fn parse(source: Source<'_>, takes_certificates: bool) -> Result<Vec<Token>, ConfigError> {
    let file: File = toml::from_str(source.text).map_err(|error| ConfigError::of_toml(&error, source))?;
    if file.tokens.len() > Tokens::MOST {
        return Err(ConfigError::at(source.place_of(&["tokens"]), Mistake::TooManyTokens(Tokens::MOST)));
    }
    let mut digests = BTreeMap::new();
    let mut tokens = Vec::new();
    for (name, table) in file.tokens {
        let digest = table.sha256.as_ref().map(|Parsed(digest)| *digest);
        if digest.is_none() && !takes_certificates {
            let place = source.place_of_key(&["tokens"], &name);
            return Err(ConfigError::at(place, Mistake::MissingKey("sha256".into())));
        }
        if let Some(other) = digest.and_then(|digest| digests.insert(digest, name.clone())) {
            let place = source.place_of(&["tokens", &name, "sha256"]);
            return Err(ConfigError::at(place, Mistake::SameToken(other)));
        }
        tokens.push(token(&name, table, source)?);
    }
    Ok(tokens)
}

fn token(name: &str, table: TokenTable, source: Source<'_>) -> Result<Token, ConfigError> {
    let mut token = Token::new(name)
        .map_err(|invalid| ConfigError::at(source.place_of_key(&["tokens"], name), Mistake::Name(invalid)))?;
    token.digest = table.sha256.map(|Parsed(digest)| digest);
    token.scopes = table.scopes.into_iter().map(|Parsed(scope)| scope).collect();
    if let Some(pools) = table.pools {
        if pools.is_empty() {
            let place = source.place_of(&["tokens", name, "pools"]);
            return Err(ConfigError::at(place, Mistake::NoPoolsOfToken));
        }
        token.pools = pools.into_iter().map(|Parsed(pattern)| pattern).collect();
    }
    token.max_priority = table.max_priority.map_or(token.max_priority, |Parsed(priority)| priority);
    (token.quota.max_jobs, token.quota.jobs_per_second) = (table.max_jobs, table.jobs_per_second);
    token.quota.burst = table.burst;
    if table.burst.is_some() && table.jobs_per_second.is_none() {
        return Err(ConfigError::at(source.place_of(&["tokens", name, "burst"]), Mistake::BurstWithoutRate));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn read(text: &str) -> Result<Vec<Token>, String> {
        let text = text.replace("DIGEST", DIGEST);
        parse(Source { path: Path::new("t.toml"), text: &text }, false).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_of_a_token_arrives() {
        let text = "[tokens.ci]\nsha256 = \"DIGEST\"\nscopes = [\"submit\", \"read\"]\npools = [\"img-*\"]\n\
                    max_priority = \"low\"\nmax_jobs = 3\njobs_per_second = 4\nburst = 5";
        let [token] = &read(text).unwrap()[..] else { panic!() };
        assert_eq!(token.digest, Some(TokenDigest::of(b"abc")));
        assert_eq!(token.scopes, [Scope::Read, Scope::Submit].into_iter().collect());
        assert_eq!(token.pools, ["img-*".parse().unwrap()]);
        assert_eq!(token.max_priority, Priority::Low);
        let quota = [token.quota.max_jobs, token.quota.jobs_per_second, token.quota.burst];
        assert_eq!(quota, [3, 4, 5].map(NonZeroU32::new));
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn only_who_may_bring_a_certificate_needs_no_digest() {
        let source = Source { path: Path::new("t.toml"), text: "[tokens.a]\nscopes = [\"read\"]" };
        assert_eq!(parse(source, true).unwrap()[0].digest, None);
        assert!(parse(source, false).is_err());
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let good = "[tokens.a]\nsha256 = \"DIGEST\"\nscopes = [\"read\"]\n";
        for (text, place, words) in [
            ("[tokens.a]\nsha256 = \"x\"\nscopes = []", "t.toml:2:10: ", "64 digits"),
            ("[tokens.a]\nsha256 = \"DIGEST\"\nscopes = [\"root\"]", "t.toml:3:10: ", "`root` is no scope"),
            ("[tokens.a]\nscopes = [\"read\"]", "t.toml:1:9: ", "missing key `sha256`"),
            ("[tokens.a]\nsha256 = \"DIGEST\"", "t.toml:1:1: ", "missing key `scopes`"),
            (&format!("{good}pools = []"), "t.toml:4:9: ", "names no pool"),
            (&format!("{good}pools = [\"A\"]"), "t.toml:4:9: ", "`A` names no pools"),
            (&format!("{good}max_priority = \"top\""), "t.toml:4:16: ", "`high`, `normal` or `low`"),
            (&format!("{good}max_jobs = 0"), "t.toml:4:12: ", "nonzero"),
            (&format!("{good}burst = 2"), "t.toml:4:9: ", "`jobs_per_second`"),
            (&format!("{good}scope = 1"), "t.toml:4:1: ", "did you mean `scopes`?"),
            (&format!("{good}[tokens.b]\nsha256 = \"DIGEST\"\nscopes = []"), "t.toml:5:10: ", "that of `a`"),
            (
                "[tokens.\"a b\"]\nsha256 = \"DIGEST\"\nscopes = []",
                "t.toml:1:9: ",
                "`a b` cannot be the name",
            ),
            ("tokens = 1", "t.toml:1:10: ", "map"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(place) && error.contains(words), "{text}: {error}");
            assert!(!error.lines().next().unwrap().contains(DIGEST), "{error}");
        }
    }
}
