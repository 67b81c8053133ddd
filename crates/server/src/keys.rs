//! The files that let clients in and show who the server is, read once at the start and again when the server is asked to.

use crate::config::{ConfigError, TlsFiles, TokensFile};
use procpool_frontend::{App, Tls, Tokens};
use std::sync::{Arc, Mutex, PoisonError};

/// The files, and what was last read from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    tokens: Option<(TokensFile, Tokens)>,
    tls: Option<(TlsFiles, Tls)>,
    /// Held while the files are read again.
    reading: Arc<Mutex<()>>,
}

impl Keys {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) fn load(tokens: Option<TokensFile>, tls: Option<TlsFiles>) -> Result<Self, ConfigError> {
        let tokens = tokens.map(|file| {
            let tokens = Tokens::new(file.load()?);
            Ok::<_, ConfigError>((file, tokens))
        });
        let tls = tls.map(|files| {
            let tls = Tls::new(files.load()?);
            Ok::<_, ConfigError>((files, tls))
        });
        Ok(Self { tokens: tokens.transpose()?, tls: tls.transpose()?, reading: Arc::default() })
    }

    /// Returns the frontend, which now asks for these.
    pub(crate) fn before(&self, app: App) -> App {
        let app = match &self.tokens {
            Some((_, tokens)) => app.with_tokens(tokens.clone()),
            None => app,
        };
        match &self.tls {
            Some((_, tls)) => app.with_tls(tls.clone()),
            None => app,
        }
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads the files again, which may take a disk's time. A file that cannot be used leaves the old in
    /// force, and the log says so.
    pub(crate) fn reload(&self) {
        // Of two at once, the one that read an older file must not have the last word.
        let _one_at_a_time = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((file, tokens)) = &self.tokens {
            let path = file.path();
            match file.load() {
                // Such as a file that is being written.
                Ok(new) if new.is_empty() => {
                    tracing::error!(?path, "there is no token in the file; those from before stay in force");
                }
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
        if let Some((files, tls)) = &self.tls {
            let path = files.path();
            match files.load() {
                Ok(new) => {
                    tls.replace(new);
                    tracing::info!(target: "procpool::audit", ?path, "the certificate was read again");
                }
                Err(error) => {
                    tracing::error!(
                        ?path, %error,
                        "failed to read the certificate and its key again; those from before stay in use"
                    );
                }
            }
        }
    }
}
