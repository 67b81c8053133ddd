//! The file `FORMAT`: which version of the store has written the directory.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::directory::sync;
use crate::error::OpenError;

/// The version that this program writes.
pub(crate) const CURRENT: u32 = 1;

const NAME: &str = "FORMAT";
const TITLE: &str = "procpool-store ";

/// Writes the file into a new directory, or checks that this program knows its version.
pub(crate) fn check(directory: &Path) -> Result<(), OpenError> {
    let path = directory.join(NAME);
    let failed = |error| OpenError::io(&path, error);
    match fs::read_to_string(&path) {
        Ok(text) => match text.strip_prefix(TITLE).and_then(|rest| rest.trim().parse().ok()) {
            Some(1..=CURRENT) => Ok(()),
            Some(found) => Err(OpenError::Newer { path: directory.into(), found, known: CURRENT }),
            None => Err(OpenError::Damaged { path: path.clone(), reason: "it names no format".into() }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let new = directory.join("FORMAT.new");
            let write = || {
                let mut file = File::create(&new)?;
                writeln!(file, "{TITLE}{CURRENT}")?;
                file.sync_all()?;
                fs::rename(&new, &path)?;
                sync(directory)
            };
            write().map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}
