//! [`SharedRegion`]: memory that several processes use at once, as JavaScript's `SharedArrayBuffer`.

mod table;
#[cfg(test)]
mod tests;

use crate::region_id::Id;

use crate::file::{self, SIZED};
use crate::map::{Atomic, Map};
use crate::passing::{self, Descriptor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

/// Memory of a fixed size that a service shares with workers of its pools. All of them may read and write it
/// at once, so it is a slice of atomics. Every change by another process is a value, never undefined
/// behaviour. All processes that share a region see cells of the same type.
///
/// It is sent as a part of a job's input or a message. The descriptor of the memory is sent along, so a job's
/// cost does not depend on the region's size. One input refers to at most 16 regions. The worker maps the
/// same memory. To keep the mapping from one job to the next, keep a clone in the worker's state. A region in
/// an output is one that the receiver has already.
///
/// Nothing that a worker does to a region can crash or block the service. A killed worker may leave its work
/// half done. As with threads, one atomic is written whole, but several are not written at once.
///
/// The memory is freed when the last process has dropped it or died. A job's input holds it until the job has
/// ended.
///
/// The serialized form is the region's id, 128 random bits. The id alone opens no memory. A process finds a
/// region by it only if the descriptor came along, or if the process has the region already. A client that
/// sends text cannot guess an id.
///
/// ```
/// use procpool_memory::SharedRegion;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// let region = SharedRegion::<AtomicU32>::new(1 << 20)?; // cells: 4 MiB
/// region[17].fetch_add(5, Relaxed);
/// assert_eq!(region[17].load(Relaxed), 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SharedRegion<A: RegionCell = AtomicU8>(Arc<Mapped<A>>);

/// A cell of a [`SharedRegion`]: an [`AtomicU8`], [`AtomicU32`] or [`AtomicU64`].
///
/// The width is part of the region's type, because accesses of different widths to the same memory would be
/// undefined behaviour.
#[expect(private_bounds, reason = "sealed")]
pub trait RegionCell: Atomic {}

impl RegionCell for AtomicU8 {}
impl RegionCell for AtomicU32 {}
impl RegionCell for AtomicU64 {}

/// A region in this process.
pub(crate) struct Mapped<A> {
    id: Id,
    file: Descriptor,
    map: Map<A>,
}

/// The reference in an input.
#[derive(Serialize, Deserialize)]
struct Reference {
    /// The id, as 32 hexadecimal digits.
    region: String,
    /// Length of a cell, in bytes.
    cell: u8,
    /// Index among the descriptors that come along, from 0 on, if the region's is one of them.
    descriptor: Option<u8>,
}

/// A region could not be found.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("`{0}` is not the id of a region")]
    NoId(String),
    #[error(
        "its cells have {theirs} bytes each, and {ours} bytes were expected: use the same type on both sides"
    )]
    OtherCells { ours: usize, theirs: usize },
    #[error("this process has it with cells of another type")]
    OtherCellsHere,
    #[error(
        "its descriptor did not come along, and this process does not have it: a region is sent in a job's input or \
         in a message, and found in an output as long as the receiver keeps a clone"
    )]
    NotHere,
    #[error("{0}")]
    Unusable(io::Error),
}

impl<A: RegionCell> SharedRegion<A> {
    /// Returns a region of `cells` zeros. Pages use memory once they are touched.
    ///
    /// # Errors
    /// When `cells` is zero or more than memory can hold, or the system cannot create the memory. Also when
    /// files of that size are above this process's limit (`ulimit -f`).
    pub fn new(cells: usize) -> io::Result<Self> {
        let length = cells.checked_mul(size_of::<A>()).filter(|&length| length > 0);
        let length = length.ok_or_else(|| {
            let reason = format!("a shared region cannot have {cells} cells of {} bytes", size_of::<A>());
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })?;
        let file = file::create("procpool-region", length)?;
        file::seal(&file, SIZED)?;
        let map = Map::new(&file, 0, length)?;
        let mapped = Arc::new(Mapped { id: Id::random()?, file: Arc::new(file), map });
        table::insert(mapped.id, &mapped);
        Ok(Self(mapped))
    }

    /// Returns the cells, in the machine's byte order; never empty.
    pub fn cells(&self) -> &[A] {
        self.0.map.cells()
    }

    /// Returns the region of a reference: the one that this process has, or else the one whose descriptor
    /// came along.
    fn find(reference: &Reference) -> Result<Self, Lost> {
        let id = Id::parse(&reference.region).ok_or_else(|| Lost::NoId(reference.region.clone()))?;
        let (ours, theirs) = (size_of::<A>(), usize::from(reference.cell));
        if ours != theirs {
            return Err(Lost::OtherCells { ours, theirs });
        }
        let map = || {
            let file = reference.descriptor.and_then(passing::offered).ok_or(Lost::NotHere)?;
            Mapped::new(id, file).map_err(Lost::Unusable)
        };
        table::find_or_insert(id, map)?.map(Self).ok_or(Lost::OtherCellsHere)
    }
}

impl<A: Atomic> Mapped<A> {
    fn new(id: Id, file: Descriptor) -> io::Result<Self> {
        let unsealed = || io::Error::other("the descriptor that came along is no region");
        let length = file::sealed_length(&file, SIZED).ok_or_else(unsealed)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let map = Map::new(&file, 0, length)?;
        Ok(Self { id, file, map })
    }
}

impl<A> AsFd for Mapped<A> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl<A> Drop for Mapped<A> {
    fn drop(&mut self) {
        table::remove(self.id);
    }
}

impl<A: RegionCell> Deref for SharedRegion<A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        self.cells()
    }
}

impl<A: RegionCell> Clone for SharedRegion<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: RegionCell> fmt::Debug for SharedRegion<A> {
    /// Omits the id, which does not belong in a log.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cells, cell) = (self.len(), size_of::<A>());
        write!(out, "SharedRegion({cells} cells of {cell} bytes)")
    }
}

impl<A: RegionCell> Serialize for SharedRegion<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let descriptor = passing::collected(self.0.id, || self.0.clone());
        let cell = u8::try_from(size_of::<A>()).unwrap_or_default();
        Reference { region: self.0.id.to_string(), cell, descriptor }.serialize(serializer)
    }
}

impl<'de, A: RegionCell> Deserialize<'de> for SharedRegion<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let failed = |lost| de::Error::custom(format!("failed to find a shared region: {lost}"));
        Self::find(&Reference::deserialize(deserializer)?).map_err(failed)
    }
}
