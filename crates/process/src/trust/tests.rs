//! Places in which other users may replace a file, and places in which they may not. If only root can create
//! such a place, the check is run as if for another user.

use super::*;
use rustix::process::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

/// A directory, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("pp-place-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        DirBuilder::new().mode(0o700).create(&dir).unwrap();
        Self(dir)
    }

    fn dir(&self, name: &str, mode: u32) -> PathBuf {
        let dir = self.0.join(name);
        DirBuilder::new().recursive(true).create(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
        dir
    }

    fn link(&self, name: &str, to: impl AsRef<Path>) -> PathBuf {
        let link = self.0.join(name);
        symlink(to, &link).unwrap();
        link
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns why a place is rejected.
#[track_caller]
fn reason(result: io::Result<()>) -> Distrust {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
    *error.into_inner().unwrap().downcast().unwrap()
}

fn judged(dir: &Path) -> io::Result<()> {
    check(dir, user())
}

fn user() -> u32 {
    geteuid().as_raw()
}

#[test]
fn a_place_is_refused_if_others_may_rename_in_it_or_anywhere_above() {
    let scratch = Scratch::new("open");
    for mode in [0o777, 0o770, 0o707, 0o2775] {
        let open = scratch.dir("open", mode);
        let below = scratch.dir("open/below/deep", 0o700);
        let missing = open.join("missing");
        for dir in [&open, &below, &missing] {
            let refused = reason(make_directory(dir, 0o700));
            assert_eq!(refused, Distrust::Open { dir: open.clone(), mode });
            assert!(refused.to_string().contains(&format!("chmod go-w {}", open.display())), "{refused}");
        }
        assert!(!missing.exists(), "nothing is made there");
    }
    for mode in [0o755, 0o700, 0o1777] {
        scratch.dir("open", mode);
        make_directory(&scratch.0.join("open/below/deep"), 0o700).unwrap();
    }
}

#[test]
fn a_place_is_refused_if_another_user_owns_it_or_anything_above() {
    let scratch = Scratch::new("owner");
    let (dir, owner) = (scratch.dir("theirs/below", 0o700), user());
    let judged_by_another = check(&dir, owner + 1);
    if owner == 0 {
        judged_by_another.unwrap();
        let theirs = scratch.0.join("theirs");
        chown(&theirs, Some(12_345), None).unwrap();
        let refused = reason(judged(&dir));
        assert_eq!(refused, Distrust::Foreign { dir: theirs, owner: 12_345, user: 0 });
        assert!(refused.to_string().contains("neither this user (0) nor root"), "{refused}");
    } else {
        let refused = Distrust::Foreign { dir: scratch.0.clone(), owner, user: owner + 1 };
        assert_eq!(reason(judged_by_another), refused);
    }
}

#[test]
fn a_link_is_no_place_and_on_the_way_it_is_followed_to_where_it_leads() {
    let scratch = Scratch::new("links");
    let (real, open) = (scratch.dir("real", 0o700), scratch.dir("open", 0o777));
    scratch.dir("open/sub", 0o700);
    let link = scratch.link("link", &real);
    for path in [link.clone(), scratch.0.join("link/."), scratch.0.join("real/../link/")] {
        let refused = reason(make_directory(&path, 0o700));
        assert_eq!(refused, Distrust::Link { path: link.clone(), to: real.clone() });
        assert!(refused.to_string().ends_with(&format!("points to, {}", real.display())), "{refused}");
    }
    make_directory(&link.join("below"), 0o700).unwrap();
    assert!(real.join("below").is_dir());

    scratch.link("way", "open/sub/..");
    let dir = open.clone();
    assert_eq!(reason(judged(&scratch.0.join("way/sub"))), Distrust::Open { dir, mode: 0o777 });
    let last = scratch.link("real/last", "below");
    let path = last.clone();
    assert_eq!(reason(judged(&link.join("last"))), Distrust::Link { path, to: "below".into() });

    scratch.link("round", "round");
    assert_eq!(
        judged(&scratch.0.join("round/x")).unwrap_err().raw_os_error(),
        Some(Errno::LOOP.raw_os_error())
    );
    assert!(judged(Path::new("/dev/null/x")).is_err());
}

#[test]
fn a_link_that_another_user_has_put_there_is_not_followed() {
    let scratch = Scratch::new("planted");
    let real = scratch.dir("real", 0o700);
    fs::create_dir(real.join("below")).unwrap();
    let sticky = scratch.dir("sticky", 0o1777);
    let link = scratch.link("sticky/link", &real);
    if user() != 0 {
        return;
    }
    rustix::fs::chownat(
        rustix::fs::CWD,
        &link,
        Some(rustix::fs::Uid::from_raw(12_345)),
        None,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
    for path in [link.clone(), link.join("below")] {
        let refused = Distrust::ForeignLink { path: link.clone(), owner: 12_345, user: 0 };
        assert_eq!(reason(make_directory(&path, 0o700)), refused);
    }
    judged(&sticky).unwrap();
}

#[test]
fn what_is_missing_is_made_for_this_user_alone() {
    let scratch = Scratch::new("made");
    let dir = scratch.0.join("one/two");
    make_directory(&dir, 0o700).unwrap();
    for dir in [dir.as_path(), dir.parent().unwrap()] {
        assert_eq!(fs::metadata(dir).unwrap().mode() & 0o777, 0o700);
    }
}
