//! `posix_spawn`, called directly: std's `Command` can neither pass an exact set of descriptors, nor reset
//! signals, nor start a session.
//!
//! The child has exactly the given descriptors, numbered from 0, regardless of the open ones in this process
//! and their flags. Nothing process-wide is changed for that. The child's signals have their default actions,
//! and none is blocked. It leads a session of its own, without a terminal.
#![allow(unsafe_code)]

use rustix::process::Pid;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

/// The program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Image {
    /// The file of this name.
    Path(CString),
    /// The last of the descriptors, even if its name means another file by now. The child does not have it.
    File,
}

/// The plan of a process. Plain data: it may be used and dropped on any thread.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) image: Image,
    pub(super) args: Vec<CString>,
    /// The whole environment, as `KEY=value`.
    pub(super) env: Vec<CString>,
    pub(super) dir: Option<CString>,
}

/// Which table of descriptors the calling thread has. The child begins with a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// The thread's own, as [`own_table`](super::own_table) creates it: all its descriptors are
    /// close-on-exec.
    Own,
    /// The process's.
    Shared,
}

/// Numbers below this one belong to the child.
pub(super) const FIRST_FREE: RawFd = 16;

/// Spawns the process. Returns when it runs the new program, or cannot.
///
/// `descriptors` are the child's 0, 1, 2 and so on. Their numbers here must be at least [`FIRST_FREE`]:
/// otherwise one could replace another before that is copied.
pub(super) fn spawn(plan: &Plan, descriptors: &[BorrowedFd<'_>], table: Table) -> io::Result<Pid> {
    let (file, its) = match (&plan.image, descriptors.split_last()) {
        (Image::File, Some((file, its))) => (Some(*file), its),
        _ => (None, descriptors),
    };
    let mut actions = FileActions::new()?;
    if let Some(dir) = &plan.dir {
        actions.enter(dir)?;
    }
    for (number, descriptor) in (0..).zip(its) {
        actions.place(descriptor, number)?;
    }
    let number = match (table, file) {
        (Table::Own, file) => file.map(|file| file.as_raw_fd()),
        (Table::Shared, file) => actions.close_others(its.len(), file)?,
    };
    // Names the file by a descriptor that the child has until its `exec`.
    let by_descriptor = number.map(|number| cstring(&format!("/proc/self/fd/{number}"))).transpose()?;
    let path = match (&plan.image, &by_descriptor) {
        (Image::Path(path), _) | (Image::File, Some(path)) => path,
        (Image::File, None) => return Err(io::Error::other("no file to run")),
    };
    let attributes = Attributes::new()?;
    let (args, env) = (pointers(&plan.args), pointers(&plan.env));
    let mut pid = 0;
    // SAFETY: all pointers are to initialised values that live until the call returns. Both arrays end with a
    // null pointer, and the call writes to none of the strings.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            args.as_ptr().cast(),
            env.as_ptr().cast(),
        )
    };
    check(error)?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("the system made a process without a number"))
}

/// The steps of the child before its `exec`.
struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the pointer is to memory of that type, which the call initialises.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it is initialised.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    /// Closes all descriptors that the child must not have; its own have the numbers below `count`. Returns
    /// the number that `file` then has.
    fn close_others(&mut self, count: usize, file: Option<BorrowedFd<'_>>) -> io::Result<Option<RawFd>> {
        let next = RawFd::try_from(count).map_err(io::Error::other)?;
        let Some(file) = file else {
            self.close_from(next)?;
            return Ok(None);
        };
        // The file must be open until the `exec` and no longer. A descriptor that `dup2` places stays open,
        // but one that `open` creates can be close-on-exec. With all lower numbers in use, `open` returns
        // `next + 1`, and that descriptor has the flag.
        self.place(&file, next)?;
        self.close_from(next + 1)?;
        self.open(next + 1, &cstring(&format!("/proc/self/fd/{next}"))?)?;
        self.close(next)?;
        Ok(Some(next + 1))
    }

    fn place(&mut self, descriptor: &BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised, and the descriptor is open while it is borrowed.
        check(unsafe {
            libc::posix_spawn_file_actions_adddup2(&raw mut self.0, descriptor.as_raw_fd(), number)
        })
    }

    fn open(&mut self, number: RawFd, path: &CStr) -> io::Result<()> {
        let flags = libc::O_PATH | libc::O_CLOEXEC;
        // SAFETY: the actions are initialised, and the call copies the path.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(&raw mut self.0, number, path.as_ptr(), flags, 0)
        })
    }

    fn close(&mut self, number: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised.
        check(unsafe { libc::posix_spawn_file_actions_addclose(&raw mut self.0, number) })
    }

    #[cfg(target_env = "gnu")]
    fn close_from(&mut self, number: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised.
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(&raw mut self.0, number) })
    }

    /// This C library cannot close a whole range, so the currently open descriptors are closed. One that
    /// another thread opens in the next moment must be close-on-exec, as std creates them.
    #[cfg(not(target_env = "gnu"))]
    fn close_from(&mut self, number: RawFd) -> io::Result<()> {
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let open = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
            if let Some(open) = open.filter(|open| *open >= number) {
                self.close(open)?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, dir: &CStr) -> io::Result<()> {
        // SAFETY: the actions are initialised, and the call copies the path.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut self.0, dir.as_ptr()) })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: they are initialised, and no longer used.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// How the child starts.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the pointer is to memory of that type, which the call initialises.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it is initialised.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let flags = libc::POSIX_SPAWN_SETSID
            | libc::c_short::try_from(libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK)
                .map_err(io::Error::other)?;
        // SAFETY: the attributes are initialised.
        check(unsafe { libc::posix_spawnattr_setflags(&raw mut attributes.0, flags) })?;
        let all = all_signals();
        // SAFETY: the attributes are initialised, and the call copies the set.
        check(unsafe { libc::posix_spawnattr_setsigdefault(&raw mut attributes.0, &raw const all) })?;
        let none = no_signals();
        // SAFETY: the attributes are initialised, and the call copies the set.
        check(unsafe { libc::posix_spawnattr_setsigmask(&raw mut attributes.0, &raw const none) })?;
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: they are initialised, and no longer used.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// Returns all signals. `sigfillset` omits two that the C library uses itself, and the child would ignore
/// these.
fn all_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is to memory of one such value. A set is bits, all of which may be ones.
    unsafe { set.as_mut_ptr().write_bytes(0xff, 1) };
    // SAFETY: it is initialised.
    unsafe { set.assume_init() }
}

fn no_signals() -> libc::sigset_t {
    // SAFETY: a set is bits, all of which may be zeros.
    unsafe { std::mem::zeroed() }
}

/// Returns the strings' addresses, and a null pointer.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

fn cstring(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(io::Error::other)
}

/// Converts an error number, which these functions return instead of setting `errno`.
fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
