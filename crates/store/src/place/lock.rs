//! The file `lock`: one process at a time has a store.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::OpenError;

const NAME: &str = "lock";

/// A process that has just been forked has its parent's lock until it executes a program of its own, also if its parent was
/// killed meanwhile. Such a child is gone by then.
const PATIENCE: Duration = Duration::from_millis(500);

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// The lock. The kernel frees it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory, and writes this process' id into it.
    pub(crate) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(NAME);
        let failed = |error| OpenError::io(&path, error);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let patient_until = Instant::now() + PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if Instant::now() < patient_until => thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => {
                    return Err(OpenError::InUse { path: directory.into(), holder: holder(directory) });
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        // Only a message has the number, so that it need not be durable.
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        match write(&mut file) {
            Err(error) if error.kind() != std::io::ErrorKind::StorageFull => Err(failed(error)),
            _ => Ok(Self { _file: file }),
        }
    }
}

/// Returns the process that has the lock or had it last, as it says itself.
fn holder(directory: &Path) -> Option<u32> {
    fs::read_to_string(directory.join(NAME)).ok()?.trim().parse().ok()
}
