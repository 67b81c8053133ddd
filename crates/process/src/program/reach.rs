//! Finds out whether this process, and so a worker of the same user, could have written to a file that it
//! holds open. Answers yes if that is unknown.

use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, accessat, fstatvfs};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};
use std::fs::{File, Metadata};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

pub(crate) use rustix::fs::Access;

/// With one of these capabilities, the owner and the mode of a file do not restrict a process, or only
/// briefly.
const POWERS: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::SYS_RAWIO)
    .union(CapabilitySet::SYS_ADMIN);

/// The rights of this process.
#[derive(Clone, Copy, Debug)]
struct Powers {
    user: u32,
    capabilities: CapabilitySet,
}

impl Powers {
    fn own() -> Self {
        let effective = capabilities(None).map_or(POWERS, |sets| sets.effective);
        Self { user: geteuid().as_raw(), capabilities: effective }
    }

    /// Returns whether a read-only mount stays read-only for this process.
    fn respects_mounts(&self) -> bool {
        !self.capabilities.intersects(CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_RAWIO)
    }

    /// Returns whether this process cannot change the mode of a file of this owner.
    fn respects_owner(&self, owner: u32) -> bool {
        self.user != 0 && self.user != owner && !self.capabilities.intersects(POWERS)
    }
}

/// Returns whether this process can write to the file, now or after granting itself the right.
pub(crate) fn is_writable(file: &File, metadata: &Metadata) -> bool {
    let powers = Powers::own();
    let is_read_only = fstatvfs(file).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY));
    let is_fixed = is_read_only && powers.respects_mounts();
    let is_others =
        || powers.respects_owner(metadata.uid()) && may(file, Access::WRITE_OK) == Err(Errno::ACCESS);
    !(is_fixed || is_others())
}

/// Asks the system whether this process may use the open file in this way. Mode, access lists and mount
/// options count.
pub(crate) fn may(file: &File, access: Access) -> Result<(), Errno> {
    accessat(CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), access, AtFlags::EACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_owner_and_the_mighty_can_write_to_a_file_whatever_its_mode() {
        let powers = |user, capabilities| Powers { user, capabilities };
        let none = CapabilitySet::empty();
        assert!(powers(1000, none).respects_owner(0));
        assert!(powers(1000, CapabilitySet::NET_BIND_SERVICE).respects_owner(0));
        assert!(!powers(0, none).respects_owner(1000));
        assert!(!powers(1000, none).respects_owner(1000));
        assert!(!powers(1000, CapabilitySet::DAC_OVERRIDE).respects_owner(0));
    }

    #[test]
    fn a_read_only_mount_holds_even_root_unless_it_may_mount() {
        let powers = |capabilities| Powers { user: 0, capabilities };
        assert!(powers(CapabilitySet::DAC_OVERRIDE).respects_mounts());
        assert!(!powers(CapabilitySet::SYS_ADMIN).respects_mounts());
    }

    #[test]
    fn an_own_file_is_writable_even_where_its_mode_says_otherwise() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("procpool-reach-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o555)).unwrap();
        let file = File::open(&path).unwrap();
        let found = is_writable(&file, &file.metadata().unwrap());
        std::fs::remove_file(path).unwrap();
        assert!(found);
    }
}
