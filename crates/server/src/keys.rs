//! The files that let clients in, read once at the start and again when the server is asked to.

use crate::config::{ConfigError, TokensFile};
use procpool_frontend::Tokens;

/// The files, and what was last read from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    tokens: Option<(TokensFile, Tokens)>,
}

impl Keys {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) fn load(tokens: Option<TokensFile>) -> Result<Self, ConfigError> {
        let tokens = tokens.map(|file| Ok::<_, ConfigError>((file.clone(), Tokens::new(file.load()?))));
        Ok(Self { tokens: tokens.transpose()? })
    }

    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref().map(|(_, tokens)| tokens)
    }

    /// Reads the files again, which may take a disk's time. A file that cannot be used leaves the old in
    /// force, and the log says so.
    pub(crate) fn reload(&self) {
        if let Some((file, tokens)) = &self.tokens {
            let path = file.path();
            match file.load() {
                Ok(new) => {
                    let number = new.len();
                    tokens.replace(new);
                    tracing::info!(target: "procpool::audit", ?path, tokens = number, "the tokens were read again");
                }
                Err(error) => {
                    tracing::error!(?path, %error, "failed to read the tokens again; those from before stay in force");
                }
            }
        }
    }
}
