//! Finds out whether two looks at a file have seen the same bytes, as far as the kernel's metadata shows.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The kernel's metadata of a file, which stays the same while its bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Also changes with the name, the owner and the mode.
    changed: (i64, i64),
}

impl Identity {
    pub(crate) fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether both are the same inode.
    pub(crate) fn is_same_inode(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Returns whether both are the same file with the same contents. A new name, owner or mode
    /// makes no difference.
    pub(crate) fn has_same_contents(&self, other: &Self) -> bool {
        self.is_same_inode(other) && (self.size, self.modified) == (other.size, other.modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_rename_keeps_the_contents_and_writing_does_not() {
        let place = std::env::temp_dir().join(format!("procpool-identity-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let (a, b) = (place.join("a"), place.join("b"));
        fs::write(&a, "one").unwrap();
        let look = |path| Identity::of(&fs::metadata(path).unwrap());
        let before = look(&a);
        fs::hard_link(&a, &b).unwrap();
        assert!(look(&b).has_same_contents(&before));
        fs::write(&a, "longer").unwrap();
        assert!(look(&a).is_same_inode(&before) && !look(&a).has_same_contents(&before));
        fs::remove_dir_all(place).unwrap();
    }
}
