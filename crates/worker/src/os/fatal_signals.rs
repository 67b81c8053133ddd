//! The signals of a crash: records what the thread was doing, in memory that outlives this process, and lets
//! the signal have its effect.
//!
//! The handler only makes system calls that are allowed in a handler, and stores into mapped memory. It
//! allocates nothing, takes no lock, and keeps nothing of size on its stack, which may be short. The memory
//! that it copies may be damaged: the kernel reads it, which returns an error where this code would fault.
#![allow(unsafe_code)]

use libc::{c_int, c_void, siginfo_t, ucontext_t};
use procpool_protocol::crash_record as record;
use rustix::process::getpid;
use rustix::thread::gettid;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

/// The signals of a crash. The first two are those that the standard library handles, too.
const SIGNALS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGSYS, libc::SIGTRAP];

/// Length of the stack for the handler, in bytes. Registers alone may take eleven thousand.
const HANDLER_STACK: usize = 64 * 1024;

/// Maximum time for which a thread waits that crashes while another one is being recorded, in ms.
const OTHERS_WAIT: c_int = 1000;

/// Number of bytes that are copied at once: a page, so that memory that is missing begins with a piece.
const PIECE: usize = 4096;

/// The data of the handler. It is set before the handler is.
struct Setup {
    /// The place for the record.
    cells: &'static [AtomicU8],
    /// The former action of each signal.
    before: [libc::sigaction; SIGNALS.len()],
}

static SETUP: OnceLock<Setup> = OnceLock::new();

/// The process that the record is about. Processes that a job forks have the handler and the memory, too.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The thread that the record is about. 0: none has crashed.
static CRASHED: AtomicI32 = AtomicI32::new(0);

/// Records crashes of this process in `cells`, once per process. Leaves signals alone for which the program
/// has a handler of its own.
pub(crate) fn record_crashes(cells: &'static [AtomicU8]) {
    let now = SIGNALS.map(disposition);
    if SETUP.get().is_some() || now.iter().any(Option::is_none) {
        return;
    }
    let before = now.map(|it| it.unwrap_or_else(default_action));
    OWNER.store(getpid().as_raw_pid(), Ordering::Relaxed);
    let setup = SETUP.get_or_init(|| Setup { cells, before });
    provide_stack();
    for (signal, before) in SIGNALS.into_iter().zip(&setup.before) {
        if before.sa_sigaction == libc::SIG_DFL || is_of_std(signal, &setup.before) {
            install(signal);
        }
    }
}

/// Returns whether a handler is that of Rust's standard library, which writes a message when a stack
/// overflows. It handles these two signals alone, and both by one function. It is called after this one.
fn is_of_std(signal: c_int, before: &[libc::sigaction; SIGNALS.len()]) -> bool {
    let [segv, bus, others @ ..] = before;
    let is_handled = segv.sa_sigaction != libc::SIG_IGN && segv.sa_sigaction == bus.sa_sigaction;
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    [libc::SIGSEGV, libc::SIGBUS].contains(&signal)
        && is_handled
        && [segv, bus].iter().all(|it| it.sa_flags & flags == flags)
        && others.iter().all(|it| it.sa_sigaction == libc::SIG_DFL)
}

extern "C" fn on_crash(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the call has no conditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's place for its error number.
    let before = unsafe { *errno };
    if let Some(setup) = SETUP.get().filter(|_| getpid().as_raw_pid() == OWNER.load(Ordering::Relaxed)) {
        let me = gettid().as_raw_pid();
        match CRASHED.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                // SAFETY: with SA_SIGINFO the kernel passes a pointer to the signal's information.
                let info = unsafe { &*info };
                // SAFETY: it also passes one to the registers of the thread.
                let context = unsafe { &*context.cast::<ucontext_t>() };
                write_record(setup.cells, signal, info, context);
            }
            Err(other) if other != me => wait(),
            // A crash in this handler, or of the message after it. The first one counts.
            Err(_) => {}
        }
    }
    pass_on(signal, info, context);
    // SAFETY: as above. A handler that was there before may let the program go on.
    unsafe { *errno = before };
}

fn write_record(cells: &[AtomicU8], signal: c_int, info: &siginfo_t, context: &ucontext_t) {
    let registers = registers(context);
    let [_, sp, ..] = registers;
    put(cells, record::SIGNAL, u64::from(signal.unsigned_abs()));
    put(cells, record::THREAD, u64::from(gettid().as_raw_pid().unsigned_abs()));
    // SAFETY: the field is there for these signals. For a signal that was sent, it is the sender's id, as bits.
    put(cells, record::FAULT, unsafe { info.si_addr() } as u64);
    put(cells, record::HAS_FAULT, u64::from(has_fault(signal, info.si_code)));
    for (at, register) in (record::REGISTERS..).step_by(8).zip(registers) {
        put(cells, at, register);
    }
    if let Some(name) = space(cells, record::NAME, 16) {
        // SAFETY: the kernel writes 16 bytes there, which are mapped for good.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_ptr().cast_mut()) };
    }
    put(cells, record::STATE, record::NUMBERS);
    let length = space(cells, record::STACK_AT, record::MOST_STACK).map_or(0, |into| copy_memory(sp, into));
    put(cells, record::STACK_LENGTH, length as u64);
    put(cells, record::STATE, record::STACK);
    let length = space(cells, record::MAPS_AT, record::MOST_MAPS).map_or(0, copy_maps);
    put(cells, record::MAPS_LENGTH, length as u64);
    put(cells, record::STATE, record::MAPS);
}

/// Returns whether the kernel tells the address of an access that failed. It does not for an address that is not
/// canonical (`SI_KERNEL`), and a signal that was sent has a code of 0 or below.
fn has_fault(signal: c_int, code: c_int) -> bool {
    [libc::SIGSEGV, libc::SIGBUS].contains(&signal) && (1..libc::SI_KERNEL).contains(&code)
}

/// Returns instruction pointer, stack pointer, frame pointer, link register.
#[cfg(target_arch = "x86_64")]
fn registers(context: &ucontext_t) -> [u64; 4] {
    let general = &context.uc_mcontext.gregs;
    let register = |number: c_int| {
        let value = usize::try_from(number).ok().and_then(|number| general.get(number));
        value.map_or(0, |value| value.cast_unsigned())
    };
    [register(libc::REG_RIP), register(libc::REG_RSP), register(libc::REG_RBP), 0]
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &ucontext_t) -> [u64; 4] {
    let machine = &context.uc_mcontext;
    [machine.pc, machine.sp, machine.regs[29], machine.regs[30]]
}

fn put(cells: &[AtomicU8], at: u64, number: u64) {
    if let Some(cells) = space(cells, at, 8) {
        for (cell, byte) in cells.iter().zip(number.to_le_bytes()) {
            cell.store(byte, Ordering::Release);
        }
    }
}

fn space(cells: &[AtomicU8], at: u64, length: u64) -> Option<&[AtomicU8]> {
    let (at, length) = (usize::try_from(at).ok()?, usize::try_from(length).ok()?);
    cells.get(at..)?.get(..length)
}

/// Copies memory from an address on, as far as it can be read, through a pipe. Returns the number of bytes. At a full
/// stack, the address is in front of what can be read: that part stays zero.
fn copy_memory(from: u64, into: &[AtomicU8]) -> usize {
    let mut ends = [0; 2];
    // SAFETY: the pointer is to a live local of two numbers.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return 0;
    }
    let [read, write] = ends;
    let (mut done, mut has_begun) = (0_usize, false);
    while let (Some(rest), Ok(at)) = (into.get(done..), usize::try_from(from.wrapping_add(done as u64))) {
        let length = PIECE.wrapping_sub(at % PIECE).min(rest.len());
        // SAFETY: the kernel reads what is at the address, or returns an error.
        let written = unsafe { libc::write(write, at as *const c_void, length) };
        let Some(written) = usize::try_from(written).ok().filter(|&written| written > 0) else {
            if has_begun || rest.is_empty() {
                break;
            }
            done = done.wrapping_add(length);
            continue;
        };
        has_begun = true;
        // SAFETY: the pipe holds `written` bytes, and that many are left of `rest`, which is mapped for good.
        let copied = unsafe { libc::read(read, rest.as_ptr().cast_mut().cast(), written) };
        let Ok(copied) = usize::try_from(copied) else { break };
        done = done.wrapping_add(copied);
        if copied < length {
            break;
        }
    }
    // SAFETY: both were opened above.
    unsafe { libc::close(read) };
    // SAFETY: as above.
    unsafe { libc::close(write) };
    if has_begun { done } else { 0 }
}

/// Copies the list of what is mapped. Returns the number of bytes.
fn copy_maps(into: &[AtomicU8]) -> usize {
    // SAFETY: the path is a string with a zero at its end.
    let maps = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if maps < 0 {
        return 0;
    }
    let mut done = 0;
    while let Some(rest) = into.get(done..).filter(|rest| !rest.is_empty()) {
        // SAFETY: the kernel writes at most the length of `rest`, which is mapped for good.
        let read = unsafe { libc::read(maps, rest.as_ptr().cast_mut().cast(), rest.len()) };
        let Some(read) = usize::try_from(read).ok().filter(|&read| read > 0) else { break };
        done = done.wrapping_add(read);
    }
    // SAFETY: it was opened above.
    unsafe { libc::close(maps) };
    done
}

/// Gives the thread that is being recorded time to finish, before this one ends the process.
fn wait() {
    // SAFETY: no descriptors are passed.
    unsafe { libc::poll(ptr::null_mut(), 0, OTHERS_WAIT) };
}

/// Does what the signal did before this handler was there.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let number = SIGNALS.iter().position(|&it| it == signal);
    let setup = SETUP.get();
    let before = number.zip(setup).and_then(|(number, setup)| setup.before.get(number));
    let Some((before, setup)) = before.zip(setup) else { return };
    // SAFETY: the action is one that was in use, and a null pointer requests no old action.
    unsafe { libc::sigaction(signal, before, ptr::null_mut()) };
    // SAFETY: with SA_SIGINFO the kernel passes a pointer to the signal's information.
    let code = unsafe { (*info).si_code };
    match before.sa_sigaction {
        libc::SIG_DFL if !repeats(signal, code) => raise(signal),
        libc::SIG_DFL | libc::SIG_IGN => {}
        handler => {
            // SAFETY: `is_of_std` has found that it was registered with SA_SIGINFO, so that its type is this.
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                unsafe { mem::transmute(handler) };
            handler(signal, info, context);
            // It has returned, and has set the default action for the fault that it expects to be repeated.
            if code <= 0 {
                // Somebody has sent the signal, and the program goes on. A later crash has another cause.
                forget(setup.cells);
            } else if !repeats(signal, code) {
                raise(signal);
            }
        }
    }
}

/// Returns whether the kernel repeats a signal when its handler has returned, because the instruction fails again. It
/// does not repeat a signal that was sent, nor one that tells of something past, such as a page of memory that was
/// found broken (`BUS_MCEERR_AO`) or an asynchronous fault of a memory tag (`SEGV_MTEAERR`).
fn repeats(signal: c_int, code: c_int) -> bool {
    let codes: &[c_int] = match signal {
        // No mapping, no permission, bounds, protection keys, a tag.
        libc::SIGSEGV => &[1, 2, 3, 4, 9],
        // Alignment, no address, the object, a broken page that was read.
        libc::SIGBUS => &[1, 2, 3, 4],
        libc::SIGILL | libc::SIGFPE => &[1, 2, 3, 4, 5, 6, 7, 8],
        _ => &[],
    };
    codes.contains(&code)
}

/// Sends this thread a signal. The handler blocks it, so it arrives after that.
fn raise(signal: c_int) {
    let (process, thread) = (getpid().as_raw_pid(), gettid().as_raw_pid());
    // SAFETY: it sends a signal, and touches no memory.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
}

/// Takes the record back, if it is this thread's and this process's.
fn forget(cells: &[AtomicU8]) {
    let is_owner = getpid().as_raw_pid() == OWNER.load(Ordering::Relaxed);
    if is_owner && CRASHED.load(Ordering::Relaxed) == gettid().as_raw_pid() {
        put(cells, record::STATE, 0);
        CRASHED.store(0, Ordering::Release);
    }
}

/// Gives this thread a stack for handlers: its own may be the one that is full. One that is long enough stays.
fn provide_stack() {
    let mut now = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: a null pointer requests no change, and the other one is to memory of that type.
    if unsafe { libc::sigaltstack(ptr::null(), now.as_mut_ptr()) } != 0 {
        return;
    }
    // SAFETY: the call has initialised it.
    let now = unsafe { now.assume_init() };
    if now.ss_flags & libc::SS_DISABLE == 0 && now.ss_size >= HANDLER_STACK / 2 {
        return;
    }
    let guard = rustix::param::page_size();
    let length = HANDLER_STACK + guard;
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping without a file, at an address that the kernel chooses.
    let memory = unsafe { libc::mmap(ptr::null_mut(), length, access, kind, -1, 0) };
    if memory == libc::MAP_FAILED {
        return;
    }
    // SAFETY: it is the first page of the mapping above, which nobody uses. A handler that needs more than its
    // stack ends there.
    unsafe { libc::mprotect(memory, guard, libc::PROT_NONE) };
    let stack = libc::stack_t { ss_sp: memory.wrapping_byte_add(guard), ss_flags: 0, ss_size: HANDLER_STACK };
    // SAFETY: the memory is mapped for good and nothing else uses it.
    unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
}

fn disposition(signal: c_int) -> Option<libc::sigaction> {
    let mut old = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null pointer requests no change, and the other one is to memory of that type.
    let found = unsafe { libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) };
    // SAFETY: the call has initialised it.
    (found == 0).then(|| unsafe { old.assume_init() })
}

fn default_action() -> libc::sigaction {
    // SAFETY: it is plain data, for which all zeros are valid: the default action, without flags or mask.
    unsafe { mem::zeroed() }
}

/// Installs the handler. While it runs, the kernel does not deliver the signals of a crash: another one ends the
/// process at once.
fn install(signal: c_int) {
    let mut new = default_action();
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_crash;
    new.sa_sigaction = handler as usize;
    new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    for other in SIGNALS {
        // SAFETY: the pointer is to a live local, whose mask is valid.
        unsafe { libc::sigaddset(&raw mut new.sa_mask, other) };
    }
    // SAFETY: the handler has the type that SA_SIGINFO requires and makes only calls that are allowed in one.
    unsafe { libc::sigaction(signal, &raw const new, ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_access_that_failed_has_an_address() {
        assert!(has_fault(libc::SIGSEGV, 1) && has_fault(libc::SIGBUS, 2));
        assert!(!has_fault(libc::SIGSEGV, libc::SI_KERNEL), "an address that is not canonical");
        assert!(!has_fault(libc::SIGSEGV, libc::SI_USER) && !has_fault(libc::SIGBUS, libc::SI_TKILL));
        assert!(!has_fault(libc::SIGABRT, 1) && !has_fault(libc::SIGILL, 1));
    }

    #[test]
    fn only_an_instruction_that_fails_again_repeats_its_signal() {
        assert!([1, 2, 9].iter().all(|&code| repeats(libc::SIGSEGV, code)));
        assert!(!repeats(libc::SIGSEGV, 8), "SEGV_MTEAERR");
        assert!(repeats(libc::SIGBUS, 4) && !repeats(libc::SIGBUS, 5), "BUS_MCEERR_AR and _AO");
        assert!(repeats(libc::SIGFPE, 1) && repeats(libc::SIGILL, 1));
        for signal in SIGNALS {
            assert!([libc::SI_USER, libc::SI_TKILL, 0x80].iter().all(|&code| !repeats(signal, code)));
        }
        assert!(!repeats(libc::SIGTRAP, 1) && !repeats(libc::SIGABRT, 1) && !repeats(libc::SIGSYS, 1));
    }
}
