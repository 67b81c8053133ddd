//! The page: a few kibibytes of memory, behind a file, that a worker writes and its coordinator reads, even
//! after the worker's death. It contains the number of the job that the worker began last, and the results
//! that were not sent.
//!
//! With it, a worker may receive several small jobs at once and send their results together. Without it, the
//! coordinator could not know which of them a dead worker had run. The worker writes, in this order,
//!
//! 1. when a job has ended: its frame into the ring, from [`RING`] on;
//! 2. at [`ENDED`], the number of bytes of output so far, including those that were sent, counted from its
//!    `Ready` on, which does not count;
//! 3. before it begins the next job: that job's number, at [`BEGUN`]. Only then it reads [`RECALLED`]: a job
//!    whose number is not above it belongs to another worker by now. It is skipped, and [`BEGUN`] gets its
//!    former value again.
//!
//! Byte `n` of the output lies at `n % RING_LEN` of the ring until it has been sent, so at most [`RING_LEN`]
//! bytes wait. Output that is sent at once need not pass through the ring; then nothing may wait in it.
//! Numbers are little-endian and eight bytes long. The coordinator checks everything that it reads: no
//! content of the page affects jobs of other workers.

/// Offset of the number of the job that was begun last. 0: no job.
pub const BEGUN: u64 = 0;

/// Offset of the number of bytes of output.
pub const ENDED: u64 = 8;

/// Offset at which the coordinator writes the number of the last job that it has withdrawn. The coordinator
/// then reads [`BEGUN`], and relies on the worker to begin no job after that one. Because each side writes
/// before it reads, at least one sees the other's write.
pub const RECALLED: u64 = 24;

/// Offset at which the worker writes [`KEPT`] when it has found the page, before its `Ready`.
pub const MARK: u64 = 16;

/// Says that the worker uses the page.
pub const KEPT: u64 = 0x6765_7061_7065_6b21;

/// Offset of [`MAGIC`], which is there from the beginning. A worker that finds another value has found
/// another file, and does not use it: process ids have another meaning in another namespace.
pub const MAGIC_AT: u64 = 32;

/// Distinguishes the page from any other file.
pub const MAGIC: &[u8; 16] = b"procpool page 2\n";

/// Offset of the ring.
pub const RING: u64 = 4096;

/// Length of the ring, in bytes: 64 KiB, a thousand small results.
pub const RING_LEN: u64 = 64 * 1024;

/// Length of the part that every page has, in bytes. A longer page goes on with the place for a
/// [crash record](crate::crash_record).
pub const LEN: u64 = RING + RING_LEN;

/// Returns the parts of the file that hold `length` bytes of the output, starting at byte `from`.
/// The second part is empty unless the range wraps around the end of the ring. `length` is at most
/// [`RING_LEN`].
pub fn places(from: u64, length: u64) -> [(u64, u64); 2] {
    let at = from % RING_LEN;
    let first = length.min(RING_LEN - at);
    [(RING + at, first), (RING, length - first)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_goes_round_in_the_ring() {
        assert_eq!(places(5, 10), [(RING + 5, 10), (RING, 0)]);
        assert_eq!(places(3 * RING_LEN - 4, 10), [(LEN - 4, 4), (RING, 6)]);
        assert_eq!(places(7, RING_LEN), [(RING + 7, RING_LEN - 7), (RING, 7)]);
    }
}
