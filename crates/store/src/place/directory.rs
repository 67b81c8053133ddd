//! The directory itself: made if it is missing, refused if the store could not rely on it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use super::network;
use crate::error::OpenError;

/// Makes the directory, with mode 0700, or checks that it belongs to this user and is on a local disk.
pub(crate) fn prepare(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::io(path, error);
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) => {
            return Err(OpenError::NotADirectory { path: path.into() });
        }
        Err(error) => return Err(failed(error)),
    }
    let (owner, user) = (fs::metadata(path).map_err(failed)?.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(OpenError::OfAnother { path: path.into(), owner, user });
    }
    match network::of(path).map_err(failed)? {
        Some(kind) => Err(OpenError::Network { path: path.into(), kind }),
        None => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
