//! The input of a job or of a batch: on the command line, on standard input, or in a file.

use super::RemoteError;
use crate::input;
use procpool_client::{ReadSoFar, Upload};
use std::fs::File;
use std::io;

const STANDARD_INPUT: &str = "standard input";

/// Returns the body of a job whose input is `text`, `-` or `@FILE`. Only an input on the command line is checked here: the
/// server reads the others.
pub(super) fn of_job(text: &str, is_bytes: bool) -> Result<Upload, RemoteError> {
    match text.strip_prefix('@') {
        Some(path) => Ok(file(path)?.upload),
        None if text == "-" => Ok(standard_input()?.upload),
        None if is_bytes => Ok(Upload::full(text.to_owned())),
        None => Ok(Upload::full(input::checked(text.as_bytes().to_vec())?.bytes)),
    }
}

/// Returns the body of a batch in `name`, a file or `-`.
pub(super) fn of_batch(name: &str) -> Result<Source, RemoteError> {
    if name == "-" { standard_input() } else { file(name) }
}

/// A source that is being read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) upload: Upload,
    pub(super) so_far: ReadSoFar,
    /// Its size in bytes, if it is a regular file.
    pub(super) size: Option<u64>,
}

fn standard_input() -> Result<Source, RemoteError> {
    let failed = |reason| RemoteError::File { name: STANDARD_INPUT.into(), reason };
    // It may be a file that a shell has opened. How much of it is left, nobody says.
    let (upload, so_far) = Upload::reading(io::stdin(), None).map_err(failed)?;
    Ok(Source { upload, so_far, size: None })
}

fn file(path: &str) -> Result<Source, RemoteError> {
    let failed = |reason| RemoteError::File { name: path.into(), reason };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let size = found.is_file().then_some(found.len());
    // A file that grows meanwhile would be cut at its length of now, and one that shrinks would break the request: it is
    // sent in pieces, without a length.
    let (upload, so_far) = Upload::reading(file, None).map_err(failed)?;
    Ok(Source { upload, so_far, size })
}
