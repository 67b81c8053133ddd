//! Reads the program headers of an ELF file: which parts of it are mapped, and where its index of call frame
//! information is. Does not read sections, which a stripped file need not have.

use crate::arch::Arch;

/// Length of the header of a file.
pub(crate) const HEADER: usize = 64;

/// Length of a program header.
const ENTRY: usize = 56;

/// Maximum number of program headers.
const MOST_ENTRIES: usize = 128;

const LOAD: u32 = 1;
const EH_FRAME: u32 = 0x6474_e550;
const EXECUTABLE: u32 = 1;

/// The parts of a file that matter to a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    segments: Vec<Segment>,
    /// The address of the index of call frame information, and its length.
    pub(crate) index: Option<(u64, u64)>,
}

/// A part of the file that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    address: u64,
    length: u64,
    executable: bool,
}

impl Elf {
    /// Reads the file through `read`, which returns the bytes at a position, or fewer.
    ///
    /// # Errors
    /// The words that finish “its file”.
    pub(crate) fn read(arch: Arch, read: impl Fn(u64, usize) -> Vec<u8>) -> Result<Self, &'static str> {
        let header = read(0, HEADER);
        let is_elf = header.starts_with(b"\x7fELF\x02\x01");
        if !is_elf || header.len() < HEADER {
            return Err("is not a 64-bit ELF file");
        }
        if u16_at(&header, 18) != Some(arch.elf_machine()) {
            return Err("is for another processor");
        }
        let damaged = "has damaged program headers";
        let (Some(at), Some(length), Some(count)) =
            (u64_at(&header, 32), u16_at(&header, 54), u16_at(&header, 56))
        else {
            return Err(damaged);
        };
        let count = usize::from(count).min(MOST_ENTRIES);
        if usize::from(length) != ENTRY {
            return Err(damaged);
        }
        let entries = read(at, count * ENTRY);
        let mut elf = Self::default();
        for entry in entries.chunks_exact(ENTRY) {
            elf.take(entry).ok_or(damaged)?;
        }
        if elf.segments.is_empty() { Err(damaged) } else { Ok(elf) }
    }

    fn take(&mut self, entry: &[u8]) -> Option<()> {
        let kind = u32_at(entry, 0)?;
        let (offset, address, length) = (u64_at(entry, 8)?, u64_at(entry, 16)?, u64_at(entry, 32)?);
        match kind {
            LOAD => {
                let executable = u32_at(entry, 4)? & EXECUTABLE != 0;
                self.segments.push(Segment { offset, address, length, executable });
            }
            EH_FRAME => self.index = Some((address, length)),
            _ => {}
        }
        Some(())
    }

    /// Returns the address that the file itself gives to the code at this position of it.
    pub(crate) fn address_of_code(&self, offset: u64) -> Option<u64> {
        self.segments.iter().filter(|segment| segment.executable).find_map(|segment| {
            let at = offset.checked_sub(segment.offset).filter(|&at| at < segment.length)?;
            segment.address.checked_add(at)
        })
    }

    /// Returns the position in the file of an address, and how many bytes follow it.
    pub(crate) fn position_of(&self, address: u64) -> Option<(u64, u64)> {
        self.segments.iter().find_map(|segment| {
            let at = address.checked_sub(segment.address).filter(|&at| at < segment.length)?;
            Some((segment.offset.checked_add(at)?, segment.length - at))
        })
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}
