//! Finds out whether the kernel refuses every write to a file while a process runs it.
//!
//! For each inode, the kernel counts how often it is open for writing, and a shared mapping holds its file
//! open. `exec` fails while that count is above zero (`ETXTBSY`). From then until the last process that runs
//! the file ends, opening it for writing, mapping it for writing and truncating it fail. Therefore the bytes
//! that are read of the file meanwhile are the bytes that run.

use rustix::fs::{Mode, OFlags, fstatfs, open};
use rustix::io::Errno;
use std::fs::File;
use std::sync::OnceLock;

/// Returns whether this kernel refuses every write to this file while a process runs it.
pub(crate) fn holds(file: &File) -> bool {
    static KERNEL: OnceLock<bool> = OnceLock::new();
    let release = || std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel_guards = || *KERNEL.get_or_init(|| kernel_guards(release().trim(), own_file_is_busy));
    // The type of `f_type` differs between architectures. All these numbers have 32 bits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
    let magic = |kind| kind as u32;
    fstatfs(file).is_ok_and(|found| file_system_guards(magic(found.f_type))) && kernel_guards()
}

/// Returns whether all writes to a file go through the inode that the kernel guards, on a file system with
/// this number. Returns `false` if that is unknown.
fn file_system_guards(magic: u32) -> bool {
    match magic {
        // ext2, ext3, ext4: one inode for each file, and a mapping holds that very file open. The calls that
        // exchange blocks with another file need both open for writing (`EXT4_IOC_MOVE_EXT`). They do not
        // change the file's times.
        0xef53
        // XFS: the same, with `XFS_IOC_SWAPEXT` and invisible writes (`XFS_IOC_OPEN_BY_HANDLE`).
        | 0x5846_5342
        // btrfs: a clone of the file has its own inode, and cloning into the file needs it open.
        | 0x9123_683e
        // f2fs: atomic writes and `F2FS_IOC_MOVE_RANGE` need it open for writing until their end.
        | 0xf2f5_2010
        // bcachefs: as btrfs.
        | 0xca45_1a4e
        // ZFS: as btrfs. Rolling back a file system that is in use is its operator's decision.
        | 0x2fc1_2fc1 => true,
        // Not overlayfs: there a mapping holds the file of a lower layer open instead of the one that runs,
        // and stays writable. Not tmpfs and ramfs: io_uring writes to their pages after the mapping that
        // registered them is gone. Not NFS, SMB, 9p, FUSE and similar: their files change elsewhere. Not
        // others, because their behaviour is unknown here.
        _ => false,
    }
}

/// Returns whether this kernel guards running programs. Linux 6.11 allowed all writes to them. Linux 6.13 and
/// fixes of 6.12 do not. A distribution's version number does not show its fixes, so in that case the kernel
/// itself is tried.
fn kernel_guards(release: &str, is_guarded: impl FnOnce() -> bool) -> bool {
    let mut numbers = release.split(['.', '-', '+']).map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(6), Some(11 | 12)) => is_guarded(),
        (Some(_), Some(_)) => true,
        _ => false,
    }
}

/// Opens the running program for writing, and writes nothing. Returns `false` for a user without the
/// permission.
fn own_file_is_busy() -> bool {
    open("/proc/self/exe", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).err() == Some(Errno::TXTBSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_that_are_known_to_guard_their_files_are_relied_upon() {
        let trusted = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1];
        assert!(trusted.into_iter().all(file_system_guards));
        let (overlay, tmpfs, ramfs, fuse, nfs) = (0x794c_7630, 0x0102_1994, 0x8584_58f6, 0x6573_5546, 0x6969);
        let (cifs, smb2, plan9) = (0xff53_4d42, 0xfe53_4d42, 0x0102_1997);
        let others = [overlay, tmpfs, ramfs, fuse, nfs, cifs, smb2, plan9, 0];
        assert!(!others.into_iter().any(file_system_guards));
    }

    #[test]
    fn kernels_that_may_let_running_programs_be_written_to_are_asked() {
        for release in ["5.15.0-91-generic", "6.10.3", "6.13.0", "6.18.44+", "7.0-rc1"] {
            assert!(kernel_guards(release, || panic!("{release} is known")));
        }
        for release in ["6.11.0-9-generic", "6.12.0-55.el10.x86_64", "6.12-rc3"] {
            assert!(kernel_guards(release, || true) && !kernel_guards(release, || false));
        }
        assert!(!kernel_guards("unheard of", || true));
    }

    #[test]
    fn a_file_in_memory_is_not_relied_upon() {
        let file = rustix::fs::memfd_create("worker", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert!(!holds(&file.into()));
    }

    #[test]
    fn this_kernel_guards_the_program_that_runs_this_test() {
        // The test learns nothing if the user may not write to the file, or the mount is read-only.
        let asked = open("/proc/self/exe", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).unwrap_err();
        assert!(matches!(asked, Errno::TXTBSY | Errno::ACCESS | Errno::ROFS), "{asked}");
    }
}
