//! Memory that the kit writes after it was sealed, as a pool does: by a mapping that is older than the seal.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// A file, mapped for writing.
#[derive(Debug)]
pub(super) struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    /// Maps the first `length` bytes of a file, which has as many and gets no shorter.
    pub(super) fn new(file: impl AsFd, length: usize) -> io::Result<Self> {
        let (access, file) = (libc::PROT_READ | libc::PROT_WRITE, file.as_fd().as_raw_fd());
        // SAFETY: the kernel chooses a place where nothing is mapped, and the descriptor is open while it is borrowed.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, file, 0) };
        if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { start, length }) }
    }

    /// Writes bytes at the beginning.
    ///
    /// # Panics
    /// When there are more than were mapped.
    pub(super) fn write(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.length, "{} bytes for a mapping of {}", bytes.len(), self.length);
        // SAFETY: as many bytes are mapped, until this is dropped. No reference to them exists here, and another process
        // sees them change as it would with any other memory of the coordinator's.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.cast(), bytes.len()) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping, and nothing refers to it any longer.
        unsafe { libc::munmap(self.start, self.length) };
    }
}
