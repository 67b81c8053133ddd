//! Opens files whose paths a worker may have invented: only on local disks and in memory. A file system that another
//! program serves, such as FUSE and NFS, may let a reader wait for ever, and a path leads there through no link.

use crate::module::{self, FIND, NOT_READABLE};
use crate::snapshot::Mapping;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `O_NOFOLLOW`.
#[cfg(target_arch = "aarch64")]
const NO_LINK: i32 = 0o100_000;
#[cfg(not(target_arch = "aarch64"))]
const NO_LINK: i32 = 0o400_000;

/// Maximum number of directories of a path.
const MOST_DEPTH: usize = 64;

/// Maximum number of bytes that are read of the list of mounts.
const MOST_MOUNTINFO: u64 = 4 << 20;

/// The file systems that this kernel serves itself, from a disk or from memory.
const LOCAL: [&str; 15] = [
    "aufs", "bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "rootfs",
    "squashfs", "tmpfs", "xfs", "zfs",
];

/// The mounts of this process.
#[derive(Debug, Default)]
pub(crate) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    point: String,
    is_local: bool,
}

impl Mounts {
    /// Reads the list that the kernel has. Where there is none, nothing is local.
    pub(crate) fn read() -> Self {
        let mut list = Vec::new();
        let file = File::open("/proc/self/mountinfo");
        let read = file.and_then(|file| file.take(MOST_MOUNTINFO).read_to_end(&mut list));
        if read.is_ok() { Self::parse(&String::from_utf8_lossy(&list)) } else { Self::default() }
    }

    fn parse(list: &str) -> Self {
        Self(list.lines().filter_map(mount).collect())
    }

    /// Opens the file of a mapping, if it is where nobody can hold up a reader.
    ///
    /// # Errors
    /// The words that finish “its file”.
    pub(crate) fn open(&self, mapping: &Mapping) -> Result<File, &'static str> {
        if mapping.inode == 0 {
            return Err("has no number, so that it may be another one");
        }
        let mut parts = mapping.path.split('/').skip(1);
        let is_plain = parts.all(|part| !["", ".", ".."].contains(&part));
        let mut ancestors = Path::new(&mapping.path).ancestors().filter_map(Path::to_str);
        if !is_plain || !ancestors.all(|ancestor| self.is_local(ancestor)) {
            return Err("is on no local disk, where a reader may have to wait for ever");
        }
        module::reopen(&find(&mapping.path)?, mapping)
    }

    /// Returns whether this path is on a local disk. Of mounts at one place, the last one is seen.
    fn is_local(&self, path: &str) -> bool {
        let holds = |mount: &&Mount| {
            let rest = path.strip_prefix(mount.point.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let deepest = self.0.iter().filter(holds).max_by_key(|mount| mount.point.len());
        deepest.is_some_and(|mount| mount.is_local)
    }
}

/// Finds a file from directory to directory, without opening it. The kernel writes paths without links: one that has a
/// link is invented, or was changed since.
fn find(path: &str) -> Result<File, &'static str> {
    let step = |path: &str| OpenOptions::new().read(true).custom_flags(FIND | NO_LINK).open(path);
    let mut at = step("/").map_err(|_| NOT_READABLE)?;
    for (depth, part) in path.split('/').skip(1).enumerate() {
        at = step(&format!("/proc/self/fd/{}/{part}", at.as_raw_fd())).map_err(|_| NOT_READABLE)?;
        let is_link = at.metadata().map_err(|_| NOT_READABLE)?.is_symlink();
        if is_link || depth == MOST_DEPTH {
            return Err(NOT_READABLE);
        }
    }
    Ok(at)
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let point = unescaped(place.split(' ').nth(4)?);
    let is_local = LOCAL.contains(&kind.split(' ').next()?);
    Some(Mount { point, is_local })
}

/// Reads what the kernel has escaped: blanks and backslashes, as `\040`.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.zip(piece.get(3..)) {
            Some((code, rest)) => plain.extend([char::from(code)].into_iter().chain(rest.chars())),
            None => plain.push_str(piece),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_deepest_and_last_mount_of_a_path_decides() {
        let mounts = Mounts::parse(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             23 22 0:5 / /mnt/a\\040b rw shared:3 - fuse.sshfs host rw\n\
             24 22 0:6 / /data rw - ext4 /dev/sdb rw\n\
             25 22 0:7 / /data rw - nfs4 server:/ rw\n\
             26 25 0:8 / /data/cache rw - tmpfs tmpfs rw\n\
             nonsense",
        );
        let local = ["/", "/usr/bin/a", "/mnt/a", "/mnt/a b c", "/database", "/data/cache/x"];
        assert_eq!(local.map(|path| mounts.is_local(path)), [true; 6]);
        let others = ["/mnt/a b", "/mnt/a b/x", "/data", "/data/x", "relative"];
        assert_eq!(others.map(|path| mounts.is_local(path)), [false; 5]);
        let refused = ["/data/cache/x", "/usr/../mnt/a b/x", "/usr//bin", "/usr/./bin", "/data/x"];
        for path in refused {
            let mapping = Mapping { inode: 7, ..Mapping::new(0, 1, path) };
            assert!(mounts.open(&mapping).unwrap_err().contains("no local disk"), "{path}");
        }
        assert!(!Mounts::default().is_local("/usr/bin/a"));
    }

    #[test]
    fn a_file_is_opened_by_its_own_path_and_number() {
        let dir = std::env::temp_dir().canonicalize().unwrap();
        let path = dir.join(format!("procpool-mounts-{}", std::process::id()));
        std::fs::write(&path, "x").unwrap();
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mounts = Mounts(vec![Mount { point: "/".into(), is_local: true }]);
        let metadata = std::fs::metadata(&path).unwrap();
        let mut mapping = Mapping::new(0, 1, path.to_str().unwrap());
        mapping.device = module::device(metadata.dev());
        let mut open = |path: &std::path::Path, inode| {
            mapping.path = path.to_str().unwrap().into();
            mapping.inode = inode;
            mounts.open(&mapping).err()
        };
        let inode = metadata.ino();
        assert_eq!(open(&path, inode), None);
        assert_eq!(open(&link, inode), Some(NOT_READABLE));
        assert!(open(&path, 0).unwrap().contains("no number"));
        assert!(open(&path, inode + 1).unwrap().contains("replaced"));
        assert!(open(&dir, inode).unwrap().contains("regular"));
        std::fs::remove_file(&link).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
