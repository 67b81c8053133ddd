//! Mapped files as slices: the one place of this crate that has to argue about memory which other processes see.
//!
//! A file is in one of three hands: [`Written`] by this process alone, [`Read`] where nobody else can write, or in everybody's
//! and then [`Map`] gives atomics only.
#![allow(unsafe_code)]

use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A part of a file whose size is sealed, as atomics of one width, mapped for as long as this lives.
///
/// Accesses of different widths to the same memory would be undefined behaviour within one process.
/// So a map has one width, and its maker makes sure that no other map of the same bytes has
/// another.
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
    /// Maps `length` bytes from `offset` on, which is divisible by eight, to read and write. Pages
    /// come when they are touched.
    pub(crate) fn new(file: impl AsFd, offset: u64, length: usize) -> io::Result<Self> {
        let memory = MmapOptions::new().offset(offset).len(length).map_raw(file.as_fd().as_raw_fd())?;
        Ok(Self { memory, cells: PhantomData })
    }

    /// Returns all of it, in the machine's byte order. Bytes at the end that make no cell are left
    /// out.
    pub(crate) fn cells(&self) -> &[A] {
        let count = self.memory.len() / size_of::<A>();
        // SAFETY: mapped for writing and initialised for as long as `self` lives. A mapping begins at a page and the part at
        // a multiple of eight, which aligns it for every `Atomic`, each of which is as large as its integer and valid for
        // any bits. Other users of this memory have atomics of this width, or are another process
        // or the kernel.
        unsafe { slice::from_raw_parts(self.memory.as_mut_ptr().cast(), count) }
    }
}

/// A mapping to which nobody else in this process has access. Nor has anybody in another process
/// while code here uses it: a seal or the protocol ensures that. One [`Lease`] of it is out at a
/// time.
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

    /// Returns where these bytes begin in it, if they do.
    pub(crate) fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        offset_of(&self.map, bytes)
    }

    /// Leases the first `length` bytes. Returns `None` if there are fewer, or they are leased
    /// already.
    pub(crate) fn lease(self: &Arc<Self>, length: usize) -> Option<Lease> {
        if length > self.map.len() || self.is_leased.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(Lease { written: self.clone(), length })
    }
}

/// The beginning of a [`Written`] mapping, in one holder's hands.
#[derive(Debug)]
pub(crate) struct Lease {
    written: Arc<Written>,
    length: usize,
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped, initialised as all of a file is, and long enough. There is one lease at a time, and no other way to
        // this memory in this process; who maps the file in another one only reads what is not leased.
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

/// A mapping of a file to which nobody can write but its maker, who does so only while nobody reads.
#[derive(Debug)]
pub(crate) struct Read(MmapRaw);

impl Read {
    /// Maps a file, with all of its pages at hand.
    pub(crate) fn new(file: impl AsFd, length: usize) -> io::Result<Self> {
        MmapOptions::new().len(length).populate().map_raw_read_only(file.as_fd().as_raw_fd()).map(Self)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the first `length` bytes, or all there are.
    pub(crate) fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: mapped and initialised as all of a file is. The file is sealed against every writer but the one that
        // sealed it: this process's coordinator, which writes to it only while this process reads nothing there.
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
