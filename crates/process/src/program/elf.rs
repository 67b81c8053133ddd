//! Reads the relevant parts of an ELF file before it is started: its machine and its loader. Also whether it
//! looks for libraries beside itself, and whether the file is complete.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

const MAGIC: &[u8] = b"\x7fELF";
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// Maximum size of each table that is read, in bytes. Linkers write a few hundred.
const MAX_TABLE: u64 = 1024 * 1024;

/// The kind of processor that a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    number: u16,
    is_wide: bool,
    is_big_endian: bool,
}

/// An ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elf {
    pub(crate) machine: Machine,
    /// The loader, which the kernel starts instead. `None` for a static program.
    pub(crate) loader: Option<PathBuf>,
    /// It looks for libraries in directories that are named relative to its own (`$ORIGIN`).
    pub(crate) uses_origin: bool,
    /// The minimum size of the file, in bytes.
    pub(crate) needs: u64,
}

/// A program header.
#[derive(Clone, Copy, Debug)]
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

impl Elf {
    /// Returns `None` if the file is not an ELF file, or its header is incomplete.
    pub(crate) fn read(file: &File) -> Option<Self> {
        let machine = Machine::of(file)?;
        let reader = Reader { file, machine };
        let segments = reader.segments().unwrap_or_default();
        let loads = segments.iter().filter(|segment| segment.kind == PT_LOAD);
        let needs = loads.map(|segment| segment.offset.saturating_add(segment.size)).max();
        Some(Self {
            machine,
            loader: reader.loader(&segments),
            uses_origin: reader.uses_origin(&segments).unwrap_or(false),
            needs: needs.unwrap_or(0),
        })
    }
}

impl Machine {
    /// Returns the machine of this process, or `None` if its own executable cannot be read.
    pub(crate) fn own() -> Option<Self> {
        static OWN: OnceLock<Option<Machine>> = OnceLock::new();
        *OWN.get_or_init(|| Self::of(&File::open("/proc/self/exe").ok()?))
    }

    /// Returns whether a kernel that runs `own` usually runs this machine's programs, too, as 64-bit kernels
    /// run 32-bit programs.
    pub(crate) fn may_run_beside(&self, own: &Self) -> bool {
        let pair = (own.number, self.number);
        self == own
            || self.is_big_endian == own.is_big_endian && matches!(pair, (62, 3 | 62) | (183, 40) | (21, 20))
    }

    fn of(file: &File) -> Option<Self> {
        let mut head = [0; 20];
        file.read_exact_at(&mut head, 0).ok()?;
        let (is_wide, is_big_endian) = (head[4] == 2, head[5] == 2);
        let is_known = (1..=2).contains(&head[4]) && (1..=2).contains(&head[5]);
        let number = [head[18], head[19]];
        let number = if is_big_endian { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) };
        (head.starts_with(MAGIC) && is_known).then_some(Self { number, is_wide, is_big_endian })
    }
}

/// Writes the name that compilers use.
impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.number, self.is_wide) {
            (3, _) => "x86 (32 bit)",
            (8, _) => "mips",
            (20, _) => "powerpc",
            (21, _) if self.is_big_endian => "powerpc64",
            (21, _) => "powerpc64le",
            (22, _) => "s390x",
            (40, _) => "arm",
            (62, true) => "x86_64",
            (62, false) => "x86_64 (x32)",
            (183, true) => "aarch64",
            (183, false) => "aarch64 (ilp32)",
            (243, true) => "riscv64",
            (243, false) => "riscv32",
            (258, _) => "loongarch64",
            (number, _) => return write!(out, "the processor with ELF number {number}"),
        };
        out.write_str(name)
    }
}

/// Reads numbers of an ELF file in the byte order and width of its header.
struct Reader<'a> {
    file: &'a File,
    machine: Machine,
}

impl Reader<'_> {
    /// Returns the number of `length` bytes at `at`.
    fn number(&self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.machine.is_big_endian {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        })
    }

    /// Returns a field, whose place and length differ between the 64-bit form and the 32-bit form.
    fn field(&self, bytes: &[u8], wide: (usize, usize), narrow: (usize, usize)) -> Option<u64> {
        let (at, length) = if self.machine.is_wide { wide } else { narrow };
        self.number(bytes, at, length)
    }

    fn table(&self, offset: u64, size: u64) -> Option<Vec<u8>> {
        let mut table = vec![0; usize::try_from(size.min(MAX_TABLE)).ok()?];
        self.file.read_exact_at(&mut table, offset).ok()?;
        Some(table)
    }

    fn segments(&self) -> Option<Vec<Segment>> {
        let head = self.table(0, if self.machine.is_wide { 64 } else { 52 })?;
        let start = self.field(&head, (32, 8), (28, 4))?;
        let size = self.field(&head, (54, 2), (42, 2))?;
        let count = self.field(&head, (56, 2), (44, 2))?;
        let table = self.table(start, size * count)?;
        let each = table.chunks_exact(usize::try_from(size).ok().filter(|&size| size > 0)?);
        each.map(|entry| {
            Some(Segment {
                kind: self.number(entry, 0, 4)?,
                offset: self.field(entry, (8, 8), (4, 4))?,
                address: self.field(entry, (16, 8), (8, 4))?,
                size: self.field(entry, (32, 8), (16, 4))?,
            })
        })
        .collect()
    }

    fn contents(&self, segments: &[Segment], kind: u64) -> Option<Vec<u8>> {
        let segment = segments.iter().find(|segment| segment.kind == kind)?;
        self.table(segment.offset, segment.size)
    }

    fn loader(&self, segments: &[Segment]) -> Option<PathBuf> {
        let name = self.contents(segments, PT_INTERP)?;
        Some(OsStr::from_bytes(until_nul(&name)).into())
    }

    fn uses_origin(&self, segments: &[Segment]) -> Option<bool> {
        let dynamic = self.contents(segments, PT_DYNAMIC)?;
        let length = if self.machine.is_wide { 8 } else { 4 };
        let pairs = dynamic.chunks_exact(2 * length);
        let pairs =
            pairs.map_while(|pair| Some((self.number(pair, 0, length)?, self.number(pair, length, length)?)));
        let entries: Vec<_> = pairs.take_while(|&(tag, _)| tag != DT_NULL).collect();
        let value = |wanted| entries.iter().find(|&&(tag, _)| tag == wanted).map(|&(_, value)| value);

        let address = value(DT_STRTAB)?;
        let holds = |it: &&Segment| {
            it.kind == PT_LOAD && (it.address..it.address.saturating_add(it.size)).contains(&address)
        };
        let segment = segments.iter().find(holds)?;
        let strings = self.table(segment.offset + (address - segment.address), value(DT_STRSZ)?)?;
        let paths = [DT_RPATH, DT_RUNPATH].into_iter().filter_map(value);
        let mut texts = paths.filter_map(|at| Some(until_nul(strings.get(usize::try_from(at).ok()?..)?)));
        Some(texts.any(|text| {
            [&b"$ORIGIN"[..], b"${ORIGIN}"]
                .iter()
                .any(|word| text.windows(word.len()).any(|part| part == *word))
        }))
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&c| c == 0).next().unwrap_or_default()
}

/// Opens the file at `path` without waiting, in case it is a pipe without a writer.
pub(crate) fn open(path: &std::path::Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
pub(crate) mod tests;
