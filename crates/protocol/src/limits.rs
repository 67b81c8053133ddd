//! Every limit of the wire in one place, each with its reason.
//!
//! A length that a peer sends is compared with one of these before anything is allocated for it.

/// Maximum header message of a frame, in bytes: 64 KiB.
///
/// The largest header in use is a `Done` with a panic message, which is cut to [`MAX_TEXT`]. The rest is room
/// for a `Description`, whose schemas may use all of it.
pub const MAX_HEADER: u32 = 64 * 1024;

/// Maximum payload of a frame unless a pool is configured otherwise, in bytes: 64 MiB.
///
/// Both sides hold a whole payload in memory. Therefore a pool may allocate up to this number of bytes for
/// each worker.
pub const DEFAULT_MAX_PAYLOAD: u32 = 64 * 1024 * 1024;

/// Maximum length of a payload on the control connection, in bytes: 64 KiB.
///
/// No known kind of frame has one there, but an unknown frame that the receiver skips may have one.
pub const MAX_CONTROL_PAYLOAD: u32 = 64 * 1024;

/// Maximum payload of one chunk of a stream, in bytes: 1 MiB.
///
/// Credit is counted in chunks. Together with [`CHUNK_CREDIT`] this bounds the memory that a stalled reader
/// costs the coordinator.
pub const MAX_CHUNK: u32 = 1024 * 1024;

/// Number of chunks that a job may send before the reader has read one.
pub const CHUNK_CREDIT: u32 = 16;

/// Maximum length of a human-readable text in a message (error, panic, reason), in bytes: 16 KiB.
/// The sender cuts longer ones at a character boundary.
pub const MAX_TEXT: usize = 16 * 1024;

/// Maximum length of a JSON document in `Hello`, `Welcome`, `Refused` and `Description`, in bytes.
pub const MAX_JSON: usize = MAX_HEADER as usize;

/// Maximum number of tagged extras (trace context, content type and the like) of a job, and of its end.
pub const MAX_EXTRAS: usize = 16;

/// Maximum length of the rest of a value whose byte string is sent separately, in bytes. The rest is an extra
/// of a job or its end. A value with a longer rest is sent in one piece.
pub const MAX_REST: usize = 16 * 1024;

/// Maximum number of descriptors that are sent with one frame.
///
/// The kernel accepts 253 at once. A receiver may be limited to a few hundred open descriptors.
pub const MAX_ATTACHMENTS: usize = 16;

/// Maximum number of cancels that a worker remembers for jobs that have not arrived yet.
///
/// A coordinator has few jobs in flight to one worker. A job whose cancel was forgotten ends by its deadline
/// or in a kill.
pub const MAX_EARLY_CANCELS: usize = 64;

/// Maximum nesting of a typed value that is decoded from a peer.
///
/// Each level costs one or more stack frames; `serde_json` has the same limit.
pub const MAX_DEPTH: u32 = 128;

/// Cuts `text` to [`MAX_TEXT`] bytes at a character boundary.
pub fn cut(text: String) -> String {
    cut_to(MAX_TEXT, text)
}

/// Cuts `text` to `limit` bytes at a character boundary.
pub(crate) fn cut_to(limit: usize, mut text: String) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
