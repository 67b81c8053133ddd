//! Mapped files as slices: the only module of this crate that must justify access to memory that other
//! processes see.
//!
//! A file is mapped in one of three ways. [`Written`] is for this process alone, and [`Read`] is for files to
//! which no other process can write. All processes may write to a [`Map`], which therefore gives only
//! atomics.
#![allow(unsafe_code)]

use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A part of a file whose size is sealed, as atomics of one width, mapped for as long as this value lives.
///
/// Accesses of different widths to the same memory would be undefined behaviour within one process. Therefore
/// a map has one width, and its creator ensures that no other map of the same bytes has another width.
#[derive(Debug)]
pub(crate) struct Map<A> {
    memory: MmapRaw,
    cells: PhantomData<A>,
}

/// An integer that several processes may change at once. Only this module can implement it.
pub(crate) trait Atomic: Send + Sync + 'static {}

impl Atomic for AtomicU8 {}
impl Atomic for AtomicU32 {}
impl Atomic for AtomicU64 {}

impl<A: Atomic> Map<A> {
    /// Maps `length` bytes from `offset` on, which is divisible by eight, for reading and writing. Pages are
    /// allocated when they are touched.
    pub(crate) fn new(file: impl AsFd, offset: u64, length: usize) -> io::Result<Self> {
        let memory = MmapOptions::new().offset(offset).len(length).map_raw(file.as_fd().as_raw_fd())?;
        Ok(Self { memory, cells: PhantomData })
    }

    /// Returns all cells, in the machine's byte order. Bytes at the end that do not fill a cell are left out.
    pub(crate) fn cells(&self) -> &[A] {
        let count = self.memory.len() / size_of::<A>();
        // SAFETY: mapped for writing and initialised while `self` lives. A mapping begins at a page and the
        // part at a multiple of eight, which aligns it for every `Atomic`. Each `Atomic` is as large as its
        // integer and valid for any bits. Other users of this memory have atomics of this width, or are
        // another process or the kernel.
        unsafe { slice::from_raw_parts(self.memory.as_mut_ptr().cast(), count) }
    }
}

/// A mapping that is the only access to its memory in this process. No other process accesses it while code
/// here uses it: a seal or the protocol ensures that. It gives one [`Lease`] at a time.
#[derive(Debug)]
pub(crate) struct Written {
    map: MmapRaw,
    is_leased: AtomicBool,
}

impl Written {
    pub(crate) fn new(file: impl AsFd, length: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(length).map_raw(file.as_fd().as_raw_fd())?;
        Ok(Self { map, is_leased: AtomicBool::new(false) })
    }

    /// Returns the offset of these bytes in the mapping, if they lie in it.
    pub(crate) fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        offset_of(&self.map, bytes)
    }

    /// Leases the first `length` bytes. Returns `None` if the mapping is shorter, or they are leased already.
    pub(crate) fn lease(self: &Arc<Self>, length: usize) -> Option<Lease> {
        if length > self.map.len() || self.is_leased.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(Lease { written: self.clone(), length })
    }
}

/// The beginning of a [`Written`] mapping, for one holder at a time.
#[derive(Debug)]
pub(crate) struct Lease {
    written: Arc<Written>,
    length: usize,
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped, initialised as all of a file is, and long enough. There is one lease at a time, and
        // no other access to this memory in this process. Another process that maps the file reads only bytes
        // that are not leased.
        unsafe { slice::from_raw_parts(self.written.map.as_ptr(), self.length) }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, mapped for writing, and `self` is borrowed for as long as the slice lives.
        unsafe { slice::from_raw_parts_mut(self.written.map.as_mut_ptr(), self.length) }
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.written.is_leased.store(false, Ordering::Release);
    }
}

/// A mapping of a file that only its creator can write to, which it does only while no code here reads it.
#[derive(Debug)]
pub(crate) struct Read(MmapRaw);

impl Read {
    /// Maps a file and loads all of its pages at once.
    pub(crate) fn new(file: impl AsFd, length: usize) -> io::Result<Self> {
        MmapOptions::new().len(length).populate().map_raw_read_only(file.as_fd().as_raw_fd()).map(Self)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the first `length` bytes, or all if there are fewer.
    pub(crate) fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: mapped and initialised as all of a file is. The file is sealed against every writer but the
        // one that sealed it, the coordinator. The coordinator writes to it only while this process reads
        // nothing there.
        unsafe { slice::from_raw_parts(self.0.as_ptr(), length.min(self.0.len())) }
    }

    /// Returns whether these bytes lie in it.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        offset_of(&self.0, bytes).is_some()
    }
}

fn offset_of(map: &MmapRaw, bytes: &[u8]) -> Option<usize> {
    let start = map.as_ptr() as usize;
    let at = bytes.as_ptr() as usize;
    (!bytes.is_empty() && (start..start + map.len()).contains(&at)).then(|| at - start)
}
