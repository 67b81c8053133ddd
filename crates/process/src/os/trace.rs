//! Stops a thread of another process for a moment, and copies its registers and its stack memory.
//!
//! The kernel ties a traced thread to the *thread* that traces it, and releases it when that thread ends. Every
//! user of this file therefore runs on a thread of its own that ends soon: whatever fails, nothing stays stopped.
//!
//! Nothing here waits for a child: a wait would take changes of state from those who bury workers. Whether a
//! thread has stopped is learned by asking for its registers, which the kernel refuses before.
#![allow(unsafe_code)]

use procpool_stacks::Registers;
use rustix::io::Errno;
use rustix::process::Pid;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Number of words of the largest set of general registers.
const WORDS: usize = 40;

/// The note type by which the kernel knows the general registers.
const NT_PRSTATUS: usize = 1;

/// Length of one piece of remote memory: a read that fails in one leaves those before it.
const PIECE: usize = 4096;

/// Maximum number of pieces in one system call.
const PIECES: usize = 64;

/// A thread that the calling thread traces. It runs until it is interrupted.
#[derive(Debug)]
pub(crate) struct Traced(libc::pid_t);

impl Traced {
    /// Begins to trace a thread, without stopping it. The number must be that of the meant thread: a caller rules
    /// out that it was reused.
    pub(crate) fn seize(thread: Pid) -> io::Result<Self> {
        let thread = thread.as_raw_nonzero().get();
        let nothing = null_mut::<libc::c_void>();
        // SAFETY: PTRACE_SEIZE ignores the address, takes its options, of which there are none, as a number, and
        // touches no memory of this process.
        check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread, nothing, nothing) })?;
        Ok(Self(thread))
    }

    /// Asks the thread to stop.
    pub(crate) fn interrupt(&self) -> io::Result<()> {
        let nothing = null_mut::<libc::c_void>();
        // SAFETY: PTRACE_INTERRUPT ignores both pointers.
        check(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, self.0, nothing, nothing) })
    }

    /// Returns the registers once the thread has stopped. Returns `None` before that, and if the thread has ended.
    pub(crate) fn registers(&self) -> io::Result<Option<Registers>> {
        let mut words = [0_u64; WORDS];
        let mut area = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: size_of_val(&words) };
        let kind = NT_PRSTATUS as *mut libc::c_void;
        // SAFETY: the area is that of a live local array, and the kernel writes at most its length.
        match check(unsafe { libc::ptrace(libc::PTRACE_GETREGSET, self.0, kind, &raw mut area) }) {
            Ok(()) => named(&words[..area.iov_len / size_of::<u64>()]).map(Some),
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets a stopped thread go on. A signal that had stopped it is delivered to it.
    pub(crate) fn release(self) -> io::Result<()> {
        let signal = self.signal() as *mut libc::c_void;
        // SAFETY: PTRACE_DETACH ignores the address and takes the signal as a number.
        check(unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, null_mut::<libc::c_void>(), signal) })
    }

    /// Returns the number of the signal that was about to be delivered when the thread stopped. 0 if it stopped
    /// because it was asked to, or was stopped before.
    fn signal(&self) -> usize {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let nothing = null_mut::<libc::c_void>();
        // SAFETY: the kernel writes one siginfo_t to the live local.
        let asked = unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, self.0, nothing, info.as_mut_ptr()) };
        if asked != 0 {
            return 0;
        }
        // SAFETY: all zeros are valid, and so is what the kernel wrote.
        let info = unsafe { info.assume_init() };
        let is_event = info.si_code >> 8 == libc::PTRACE_EVENT_STOP;
        if is_event { 0 } else { usize::try_from(info.si_signo).unwrap_or(0) }
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Finds the registers that unwinding needs among all of them. A process of another architecture, such as a 32-bit
/// one, has fewer.
#[cfg(target_arch = "x86_64")]
fn named(words: &[u64]) -> io::Result<Registers> {
    match words.get(..27) {
        Some(words) => Ok(Registers::new(words[16], words[19], words[4], 0)),
        None => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Finds the registers that unwinding needs among all of them.
#[cfg(target_arch = "aarch64")]
fn named(words: &[u64]) -> io::Result<Registers> {
    match words.get(..33) {
        Some(words) => Ok(Registers::new(words[32], words[31], words[29], words[30])),
        None => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Nobody has said where the registers of this architecture are.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn named(_: &[u64]) -> io::Result<Registers> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns a copy of the memory of another process, from this address up to `length` bytes or the first that is not
/// readable.
pub(crate) fn read_memory(process: Pid, from: u64, length: usize) -> Vec<u8> {
    let mut copy = vec![0_u8; length];
    let mut filled = 0;
    while filled < length {
        let Some(address) = from.checked_add(filled as u64).and_then(|at| usize::try_from(at).ok()) else {
            break;
        };
        let read = read_pieces(process, address, &mut copy[filled..]);
        filled += read;
        if read == 0 {
            break;
        }
    }
    copy.truncate(filled);
    copy
}

/// Fills the beginning of `into` by one system call. Returns the number of bytes, 0 if there are none.
fn read_pieces(process: Pid, from: usize, into: &mut [u8]) -> usize {
    let mut pieces = Vec::with_capacity(PIECES);
    let (mut at, mut wanted) = (from, 0);
    while wanted < into.len() && pieces.len() < PIECES {
        // Each ends with its page: the next page may not be there.
        let length = (PIECE - at % PIECE).min(into.len() - wanted);
        pieces.push(libc::iovec { iov_base: at as *mut libc::c_void, iov_len: length });
        let Some(next) = at.checked_add(length) else { break };
        (at, wanted) = (next, wanted + length);
    }
    let ours = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let process = process.as_raw_nonzero().get();
    // SAFETY: the kernel writes at most the length of `into`, which is borrowed mutably. Addresses of the other process
    // are numbers here.
    let read = unsafe {
        libc::process_vm_readv(process, &ours, 1, pieces.as_ptr(), pieces.len() as libc::c_ulong, 0)
    };
    usize::try_from(read).unwrap_or(0)
}
