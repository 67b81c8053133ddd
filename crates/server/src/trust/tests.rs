//! Files and directories that others can have written to, and those that they cannot. Where it takes root to make one,
//! the judge is told that somebody else asks.

use super::*;
use rustix::fs::{FileType, mknodat};
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};

/// A directory with a file in it, removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("pp-trust-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        DirBuilder::new().mode(0o700).create(&dir).unwrap();
        let place = Self(dir);
        fs::write(place.file(), "saved").unwrap();
        set_mode(&place.file(), 0o600);
        place
    }

    fn file(&self) -> PathBuf {
        self.0.join("fib-1.job")
    }

    /// Returns the judgement over the file.
    fn judge(&self) -> Result<(), Distrust> {
        judge(&self.file())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn judge(path: &Path) -> Result<(), Distrust> {
    open(path, user()).unwrap().map(drop)
}

fn user() -> u32 {
    geteuid().as_raw()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_to_which_only_its_owner_may_write_is_believed() {
    let place = Place::new("own");
    for mode in [0o600, 0o644, 0o755, 0o400] {
        set_mode(&place.file(), mode);
        assert_eq!(place.judge(), Ok(()), "{mode:o}");
    }
    let mut opened = open(&place.file(), user()).unwrap().unwrap();
    assert_eq!(io::read_to_string(&mut opened).unwrap(), "saved");
}

#[test]
fn a_file_to_which_others_may_write_is_not() {
    let place = Place::new("mode");
    for mode in [0o620, 0o602, 0o666] {
        set_mode(&place.file(), mode);
        let error = place.judge().unwrap_err();
        assert_eq!(error, Distrust::Open { path: place.file(), mode });
        assert!(error.to_string().ends_with(&format!("`chmod go-w {}`", place.file().display())), "{error}");
    }
}

#[test]
fn a_file_of_another_user_is_not() {
    let place = Place::new("owner");
    let (owner, user) = (user(), user() + 1);
    assert_eq!(open(&place.file(), user).unwrap().map(drop), Err(Distrust::Foreign { owner, user }));
}

#[test]
fn a_directory_in_which_others_may_exchange_the_file_is_not() {
    let place = Place::new("dir");
    for mode in [0o770, 0o707, 0o777] {
        set_mode(&place.0, mode);
        assert_eq!(place.judge(), Err(Distrust::OpenDir { dir: place.0.clone(), mode }));
    }
    for mode in [0o755, 0o1777] {
        set_mode(&place.0, mode);
        assert_eq!(place.judge(), Ok(()), "{mode:o}");
    }
}

#[test]
fn a_directory_of_another_user_is_not_unless_that_is_root() {
    let place = Place::new("dirowner");
    let (found, owner) = (fs::metadata(&place.0).unwrap(), user());
    let of_another = judge_dir(&place.0, &found, owner + 1);
    if owner == 0 {
        assert_eq!(of_another, Ok(()));
        chown(&place.0, Some(12_345), None).unwrap();
        let expected = Distrust::ForeignDir { dir: place.0.clone(), owner: 12_345, user: 0 };
        assert_eq!(place.judge(), Err(expected));
    } else {
        let expected = Distrust::ForeignDir { dir: place.0.clone(), owner, user: owner + 1 };
        assert_eq!(of_another, Err(expected));
        assert_eq!(judge_dir(Path::new("/"), &fs::metadata("/").unwrap(), owner), Ok(()));
    }
}

#[test]
fn links_pipes_and_directories_are_not_and_hold_nobody_up() {
    let place = Place::new("kinds");
    let link = place.0.join("link.job");
    symlink(place.file(), &link).unwrap();
    assert_eq!(judge(&link), Err(Distrust::Link));
    let pipe = place.0.join("pipe.job");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert_eq!(judge(&pipe), Err(Distrust::NoFile));
    assert_eq!(judge(&place.0), Err(Distrust::NoFile));
    assert_eq!(judge(&place.0.join("..")), Err(Distrust::NoFile));
}

#[test]
fn what_is_not_there_is_told_as_the_system_does() {
    let place = Place::new("missing");
    for path in [place.0.join("missing.job"), place.0.join("missing").join("fib-1.job")] {
        assert_eq!(open(&path, user()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
