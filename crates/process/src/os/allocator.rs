//! A setting of the C library's allocator, for a process that belongs to procpool alone.
#![allow(unsafe_code)]

/// Minimum length of a block that is worth a system call of its own, in bytes. The same minimum holds for a
/// block's unused rest.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 1 << 20;

/// Returns memory of large payloads to the system when they are dropped. Call it before other
/// threads are started.
///
/// glibc gives large blocks mappings of their own. It raises the threshold for that, up to 32 MiB, whenever
/// it frees such a block. From then on these blocks lie in heaps. Heaps shrink only from their ends, and stay
/// as long as a small block lies behind. A threshold that is set explicitly is not raised.
///
/// For the command, not for the library: each program decides how it allocates. Only glibc needs this
/// setting; other C libraries do not have it.
pub fn return_large_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator. The parameter exists, and a rejected value changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
