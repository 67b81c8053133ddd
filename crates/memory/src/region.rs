//! [`SharedRegion`]: memory that several processes use at once, as JavaScript's `SharedArrayBuffer`.

use crate::file::{self, SIZED};
use crate::map::Map;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

/// Memory of a fixed size that a service shares with workers of its pools, all of which may read and write it at once. So it
/// gives atomics and nothing else: what another process does to it at any moment is a value, never undefined behaviour.
///
/// It travels as a part of a job's input: what is sent is where to find it, so a job's cost does not depend on its size. The
/// worker maps the same memory; to keep the mapping from one job to the next, keep a clone in the worker's state. Nothing
/// that a worker does to a region can crash or block the service. What a killed worker leaves half done is for whoever reads
/// on to judge: as with threads, an atomic is written whole, and several are not written at once.
///
/// The memory is there until the last process has dropped it or died. Keep the region, or a clone, until the jobs that were
/// given it have ended: one that finds it gone is `bad_input`.
///
/// ```
/// use procpool_memory::SharedRegion;
/// use std::sync::atomic::Ordering::Relaxed;
///
/// let region = SharedRegion::new(1 << 20)?;
/// region.words()[17].fetch_add(5, Relaxed);
/// assert_eq!(region.words()[17].load(Relaxed), 5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedRegion(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    map: Map,
    handle: Handle,
}

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Handle {
    /// The process that made it.
    pid: u32,
    /// Its descriptor there.
    fd: i32,
    /// To tell it from whatever has this descriptor later.
    inode: u64,
    /// Bytes.
    length: u64,
}

impl SharedRegion {
    /// A region of `length` zeroes. Memory is used as it is touched.
    ///
    /// # Errors
    /// When the system gives none, or `length` is zero.
    pub fn new(length: usize) -> io::Result<Self> {
        let file = file::create("procpool-region", length)?;
        file::seal(&file, SIZED)?;
        let (fd, inode) = (file.as_raw_fd(), file.metadata()?.ino());
        let handle = Handle { pid: std::process::id(), fd, inode, length: length as u64 };
        let map = Map::new(&file, length)?;
        Ok(Self(Arc::new(Inner { file, map, handle })))
    }

    /// Length in bytes; never zero.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[AtomicU8] {
        self.0.map.bytes()
    }

    /// Its memory in numbers of four bytes, in the machine's order. Up to three bytes at the end are left out.
    pub fn words(&self) -> &[AtomicU32] {
        self.0.map.words()
    }

    /// Its memory in numbers of eight bytes, in the machine's order. Up to seven bytes at the end are left out.
    pub fn long_words(&self) -> &[AtomicU64] {
        self.0.map.long_words()
    }

    /// Finds the region of this process, or of the one that started it: nobody else chooses what is mapped here.
    fn find(handle: Handle) -> io::Result<Self> {
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_pid().unsigned_abs());
        if handle.pid != std::process::id() && handle.pid != parent {
            return Err(io::Error::other(format!(
                "process {} is not the one that started this worker",
                handle.pid
            )));
        }
        let path = format!("/proc/{}/fd/{}", handle.pid, handle.fd);
        let length = usize::try_from(handle.length).map_err(io::Error::other)?;
        let file = file::open(&path, true, length, SIZED)?;
        if file.metadata()?.ino() != handle.inode {
            return Err(io::Error::other(format!("{path} is another one")));
        }
        let map = Map::new(&file, length)?;
        Ok(Self(Arc::new(Inner { file, map, handle })))
    }
}

impl Serialize for SharedRegion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Inner { file, handle, .. } = &*self.0;
        // Of one that was received, ours is the descriptor that is certain to be open; whoever we start may look here.
        Handle { pid: std::process::id(), fd: file.as_raw_fd(), ..*handle }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedRegion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let failed = |error: io::Error| {
            de::Error::custom(format!(
                "failed to find a shared region, which has to be kept until the job has ended: {error}"
            ))
        };
        Self::find(Handle::deserialize(deserializer)?).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    fn sent(region: &SharedRegion) -> String {
        serde_json::to_string(region).unwrap()
    }

    #[test]
    fn what_travels_is_the_same_memory() {
        let region = SharedRegion::new(4096).unwrap();
        let same: SharedRegion = serde_json::from_str(&sent(&region)).unwrap();
        same.words()[3].store(0x0102_0304, Relaxed);
        assert_eq!(region.words()[3].load(Relaxed), 0x0102_0304);
        assert_eq!(region.long_words()[1].load(Relaxed).to_ne_bytes()[4..], 0x0102_0304_u32.to_ne_bytes());
        assert_eq!(same.len(), 4096);
    }

    #[test]
    fn a_region_that_is_gone_or_another_s_is_not_found() {
        let region = SharedRegion::new(4096).unwrap();
        let handle = sent(&region);
        drop(region);
        let find = |handle: &str| serde_json::from_str::<SharedRegion>(handle).unwrap_err().to_string();
        assert!(find(&handle).contains("failed to find a shared region"), "{}", find(&handle));
        let foreign = handle.replacen(&format!("\"pid\":{}", std::process::id()), "\"pid\":4294967295", 1);
        assert!(
            find(&foreign).contains("process 4294967295 is not the one that started"),
            "{}",
            find(&foreign)
        );
    }

    #[test]
    fn its_descriptor_in_other_hands_is_not_taken_for_it() {
        let region = SharedRegion::new(4096).unwrap();
        let Handle { pid, fd, inode, length } = region.0.handle;
        let other = Handle { pid, fd, inode: inode + 1, length };
        assert!(SharedRegion::find(other).unwrap_err().to_string().contains("is another one"));
    }
}
