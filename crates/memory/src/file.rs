//! Files in memory: creates them with a fixed size, and checks those that another process passed on. Does
//! not: map them.

use crate::growth;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// No process can make the file shorter or longer.
pub(crate) const SIZED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// In addition, no process can write to the file except through mappings that exist already.
pub(crate) const WRITTEN_BY_ITS_MAKER: SealFlags = SIZED.union(SealFlags::FUTURE_WRITE);

/// Creates a file. People see its name in `/proc`. Pages use memory once they are touched.
pub(crate) fn create(name: &str, length: usize) -> io::Result<File> {
    let name: String = name.chars().take(60).collect();
    let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let file = File::from(fd);
    lengthen(&file, length as u64)?;
    Ok(file)
}

/// Makes it `length` bytes long.
pub(crate) fn lengthen(file: &File, length: u64) -> io::Result<()> {
    growth::check(length)?;
    Ok(ftruncate(file, length)?)
}

/// Writes at an offset. The limit on the size of files applies here, too, even if the file is long enough
/// already.
pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    growth::check(at.saturating_add(bytes.len() as u64))?;
    file.write_all_at(bytes, at)
}

/// Seals the file: takes away the rights that the seals name, permanently.
pub(crate) fn seal(file: &File, seals: SealFlags) -> io::Result<()> {
    Ok(fcntl_add_seals(file, seals | SealFlags::SEAL)?)
}

/// Checks that a descriptor from another process is memory of this length with these seals.
pub(crate) fn check(file: impl AsFd, length: usize, seals: SealFlags) -> io::Result<()> {
    match sealed_length(file, seals) {
        Some(found) if found == length as u64 => Ok(()),
        Some(found) => Err(io::Error::other(format!("the memory has {found} bytes instead of {length}"))),
        None => Err(io::Error::other("the descriptor is no sealed memory")),
    }
}

/// Returns the length of the memory in bytes, if it has these seals.
pub(crate) fn sealed_length(file: impl AsFd, seals: SealFlags) -> Option<u64> {
    let file = file.as_fd();
    let is_sealed = fcntl_get_seals(file).is_ok_and(|found| found.contains(seals));
    u64::try_from(fstat(file).ok().filter(|_| is_sealed)?.st_size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_changes_the_size() {
        let file = create("test", 8192).unwrap();
        seal(&file, SIZED).unwrap();
        let passed_on = file.try_clone().unwrap();
        check(&passed_on, 8192, SIZED).unwrap();
        assert!(passed_on.set_len(0).is_err() && passed_on.set_len(1 << 20).is_err());
        assert!(passed_on.write_all_at(b"abc", 8190).is_err(), "beyond the end");
        passed_on.write_all_at(b"abc", 8189).unwrap();
    }

    #[test]
    fn another_file_is_told_from_it() {
        let file = create("test", 8192).unwrap();
        let refused = |seals, length| check(&file, length, seals).unwrap_err().to_string();
        assert!(refused(SIZED, 8192).contains("no sealed memory"));
        seal(&file, SIZED).unwrap();
        assert_eq!(refused(SIZED, 4096), "the memory has 8192 bytes instead of 4096");
        assert!(refused(WRITTEN_BY_ITS_MAKER, 8192).contains("no sealed memory"), "others may write to it");
        let null = File::open("/dev/null").unwrap();
        assert!(check(&null, 0, SIZED).is_err());
    }
}
