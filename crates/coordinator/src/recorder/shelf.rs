//! The directory with the saved jobs of a pool: names, rights, and the bound on their number. Several pools
//! may share one; each counts and removes its own files only.

use super::SaveError;
use super::error::Insecure;
use procpool_memory::growth::Growing;
use procpool_process::trust;
use procpool_protocol::JobId;
use procpool_protocol::recording::{RecordingError, SavedJob};
use rustix::process::geteuid;
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How a saved job's file ends, and how while it is being written.
const SAVED: &str = "job";
const UNFINISHED: &str = "part";

/// Where the jobs of one pool are saved.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    pool: String,
    /// Maximum number of files.
    most: usize,
}

impl Shelf {
    /// Opens the directory `dir`, and creates it if necessary. A relative path counts from the present
    /// current directory.
    pub(super) fn open(dir: &Path, pool: &str, most: usize) -> Result<Self, SaveError> {
        if pool.contains(['/', '\0']) {
            return Err(SaveError::PoolName);
        }
        let unusable = |reason| SaveError::Dir { dir: dir.to_owned(), reason };
        let absolute = std::path::absolute(dir).map_err(unusable)?;
        let shelf = Self { dir: absolute, pool: pool.into(), most };
        shelf.make_dir().and_then(|()| shelf.sweep()).map_err(unusable)?;
        Ok(shelf)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Saves a job, and lets the oldest of this pool go where there are too many.
    pub(super) fn put(&self, job: &SavedJob) -> Result<PathBuf, RecordingError> {
        // It may have been removed since, by somebody who had seen enough.
        self.make_dir()?;
        let file = self.dir.join(format!("{}-{}.{SAVED}", self.pool, job.recording.id));
        let unfinished = file.with_extension(UNFINISHED);
        let fresh = File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        let mut sink = Growing::from(fresh);
        let saved = job.write(&mut sink).and_then(|()| {
            self.make_room()?;
            Ok(fs::rename(&unfinished, &file)?)
        });
        if saved.is_err() {
            // Half a file helps nobody.
            let _ = fs::remove_file(&unfinished);
        }
        saved.map(|()| file)
    }

    /// Creates the directory. A recording holds a job and the environment of its pool: only this user may
    /// read it. The program that a file names is run by the user who replays it. So no other user may put a
    /// file here, or another directory in the place of this one.
    fn make_dir(&self) -> io::Result<()> {
        let made = trust::make_directory(&self.dir, 0o700);
        let Ok(found) = fs::metadata(&self.dir) else { return made };
        let (dir, user) = (self.dir.clone(), geteuid().as_raw());
        // Its own faults are reported first. Root's is no place for another user's jobs, nor is a sticky one.
        let insecure = match (found.uid(), found.mode() & 0o7777) {
            (owner, _) if owner != user => Insecure::Foreign { owner, user },
            (_, mode) if mode & 0o022 != 0 => Insecure::Open { dir, mode },
            _ => return made,
        };
        Err(io::Error::new(io::ErrorKind::PermissionDenied, insecure))
    }

    /// Removes what a coordinator that was killed had not finished.
    fn sweep(&self) -> io::Result<()> {
        self.files(UNFINISHED)?.iter().try_for_each(|file| remove(&file.path()))
    }

    /// Removes the oldest files until there is room for one.
    fn make_room(&self) -> io::Result<()> {
        let mut files = self.files(SAVED)?;
        if files.len() < self.most {
            return Ok(());
        }
        files
            .sort_by_cached_key(|file| (file.metadata().and_then(|it| it.modified()).ok(), file.file_name()));
        let surplus = files.len() + 1 - self.most;
        files[..surplus].iter().try_for_each(|file| remove(&file.path()))
    }

    /// Returns the files of this pool with this extension.
    fn files(&self, extension: &str) -> io::Result<Vec<DirEntry>> {
        let is_ours = |file: &DirEntry| self.is_ours(&file.file_name().to_string_lossy(), extension);
        let files = fs::read_dir(&self.dir)?.filter(|file| file.as_ref().map_or(true, is_ours));
        files.collect()
    }

    /// Pools may be called `fib` and `fib-2`, and jobs of both lie here.
    fn is_ours(&self, name: &str, extension: &str) -> bool {
        let id = name
            .strip_prefix(self.pool.as_str())
            .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(extension)?.strip_suffix('.'));
        id.is_some_and(|id| id.parse::<JobId>().is_ok())
    }
}

/// Removes a file that somebody else may have removed before.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Payload;
    use procpool_protocol::frame::{Frame, Kind};
    use procpool_protocol::handshake::{Mode, Welcome};
    use procpool_protocol::recording::{FORMAT, Recording, SavedLimits};
    use std::collections::BTreeMap;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::time::{Duration, SystemTime};

    /// A directory that does not exist yet, removed when dropped.
    struct Place(PathBuf);

    impl Place {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("pp-shelf-{}-{test}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap().flatten();
            let mut names: Vec<_> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn job(number: u128) -> SavedJob {
        let recording = Recording {
            format: FORMAT,
            pool: "fib".into(),
            job: "fib".into(),
            contract: 1,
            build: None,
            executable: "/bin/fib".into(),
            args: Vec::new(),
            current_dir: None,
            env: BTreeMap::new(),
            id: JobId::from_bits(number),
            attempt: 1,
            outcome: "crashed".into(),
            summary: String::new(),
            jobs_before: None,
            limits: SavedLimits::default(),
        };
        let welcome = Welcome {
            mode: Mode::Jobs,
            owned: true,
            worker: "fib-1".into(),
            pool: "fib".into(),
            job: None,
            max_payload: 10,
            page: false,
            template: false,
            arenas: false,
        };
        SavedJob {
            recording,
            welcome,
            worker_data: Payload::none(),
            history: Vec::new(),
            job: Frame::new(Kind::Job, 1, ""),
        }
    }

    fn name(pool: &str, number: u128) -> String {
        format!("{pool}-{}.job", JobId::from_bits(number))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_directory_is_made_and_both_are_for_this_user_alone() {
        let place = Place::new("rights");
        let shelf = Shelf::open(&place.0.join("deep"), "fib", 3).unwrap();
        let file = shelf.put(&job(1)).unwrap();
        assert_eq!(file, place.0.join("deep").join(name("fib", 1)));
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        assert!(shelf.put(&job(1)).is_ok(), "the same job again takes the old one's place");
        fs::remove_dir_all(&place.0).unwrap();
        assert!(shelf.put(&job(2)).is_ok(), "a directory that was removed is made again");
    }

    #[test]
    fn a_directory_in_which_others_may_write_is_refused_with_the_way_out() {
        let place = Place::new("open");
        for mode in [0o770, 0o702, 0o1777] {
            let _ = fs::remove_dir_all(&place.0);
            fs::create_dir(&place.0).unwrap();
            fs::set_permissions(&place.0, Permissions::from_mode(mode)).unwrap();
            let error = Shelf::open(&place.0, "fib", 1).unwrap_err().to_string();
            assert!(error.contains(&format!("may write to it (mode {mode:04o})")), "{error}");
            assert!(error.contains(&format!("`chmod go-w {}`", place.0.display())), "{error}");
        }
        fs::set_permissions(&place.0, Permissions::from_mode(0o755)).unwrap();
        let shelf = Shelf::open(&place.0, "fib", 1).unwrap();
        fs::set_permissions(&place.0, Permissions::from_mode(0o777)).unwrap();
        assert!(shelf.put(&job(1)).is_err() && place.names().is_empty(), "nor may it become one");
    }

    #[test]
    fn a_directory_of_another_user_is_refused_with_the_way_out() {
        let place = Place::new("foreign");
        let (foreign, owner) = if geteuid().is_root() {
            fs::create_dir(&place.0).unwrap();
            chown(&place.0, Some(12_345), None).unwrap();
            (place.0.as_path(), 12_345)
        } else {
            (Path::new("/"), 0)
        };
        let error = Shelf::open(foreign, "fib", 1).unwrap_err().to_string();
        assert!(error.contains(&format!("it belongs to user {owner}")), "{error}");
        assert!(error.contains("name a directory of your own"), "{error}");
    }

    #[test]
    fn a_directory_that_others_may_exchange_is_refused_before_and_after_the_start() {
        let place = Place::new("above");
        let dir = place.0.join("jobs");
        let shelf = Shelf::open(&dir, "fib", 1).unwrap();
        fs::set_permissions(&place.0, Permissions::from_mode(0o777)).unwrap();
        assert!(shelf.put(&job(1)).is_err());
        let error = Shelf::open(&dir, "fib", 1).unwrap_err().to_string();
        assert!(error.contains(&format!("`chmod go-w {}`", place.0.display())), "{error}");
        fs::set_permissions(&place.0, Permissions::from_mode(0o755)).unwrap();

        // Somebody puts a link in its place.
        let elsewhere = Place::new("above-elsewhere");
        fs::rename(&dir, &elsewhere.0).unwrap();
        std::os::unix::fs::symlink(&elsewhere.0, &dir).unwrap();
        let error = Shelf::open(&dir, "fib", 1).unwrap_err().to_string();
        assert!(error.contains("is a symbolic link"), "{error}");
        assert!(shelf.put(&job(2)).is_err() && elsewhere.names().is_empty());
    }

    #[test]
    fn the_oldest_gives_way_and_nobody_elses_does() {
        let place = Place::new("bound");
        let shelf = Shelf::open(&place.0, "fib", 2).unwrap();
        let foreign = [name("fib-2", 1), name("gif", 1), "fib-notes.job".into(), "README".into()];
        for foreign in &foreign {
            fs::write(place.0.join(foreign), "").unwrap();
        }
        for number in 1..=4_u8 {
            let file = shelf.put(&job(number.into())).unwrap();
            // The clock of a file system may be coarse; jobs that end in one tick have no order.
            let age = Duration::from_secs(100 - u64::from(number));
            File::open(file).unwrap().set_modified(SystemTime::now() - age).unwrap();
        }
        let mut expected = vec![name("fib", 3), name("fib", 4)];
        expected.extend(foreign);
        expected.sort();
        assert_eq!(place.names(), expected);
        // A bound that was lowered holds from the next job on.
        Shelf { most: 1, ..shelf }.put(&job(5)).unwrap();
        assert!(!place.names().contains(&name("fib", 4)) && place.names().contains(&name("fib", 5)));
    }

    #[test]
    fn what_was_not_finished_is_swept_and_a_failure_leaves_nothing() {
        let place = Place::new("sweep");
        let shelf = Shelf::open(&place.0, "fib", 2).unwrap();
        let half = name("fib", 1).replace(".job", ".part");
        fs::write(place.0.join(&half), "").unwrap();
        assert!(
            shelf.put(&job(1)).is_err() && place.names() == [half],
            "what somebody else writes is left alone"
        );
        Shelf::open(&place.0, "fib", 2).unwrap();
        assert_eq!(place.names(), [] as [String; 0]);
        let mut large = job(2);
        large.recording.summary = "x".repeat(100_000);
        assert!(shelf.put(&large).is_err());
        assert_eq!(place.names(), [] as [String; 0]);
    }

    #[test]
    fn a_place_that_cannot_be_had_is_named() {
        let error = Shelf::open(Path::new("/dev/null/jobs"), "fib", 1).unwrap_err().to_string();
        assert!(error.starts_with("save_failed_jobs cannot be the directory /dev/null/jobs: "), "{error}");
        assert!(matches!(Shelf::open(Path::new("/tmp"), "a/b", 1), Err(SaveError::PoolName)));
    }
}
