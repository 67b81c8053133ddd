//! A setting of the C library's allocator, for a process that is ours alone.
#![allow(unsafe_code)]

/// Length of a block that is not worth a system call for itself, in bytes. The same holds for the
/// rest that is left of it.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 1 << 20;

/// Returns memory of large payloads to the system when they are dropped. Call it before other
/// threads are started.
///
/// glibc gives large blocks mappings of their own, but raises what it calls large, up to 32 MiB, whenever it frees one.
/// From then on they lie in heaps, which shrink only from their ends, and stay for as long as something small lies behind.
/// A bound that is set is not raised.
///
/// For the command, not for the library: each program decides how it allocates. Other C libraries
/// have no such setting; the one named here is the only one that needs it.
pub fn return_large_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator. The parameter exists, and a value that is refused changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
