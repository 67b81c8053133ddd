//! Files in memory: made with a size that stays, and found again by another process. Maps nothing.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

/// Nobody makes it shorter or longer.
pub(crate) const SIZED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// And nobody writes to it but through mappings that there are already.
pub(crate) const WRITTEN_BY_ITS_MAKER: SealFlags = SIZED.union(SealFlags::FUTURE_WRITE);

/// A fresh one. Its name is for people who look at `/proc`. Pages cost memory once they are touched.
pub(crate) fn create(name: &str, length: usize) -> io::Result<File> {
    let name: String = name.chars().take(60).collect();
    let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, length as u64)?;
    Ok(File::from(fd))
}

/// Takes away what the seals name, for good.
pub(crate) fn seal(file: &File, seals: SealFlags) -> io::Result<()> {
    Ok(fcntl_add_seals(file, seals | SealFlags::SEAL)?)
}

/// Where another process finds it that runs as the same user and sees the same processes.
pub(crate) fn path(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// Opens another process's file by its path, if it is one of these: a process id means something else in another namespace,
/// and a descriptor's number something else a moment later.
pub(crate) fn open(path: &str, writable: bool, length: usize, seals: SealFlags) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(writable).open(path)?;
    let is_sealed = fcntl_get_seals(&file).is_ok_and(|found| found.contains(seals));
    if !is_sealed || file.metadata()?.len() != length as u64 {
        return Err(io::Error::other(format!("{path} is no shared memory of {length} bytes")));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn nobody_changes_the_size() {
        let file = create("test", 8192).unwrap();
        seal(&file, SIZED).unwrap();
        let again = open(&path(&file), true, 8192, SIZED).unwrap();
        assert!(again.set_len(0).is_err() && again.set_len(1 << 20).is_err());
        assert!(again.write_all_at(b"abc", 8190).is_err(), "beyond the end");
        again.write_all_at(b"abc", 8189).unwrap();
    }

    #[test]
    fn another_file_is_told_from_it() {
        let file = create("test", 8192).unwrap();
        let refused = |seals, length| open(&path(&file), false, length, seals).unwrap_err().to_string();
        assert!(refused(SIZED, 8192).contains("is no shared memory of 8192 bytes"), "not sealed");
        seal(&file, SIZED).unwrap();
        assert!(refused(SIZED, 4096).contains("4096"), "another length");
        assert!(refused(WRITTEN_BY_ITS_MAKER, 8192).contains("8192"), "others may write to it");
        assert!(open("/dev/null", false, 0, SIZED).is_err());
    }
}
