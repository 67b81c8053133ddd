//! Hand-made ELF files, which other tests use, too.

use super::*;
use std::io::Write;

/// An ELF file with an optional loader and an optional search path for libraries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made<'a> {
    pub(crate) number: u16,
    pub(crate) is_wide: bool,
    pub(crate) is_big_endian: bool,
    pub(crate) loader: Option<&'a str>,
    pub(crate) run_path: Option<&'a str>,
}

impl Made<'_> {
    /// For the machine that the tests run on.
    pub(crate) fn native() -> Self {
        let Machine { number, is_wide, is_big_endian } = Machine::own().unwrap();
        Self { number, is_wide, is_big_endian, loader: None, run_path: None }
    }

    fn put(&self, out: &mut Vec<u8>, value: u64, length: usize) {
        let bytes = value.to_be_bytes();
        let mut bytes = bytes[8 - length..].to_vec();
        if !self.is_big_endian {
            bytes.reverse();
        }
        out.extend(bytes);
    }

    /// One LOAD segment at address 4096 that covers the file, then the requested parts.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let word = if self.is_wide { 8 } else { 4 };
        let (header, entry) = if self.is_wide { (64_u64, 56) } else { (52, 32) };
        let loader = self.loader.map(|loader| format!("{loader}\0")).unwrap_or_default();
        let strings = self.run_path.map(|path| format!("\0{path}\0")).unwrap_or_default();
        let dynamic_size = if self.run_path.is_some() { 8 * word as u64 } else { 0 };
        let loader_at = header + 3 * entry;
        let strings_at = loader_at + loader.len() as u64;
        let dynamic_at = strings_at + strings.len() as u64;
        let end = dynamic_at + dynamic_size;

        let mut out = MAGIC.to_vec();
        out.extend([1 + u8::from(self.is_wide), 1 + u8::from(self.is_big_endian), 1]);
        out.resize(16, 0);
        self.put(&mut out, 2, 2);
        self.put(&mut out, self.number.into(), 2);
        self.put(&mut out, 1, 4);
        for value in [0, header, 0] {
            self.put(&mut out, value, word);
        }
        self.put(&mut out, 0, 4);
        for value in [header, entry, 3, 0, 0, 0] {
            self.put(&mut out, value, 2);
        }
        let none = (0, 0, 0, 0);
        let loader_entry = self.loader.map_or(none, |_| (PT_INTERP, loader_at, 0, loader.len() as u64));
        let dynamic_entry = self.run_path.map_or(none, |_| (PT_DYNAMIC, dynamic_at, 0, dynamic_size));
        for (kind, offset, address, size) in [(PT_LOAD, 0, 4096, end), loader_entry, dynamic_entry] {
            self.put(&mut out, kind, 4);
            let fields: &[u64] = if self.is_wide {
                self.put(&mut out, 5, 4);
                &[offset, address, address, size, size, 1]
            } else {
                &[offset, address, address, size, size, 5, 1]
            };
            fields.iter().for_each(|&field| self.put(&mut out, field, word));
        }
        out.extend(loader.bytes().chain(strings.bytes()));
        if self.run_path.is_some() {
            let pairs =
                [DT_STRTAB, 4096 + strings_at, DT_STRSZ, strings.len() as u64, DT_RUNPATH, 1, DT_NULL, 0];
            pairs.iter().for_each(|&value| self.put(&mut out, value, word));
        }
        out
    }

    pub(crate) fn file(&self) -> File {
        file(&self.bytes())
    }
}

fn file(bytes: &[u8]) -> File {
    let fd = rustix::fs::memfd_create("elf", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(fd);
    file.write_all(bytes).unwrap();
    file
}

const KINDS: [(bool, bool); 4] = [(true, false), (true, true), (false, false), (false, true)];

#[test]
fn every_width_and_byte_order_is_read() {
    for (is_wide, is_big_endian) in KINDS {
        let made = Made {
            number: 8,
            is_wide,
            is_big_endian,
            loader: Some("/lib/ld.so"),
            run_path: Some("/a:$ORIGIN/../lib"),
        };
        let elf = Elf::read(&made.file()).unwrap();
        assert_eq!(elf.machine.to_string(), "mips");
        assert_eq!(elf.loader, Some("/lib/ld.so".into()));
        assert!(elf.uses_origin);
        assert_eq!(elf.needs, made.bytes().len() as u64);

        let plain = Elf::read(&Made { loader: None, run_path: Some("/opt/lib"), ..made }.file()).unwrap();
        assert!(plain.loader.is_none() && !plain.uses_origin);
    }
}

#[test]
fn a_braced_origin_counts_as_well() {
    let made = Made { run_path: Some("${ORIGIN}"), ..Made::native() };
    assert!(Elf::read(&made.file()).unwrap().uses_origin);
}

#[test]
fn this_very_program_is_for_this_machine_and_whole() {
    let own = File::open("/proc/self/exe").unwrap();
    let elf = Elf::read(&own).unwrap();
    assert_eq!(Some(elf.machine), Machine::own());
    assert!(elf.needs <= own.metadata().unwrap().len() && elf.needs > 0);
    let arm = Made { number: 183, ..Made::native() };
    assert_eq!(Elf::read(&arm.file()).unwrap().machine.to_string(), "aarch64");
}

#[test]
fn a_file_that_is_cut_anywhere_is_read_without_a_panic() {
    let whole = Made { loader: Some("/lib/ld.so"), run_path: Some("$ORIGIN"), ..Made::native() }.bytes();
    for length in 0..whole.len() {
        let elf = Elf::read(&file(&whole[..length]));
        assert_eq!(elf.is_some(), length >= 20, "{length}");
    }
    let noise: Vec<u8> = whole[..24].iter().copied().chain(std::iter::repeat_n(0xff, 4000)).collect();
    assert!(Elf::read(&file(&noise)).is_some());
    assert_eq!(Elf::read(&file(b"#!/bin/sh\n")), None);
}

#[test]
fn a_kernel_of_64_bit_runs_32_bit_programs_of_its_kind() {
    let machine = |number, is_wide| Machine { number, is_wide, is_big_endian: false };
    assert!(machine(3, false).may_run_beside(&machine(62, true)));
    assert!(!machine(62, true).may_run_beside(&machine(3, false)));
    assert!(!machine(183, true).may_run_beside(&machine(62, true)));
}
