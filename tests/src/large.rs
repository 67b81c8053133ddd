//! The contracts of the workers whose jobs have large payloads, and of those that share memory.

use procpool::{Bytes, Job, SharedRegion};
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicU32;

/// The operation on the input. The first byte of the input names it; the others are payload.
#[derive(Debug)]
pub struct Large;

impl Job for Large {
    const NAME: &'static str = "large";
    type Input = Bytes;
    type Output = Bytes;
}

/// Gives the input back.
pub const ECHO: u8 = 0;
/// Fills memory of the input's length in place with its second byte, and returns that.
pub const FILL: u8 = 1;
/// Keeps the input for good, and gives nothing back.
pub const KEEP: u8 = 2;
/// Gives back what was kept.
pub const KEPT: u8 = 3;
/// Gives back ten bytes of the input.
pub const PART: u8 = 4;
/// Dies.
pub const DIE: u8 = 5;
/// Says where input and output lie: the names of the mappings.
pub const WHERE: u8 = 6;

/// Gives the input back, and says that it is a PNG.
pub const PICTURE: u8 = 7;

/// As [`FILL`], and then dies, as soon as the output was sent.
pub const LAST: u8 = 8;

/// Returns an input of this number of bytes that does `what`.
pub fn input(what: u8, fill: u8, length: usize) -> Bytes {
    let mut bytes = vec![fill; length];
    bytes[0] = what;
    bytes.into()
}

/// Adds to a number in memory that others add to, too.
#[derive(Debug)]
pub struct Adder;

/// The number to add.
#[derive(Debug, Serialize, Deserialize)]
pub struct Add {
    /// To the first cell of this.
    pub region: SharedRegion<AtomicU32>,
    /// This number of times 1.
    pub times: u32,
    /// And then dies.
    pub then_dies: bool,
}

impl Job for Adder {
    const NAME: &'static str = "adder";
    type Input = Add;
    /// The same region.
    type Output = SharedRegion<AtomicU32>;
}
