//! The control groups of this process, in either version of the kernel's interface. Finds the places for
//! groups that count processes or memory, and the group that counts its own memory. Does not: know workers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A directory in which groups can be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Place {
    /// Returns this process's own group, prepared for groups that count processes.
    ///
    /// The error says what is missing.
    pub(crate) fn own() -> io::Result<Self> {
        let none = || io::Error::other("no cgroup hierarchy with the pids controller is mounted");
        let place = own_group("pids")?.ok_or_else(none)?;
        if place.version == Version::Two {
            place.enable("pids")?;
        }
        Ok(place)
    }

    /// Returns the place for groups that count memory. In version 2 they can count processes, too.
    ///
    /// The error says what is missing.
    pub(crate) fn of_memory() -> io::Result<Self> {
        let none = || io::Error::other("no cgroup hierarchy with the memory controller is mounted");
        let own = own_group("memory")?.ok_or_else(none)?;
        let place = own.clone().for_memory(is_delegated).ok_or_else(|| occupied(&own.dir))?;
        if place.version == Version::Two {
            place.enable("memory")?;
            // Wanted only where there is a `process_limit` as well, and then its absence is an error there.
            let _ = place.enable("pids");
        }
        Ok(place)
    }

    /// Returns where groups for memory can be made by a process of this group. Below a group that has processes,
    /// version 2 counts no memory, except below the root. A group that was delegated is this process's to
    /// divide. Groups above that are not.
    fn for_memory(self, is_delegated: impl Fn(&Path) -> bool) -> Option<Self> {
        let is_root = || !self.dir.join("cgroup.type").exists();
        if self.version == Version::One || is_root() {
            return Some(self);
        }
        let above = self.dir.parent().filter(|above| is_delegated(above))?.to_owned();
        Some(Self { dir: above, ..self })
    }

    /// Returns the files of a group with its limits: for memory, and for memory and swap together or for swap
    /// alone.
    pub(crate) fn memory_files(&self, limit: u64) -> [(&'static str, u64); 2] {
        match self.version {
            Version::One => [("memory.limit_in_bytes", limit), ("memory.memsw.limit_in_bytes", limit)],
            Version::Two => [("memory.max", limit), ("memory.swap.max", 0)],
        }
    }

    /// Returns whether the groups of this place for memory count processes, too.
    pub(crate) fn counts_all(&self) -> bool {
        self.version == Version::Two
    }

    /// Creates a group called `name`.
    pub(crate) fn make(&self, name: &str) -> io::Result<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir)?;
        // Below a group that has processes of its own, version 2 counts only in threaded groups.
        let type_file = dir.join("cgroup.type");
        if fs::read_to_string(&type_file).is_ok_and(|kind| kind.trim() == "domain invalid")
            && let Err(error) = fs::write(&type_file, "threaded")
        {
            let _ = fs::remove_dir(&dir);
            return Err(error);
        }
        Ok(dir)
    }

    fn enable(&self, controller: &str) -> io::Result<()> {
        let has = |file: &str| -> io::Result<bool> {
            Ok(fs::read_to_string(self.dir.join(file))?.split_whitespace().any(|name| name == controller))
        };
        if !has("cgroup.controllers")? {
            return Err(io::Error::other(format!("{} has no {controller} controller", self.dir.display())));
        }
        if has("cgroup.subtree_control")? {
            Ok(())
        } else {
            fs::write(self.dir.join("cgroup.subtree_control"), format!("+{controller}"))
        }
    }
}

/// Returns whether systemd, or another program that sets its mark, has given this group to the processes in it.
fn is_delegated(dir: &Path) -> bool {
    let is_marked = |mark| {
        let mut value = [0; 8];
        rustix::fs::getxattr(dir, mark, &mut value[..]).is_ok_and(|length| &value[..length] == b"1")
    };
    is_marked("user.delegate") || is_marked("trusted.delegate")
}

fn occupied(own: &Path) -> io::Error {
    io::Error::other(format!(
        "{} has processes of its own and so no room for groups that count memory; start the server in a group below a \
         delegated one (Delegate=yes and DelegateSubgroup= of systemd)",
        own.display()
    ))
}

/// Returns the groups in which this process's memory may be counted: its own, and its ancestors. Version 2
/// counts it in the first one that has the files for it.
pub(crate) fn memory_groups() -> Vec<PathBuf> {
    let own = own_group("memory").ok().flatten();
    let version = own.as_ref().map(|place| place.version);
    let depth = if version == Some(Version::Two) { usize::MAX } else { 1 };
    own.iter().flat_map(|place| place.dir.ancestors()).take(depth).map(Path::to_owned).collect()
}

fn own_group(controller: &str) -> io::Result<Option<Place>> {
    let read = |path: &str| fs::read_to_string(path);
    Ok(find(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?, controller))
}

/// Returns this process's group of the controller, by the texts of `/proc/self/cgroup` and
/// `/proc/self/mountinfo`.
fn find(own: &str, mounts: &str, controller: &str) -> Option<Place> {
    let lines = || own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let counts = |controllers: &str| controllers.split(',').any(|name| name == controller);
    let one = lines().find(|(controllers, _)| counts(controllers)).map(|(_, path)| (Version::One, path));
    let two = lines().find(|(controllers, _)| controllers.is_empty()).map(|(_, path)| (Version::Two, path));
    let (version, path) = one.or(two)?;
    let dir = mounts.lines().find_map(|line| mounted(line, version, path, controller))?;
    Some(Place { dir, version })
}

/// Returns the directory of a group, if this line is a mount of its hierarchy that shows it.
///
/// `36 31 0:35 /below/hierarchy /mount/point rw,relatime - cgroup cgroup rw,pids`
fn mounted(line: &str, version: Version, group: &str, controller: &str) -> Option<PathBuf> {
    let (mount, system) = line.split_once(" - ")?;
    let mut system = system.split(' ');
    let (kind, options) = (system.next()?, system.nth(1)?);
    let is_it = match version {
        Version::One => kind == "cgroup" && options.split(',').any(|option| option == controller),
        Version::Two => kind == "cgroup2",
    };
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (mount.next()?, mount.next()?);
    let below = Path::new(group).strip_prefix(root).ok().filter(|_| is_it)?;
    Some(Path::new(point).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "\
        31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    const TWO: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn found(own: &str, mounts: &str) -> Option<(Version, String)> {
        find(own, mounts, "pids").map(|place| (place.version, place.dir.display().to_string()))
    }

    #[test]
    fn the_pids_hierarchy_of_version_one_goes_first() {
        let own = "9:name=systemd:/\n8:cpu,pids:/jobs/a\n0::/elsewhere\n";
        assert_eq!(found(own, ONE), Some((Version::One, "/sys/fs/cgroup/pids/jobs/a".into())));
    }

    #[test]
    fn without_it_there_is_the_one_hierarchy_of_version_two() {
        let own = "0::/system.slice/procpool.service\n";
        let expected = "/sys/fs/cgroup/system.slice/procpool.service".to_owned();
        assert_eq!(found(own, TWO), Some((Version::Two, expected)));
    }

    #[test]
    fn a_container_sees_its_group_at_the_mount_point() {
        let mounts = ONE.replace("0:36 / ", "0:36 /docker/4711 ");
        assert_eq!(
            found("8:pids:/docker/4711\n", &mounts),
            Some((Version::One, "/sys/fs/cgroup/pids/".into()))
        );
        assert_eq!(found("8:pids:/docker/4712\n", &mounts), None);
    }

    #[test]
    fn what_is_not_mounted_or_not_there_is_none() {
        assert_eq!(found("8:pids:/\n", TWO), None);
        assert_eq!(found("", ONE), None);
        assert_eq!(found("0::/\n", ""), None);
        assert_eq!(found("garbage", "garbage - more"), None);
    }

    #[test]
    fn memory_is_counted_beside_this_process_where_its_parent_was_delegated() {
        let scratch = crate::program::scratch::Scratch::new();
        let place = |version, dir: &Path| Place { dir: dir.to_owned(), version };
        let parent = scratch.path().to_owned();
        let own = parent.join("server");
        fs::create_dir(&own).unwrap();
        assert_eq!(place(Version::One, &own).for_memory(|_| false), Some(place(Version::One, &own)));
        // Only the root has no type.
        assert_eq!(place(Version::Two, &own).for_memory(|_| false), Some(place(Version::Two, &own)));
        fs::write(own.join("cgroup.type"), "domain").unwrap();
        assert_eq!(place(Version::Two, &own).for_memory(|_| false), None);
        let beside = place(Version::Two, &own).for_memory(|dir| dir == parent);
        assert_eq!(beside, Some(place(Version::Two, &parent)));
        assert!(occupied(&own).to_string().contains("DelegateSubgroup="));
    }

    #[test]
    fn each_controller_has_a_hierarchy_of_its_own_in_version_one() {
        let own = "8:pids:/jobs/a\n4:memory:/jobs/b\n0::/elsewhere\n";
        let mounts = ONE.replace("41 31", "40 31 0:37 / /mem rw - cgroup cgroup rw,memory\n41 31");
        let place = |controller| find(own, &mounts, controller).map(|place| place.dir);
        assert_eq!(place("memory"), Some("/mem/jobs/b".into()));
        assert_eq!(place("cpu"), Some("/sys/fs/cgroup/unified/elsewhere".into()));
    }
}
