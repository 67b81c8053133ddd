//! `procpool token new`: a secret for a client, and what the server's file holds of it.

use crate::cli::token::{NewToken, TokenCommand};
use crate::config::tokens::{self, MAX_FILE, WHAT};
use crate::config::{ConfigError, NoSecret, Source, secret};
use crate::error::Error;
use procpool_frontend::{InvalidName, Token, TokenDigest};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Number of random bytes in a token: too many to try all.
const BYTES: usize = 32;

/// With this a token begins, so that programs that look for lost secrets find it.
const PREFIX: &str = "pp_";

/// A token cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The name is none.
    #[error("failed to make the token: {0}")]
    Name(InvalidName),
    /// The file has such a token.
    #[error("failed to make the token: {} has one of the name `{name}`; remove its lines, or choose another name", file.display())]
    Taken {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// The file is not fit for secrets.
    #[error(transparent)]
    NoSecret(#[from] NoSecret),
    /// The lines cannot be appended.
    #[error("failed to write to {}: {reason}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The system gives no random numbers.
    #[error("failed to make the token: the system gives no random numbers: {0}")]
    Random(Errno),
}

/// Carries the command out.
pub(crate) fn token(command: &TokenCommand) -> Result<ExitCode, Error> {
    let TokenCommand::New(new) = command;
    Token::new(&new.name).map_err(TokenError::Name)?;
    let secret = secret_text()?;
    let lines = lines(new, TokenDigest::of(secret.as_bytes()));
    let shown = match &new.file {
        Some(file) => {
            append(file, &new.name, &lines)?;
            format!("{secret}\n")
        }
        None => format!("{secret}\n\n{lines}"),
    };
    io::stdout().lock().write_all(shown.as_bytes()).map_err(Error::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn secret_text() -> Result<String, TokenError> {
    let mut bytes = [0_u8; BYTES];
    let mut filled = 0;
    while filled < BYTES {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(TokenError::Random(error)),
        }
    }
    let mut text = PREFIX.to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Returns the lines of the server's file. All of their values are words without quotes.
fn lines(new: &NewToken, digest: TokenDigest) -> String {
    let list =
        |words: Vec<String>| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let scopes = list(new.scopes.iter().map(ToString::to_string).collect());
    // A name may hold a dot, which means something in a bare key.
    let mut text = format!("[tokens.\"{}\"]\nsha256 = \"{digest}\"\nscopes = [{scopes}]\n", new.name);
    if !new.pools.is_empty() {
        let pools = list(new.pools.iter().map(ToString::to_string).collect());
        let _ = writeln!(text, "pools = [{pools}]");
    }
    if let Some(priority) = new.max_priority {
        let _ = writeln!(text, "max_priority = \"{priority}\"");
    }
    for (key, number) in [("max_jobs", new.max_jobs), ("jobs_per_second", new.jobs_per_second)] {
        if let Some(number) = number {
            let _ = writeln!(text, "{key} = {number}");
        }
    }
    text
}

fn append(path: &Path, name: &str, lines: &str) -> Result<(), Error> {
    let failed = |reason| TokenError::Write { file: path.to_owned(), reason };
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
    secret::judge(WHAT, path, &file).map_err(TokenError::NoSecret)?;
    let text = read(path, &file)?;
    let before = tokens::parse(Source { path, text: &text }, true).map_err(Error::Config)?;
    if before.iter().any(|token| token.name() == name) {
        return Err(TokenError::Taken { name: name.to_owned(), file: path.to_owned() }.into());
    }
    let gap = match text.as_bytes() {
        [] => "",
        [.., b'\n'] => "\n",
        _ => "\n\n",
    };
    // The whole must be a file that the server takes.
    tokens::parse(Source { path, text: &format!("{text}{gap}{lines}") }, true).map_err(Error::Config)?;
    let write = file.write_all(format!("{gap}{lines}").as_bytes()).and_then(|()| file.sync_all());
    Ok(write.map_err(failed)?)
}

fn read(path: &Path, file: &File) -> Result<String, Error> {
    let mut text = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    read.map_err(|reason| ConfigError::Read { path: path.to_owned(), reason })?;
    if text.len() as u64 > MAX_FILE {
        return Err(ConfigError::TooLong { path: path.to_owned(), limit: MAX_FILE }.into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn tokens_differ_and_are_long() {
        let tokens: BTreeSet<_> = (0..100).map(|_| secret_text().unwrap()).collect();
        assert_eq!(tokens.len(), 100);
        assert!(tokens.iter().all(|token| token.len() == 67 && token.starts_with(PREFIX)));
    }
}
