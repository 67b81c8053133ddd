//! Copies an executable into a sealed file in memory, whose bytes cannot change. Pools that pin the same file
//! share one copy, which is freed with the last of them.

use super::identity::Identity;
use crate::program::reach::{self, Access};
use procpool_memory::rlimit;
use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, memfd_create, sendfile};
use rustix::io::Errno;
use rustix::process::Resource;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The executable cannot be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCopy {
    /// Another process writes to the file.
    #[error("it changed while it was read")]
    Changed,
    /// The file is longer than what is copied.
    #[error("its {size} bytes are more than the {MOST} that are copied into memory")]
    TooLarge { size: u64 },
    /// This process may not write files of that size, and would receive a signal for trying.
    #[error(
        "its {size} bytes are more than this process may write to a file ({limit}: `ulimit -f`, LimitFSIZE=)"
    )]
    TooLong { size: u64, limit: u64 },
    /// The system has no memory for the copy, or does not allow it.
    #[error("{}", crate::cause::memfd(*.0))]
    System(Errno),
}

impl From<Errno> for NoCopy {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

/// Maximum length of a file that is copied, in bytes: half a second of reading. The holes of a sparse file would become
/// memory. A longer file is held open instead, and its overwriting noticed.
const MOST: u64 = 1 << 30;

/// Maximum length of the name of a file in memory, in bytes.
const MAX_NAME: usize = 249;

/// `F_SEAL_EXEC` (Linux 6.3): no process can change whether it is executable.
const SEAL_EXEC: SealFlags = SealFlags::from_bits_retain(0x20);

/// The copies that are in use or under construction.
static COPIES: Mutex<Vec<(Identity, Arc<Copying>)>> = Mutex::new(Vec::new());

/// One file's copy. Locked while it is created: the next caller needs the same file, and callers for other
/// files do not wait.
type Copying = Mutex<Weak<File>>;

/// Returns the copy of `file`, which has this identity and stands at `path`. Takes the time of reading the
/// file, unless there is a copy already.
pub(crate) fn shared(file: &File, identity: Identity, path: &Path) -> Result<Arc<File>, NoCopy> {
    let copying = copying(identity);
    let mut shared = copying.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(copy) = shared.upgrade() {
        return Ok(copy);
    }
    let copy = Arc::new(copy(file, identity, path)?);
    *shared = Arc::downgrade(&copy);
    Ok(copy)
}

fn copying(identity: Identity) -> Arc<Copying> {
    let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
    // The thread that creates a copy holds its entry, which it gets only from here.
    let is_used = |copy: &Copying| copy.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0;
    copies.retain(|(_, copy)| Arc::strong_count(copy) > 1 || is_used(copy));
    if let Some((_, copying)) = copies.iter().find(|(of, _)| *of == identity) {
        return copying.clone();
    }
    let copying = Arc::default();
    copies.push((identity, Arc::clone(&copying)));
    copying
}

fn copy(file: &File, identity: Identity, path: &Path) -> Result<File, NoCopy> {
    let size = identity.size();
    if size > MOST {
        return Err(NoCopy::TooLarge { size });
    }
    // If a filter hides the limit, assume that there is none.
    let limit = rlimit::own(Resource::Fsize).ok().and_then(|own| own.current);
    if let Some(limit) = limit.filter(|&limit| limit < size) {
        return Err(NoCopy::TooLong { size, limit });
    }
    let copy = File::from(create(path)?);
    let mut offset = 0;
    while offset < size {
        let rest = usize::try_from(size - offset).unwrap_or(usize::MAX);
        match sendfile(&copy, file, Some(&mut offset), rest) {
            Ok(0) => return Err(NoCopy::Changed),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if file.metadata().map(|now| Identity::of(&now)).ok() != Some(identity) {
        return Err(NoCopy::Changed);
    }
    fchmod(&copy, Mode::from_raw_mode(0o555))?;
    seal(&copy)?;
    reach::may(&copy, Access::EXEC_OK)?;
    Ok(copy)
}

/// People see its name in `/proc/PID/exe`.
fn create(path: &Path) -> Result<OwnedFd, Errno> {
    let is_short = path.as_os_str().len() <= MAX_NAME;
    let name = if is_short { path.as_os_str() } else { "worker".as_ref() };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::EXEC) {
        // Linux before 6.3 has only executable files in memory.
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    }
}

fn seal(copy: &File) -> Result<(), Errno> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    match fcntl_add_seals(copy, seals | SEAL_EXEC) {
        Err(Errno::INVAL) => fcntl_add_seals(copy, seals),
        sealed => sealed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;
    use std::process::Command;

    fn true_program() -> (File, Identity) {
        let file = File::open("/bin/true").unwrap();
        let identity = Identity::of(&file.metadata().unwrap());
        (file, identity)
    }

    #[test]
    fn a_copy_runs_and_nobody_writes_to_it() {
        let (file, identity) = true_program();
        let copy = copy(&file, identity, Path::new("/bin/true")).unwrap();
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        assert!(Command::new(&path).status().unwrap().success());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read("/bin/true").unwrap());
        assert!(std::fs::read_link(&path).unwrap().starts_with("/memfd:/bin"), "it says which file it is");

        assert!(copy.write_at(b"x", 0).is_err());
        let reopened = File::options().write(true).open(&path);
        assert!(reopened.and_then(|file| file.write_at(b"x", 0)).is_err());
        assert!(copy.set_len(0).is_err() && copy.set_len(1 << 20).is_err());
    }

    #[test]
    fn one_copy_of_a_file_is_shared_until_the_last_holder_drops_it() {
        let place = std::env::temp_dir().join(format!("procpool-shared-{}", std::process::id()));
        std::fs::copy("/bin/true", &place).unwrap();
        let file = File::open(&place).unwrap();
        let identity = Identity::of(&file.metadata().unwrap());
        let held = || COPIES.lock().unwrap().iter().filter(|(of, _)| *of == identity).count();
        let first = shared(&file, identity, &place).unwrap();
        let second = shared(&file, identity, &place).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(held(), 1);
        let weak = Arc::downgrade(&first);
        drop((first, second));
        assert!(weak.upgrade().is_none());
        std::fs::remove_file(place).unwrap();
    }

    #[test]
    fn a_sparse_file_of_any_length_takes_no_memory() {
        let place = std::env::temp_dir().join(format!("procpool-sparse-{}", std::process::id()));
        let file = File::create_new(&place).unwrap();
        file.set_len(MOST + 1).unwrap();
        let identity = Identity::of(&file.metadata().unwrap());
        let copied = copy(&file, identity, &place);
        std::fs::remove_file(&place).unwrap();
        assert!(matches!(copied, Err(NoCopy::TooLarge { size }) if size == MOST + 1), "{copied:?}");
    }

    #[test]
    fn a_file_that_is_written_to_meanwhile_is_no_executable() {
        let (file, _) = true_program();
        let other = Identity::of(&File::open("/bin/sh").unwrap().metadata().unwrap());
        assert!(matches!(copy(&file, other, Path::new("/bin/sh")), Err(NoCopy::Changed)));
    }
}
