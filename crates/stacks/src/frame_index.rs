//! Finds the call frame information of an address: a binary search in `.eh_frame_hdr`, which linkers sort,
//! and the two records that it leads to. Reads a few blocks of the file, however large it is.

use crate::elf::{Elf, u32_at};

/// Maximum length of a record. Real ones have some dozen bytes, and large functions a few thousand.
pub(crate) const MOST_RECORD: u32 = 64 * 1024;

/// Version 1, a pointer, a count of four bytes, and entries relative to the index: what every linker writes.
const COUNT_IS_U32: u8 = 0x03;
const ENTRIES_ARE_RELATIVE_I32: u8 = 0x3b;

/// The two records of a function, one after the other, as a small `.eh_frame` of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// The record that several functions share, then the one of this function.
    pub(crate) bytes: Vec<u8>,
    /// Where in `bytes` the function's own record begins.
    pub(crate) own_at: usize,
    /// The address of the first of the bytes, had they been there.
    pub(crate) address: u64,
    /// The address of the function, as the index has it.
    pub(crate) function: u64,
}

/// Returns the records for an address, or `None` if the index has none for it.
///
/// # Errors
/// The words that finish “its file”.
pub(crate) fn find(
    elf: &Elf,
    address: u64,
    read: impl Fn(u64, usize) -> Vec<u8>,
) -> Result<Option<Records>, &'static str> {
    let Some((index, length)) = elf.index else { return Err("has no index of call frame information") };
    let at_address = |address, length: usize| {
        let (at, available) = elf.position_of(address)?;
        let length = length.min(usize::try_from(available).unwrap_or(usize::MAX));
        Some(read(at, length))
    };
    let damaged = "has damaged call frame information";
    let header = at_address(index, 12).filter(|header| header.len() == 12).ok_or(damaged)?;
    let &[1, pointer, COUNT_IS_U32, ENTRIES_ARE_RELATIVE_I32, ..] = &*header else {
        return Err("has an unusual index of call frame information");
    };
    // The pointer to the records is not needed, only its length: four bytes, or eight.
    let skip: u64 = if pointer & 0x0f == 0x0b || pointer & 0x0f == 0x03 { 8 } else { 12 };
    let count = index.checked_add(skip).and_then(|at| at_address(at, 4));
    let count = count.and_then(|count| u32_at(&count, 0)).ok_or(damaged)?;
    if u64::from(count) > length / 8 {
        return Err(damaged);
    }
    let table = index.wrapping_add(skip + 4);
    let entry = |number: u32| {
        let entry = at_address(table.checked_add(u64::from(number) * 8)?, 8)?;
        Some((relative(index, u32_at(&entry, 0)?), relative(index, u32_at(&entry, 4)?)))
    };
    // The last function that begins at the address or before it.
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        let (start, _) = entry(middle).ok_or(damaged)?;
        if start <= address { low = middle + 1 } else { high = middle }
    }
    let Some(number) = low.checked_sub(1) else {
        // In a sorted table the last function is not the first one as well. One of zeros has no other sign.
        return match count {
            0 => Err("has an empty index of call frame information"),
            1 => Ok(None),
            _ if entry(0) == entry(count - 1) => Err(damaged),
            _ => Ok(None),
        };
    };
    let (function, own) = entry(number).ok_or(damaged)?;
    records(function, own, at_address).map(Some).ok_or(damaged)
}

fn relative(base: u64, distance: u32) -> u64 {
    base.wrapping_add_signed(i64::from(distance.cast_signed()))
}

fn records(start: u64, own: u64, at_address: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Option<Records> {
    let record = |address| {
        let length = u32_at(&at_address(address, 4)?, 0)?;
        let length = usize::try_from((4..=MOST_RECORD).contains(&length).then_some(length)?).ok()? + 4;
        at_address(address, length).filter(|record| record.len() == length)
    };
    let mut function = record(own)?;
    let common = record(own.wrapping_add(4).wrapping_sub(u64::from(u32_at(&function, 4)?)))?;
    // The distance between the two records is now the length of the first.
    let distance = u32::try_from(common.len() + 4).ok()?;
    function.get_mut(4..8)?.copy_from_slice(&distance.to_le_bytes());
    let (own_at, address) = (common.len(), own.wrapping_sub(common.len() as u64));
    Some(Records { bytes: [common, function].concat(), own_at, address, function: start })
}
