//! `posix_spawn`, called directly, since std's `Command` can neither pass an exact set of descriptors, nor
//! reset signals, nor start a session.
//!
//! The child has exactly the given descriptors, numbered from 0. All others of this process must be
//! close-on-exec, as std and rustix create them.
#![allow(unsafe_code)]

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::Pid;
use std::ffi::{CString, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

/// Numbers below this one belong to the child.
const FIRST_FREE: RawFd = 16;

/// Spawns `command`, whose first word is a path or a name to find on `PATH`. `descriptors` become the child's
/// 0, 1, 2 and so on. The child leads a session, its signals have their default actions, and none is blocked.
pub(crate) fn spawn(
    command: &[OsString],
    env: &[(OsString, OsString)],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<Pid> {
    let args = command.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let env = env.iter().map(|(key, value)| {
        let text = [key.as_bytes(), b"=", value.as_bytes()].concat();
        CString::new(text)
    });
    let env = env.collect::<Result<Vec<_>, _>>()?;
    let program = args.first().ok_or_else(|| io::Error::other("no program to run"))?;
    // Otherwise one could replace another before that is copied.
    let high: Vec<OwnedFd> = descriptors
        .iter()
        .map(|descriptor| fcntl_dupfd_cloexec(descriptor, FIRST_FREE))
        .collect::<Result<_, _>>()?;
    let mut actions = Actions::new()?;
    for (number, descriptor) in (0..).zip(&high) {
        actions.place(descriptor, number)?;
    }
    let attributes = Attributes::new()?;
    let (argv, envp) = (pointers(&args), pointers(&env));
    let mut pid = 0;
    // SAFETY: all pointers are to initialised values that live until the call returns. Both arrays end with a
    // null pointer, and the call writes to none of the strings.
    let error = unsafe {
        libc::posix_spawnp(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr().cast(),
            envp.as_ptr().cast(),
        )
    };
    check(error)?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("the system made a process without a number"))
}

/// The steps of the child before its `exec`.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the pointer is to memory of that type, which the call initialises.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it is initialised.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    fn place(&mut self, descriptor: &OwnedFd, number: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised, and the descriptor is open while it is borrowed.
        check(unsafe {
            libc::posix_spawn_file_actions_adddup2(&raw mut self.0, descriptor.as_raw_fd(), number)
        })
    }
}

impl Drop for Actions {
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
        let (all, none) = (signals(0xff), signals(0));
        // SAFETY: the attributes are initialised, and the call copies the set.
        check(unsafe { libc::posix_spawnattr_setsigdefault(&raw mut attributes.0, &raw const all) })?;
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

/// Returns a set of signals, each byte of which is `byte`. `sigfillset` omits two signals.
fn signals(byte: u8) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is to memory of one such value. A set is bits, which may have any values.
    unsafe { set.as_mut_ptr().write_bytes(byte, 1) };
    // SAFETY: it is initialised.
    unsafe { set.assume_init() }
}

/// Returns the strings' addresses, and a null pointer.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Converts an error number, which these functions return instead of setting `errno`.
fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
