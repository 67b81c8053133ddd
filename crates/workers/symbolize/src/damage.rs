//! Debug information with damage in it: an executable of two units in C, of which the first is changed. Its functions
//! keep their names, by its symbols.

use crate::{DAMAGED, Symbolizer};
use object::{Object, ObjectSection, ObjectSymbol};
use procpool_protocol::symbols::{Names, Request};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// An executable with debug information, and the addresses of its functions.
struct Built {
    directory: PathBuf,
    bytes: Vec<u8>,
    calls: Vec<(u32, u64)>,
}

impl Built {
    /// Compiles it. The linker of this test is a compiler for C as well.
    fn create(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("procpool-symbolize-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = |name: &str| directory.join(name);
        fs::write(path("one.c"), "int one(int x) { return x + 1; }\n").unwrap();
        fs::write(path("two.c"), "int one(int);\nint main(void) { return one(2); }\n").unwrap();
        let mut compiler = Command::new("cc");
        compiler.current_dir(&directory).args(["-g", "-gz=none", "-O0", "-o", "whole", "one.c", "two.c"]);
        assert!(compiler.status().unwrap().success());
        let bytes = fs::read(path("whole")).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let address = |name| file.symbols().find(|it| it.name() == Ok(name)).unwrap().address();
        let calls = ["one", "main"].map(|name| (0, address(name))).to_vec();
        Self { directory, bytes, calls }
    }

    /// Returns the names of both functions, by a copy with other bytes in a section.
    fn names_with(&self, section: &str, change: impl FnOnce(&mut [u8])) -> (Names, String) {
        let file = object::File::parse(&*self.bytes).unwrap();
        let (at, length) = file.section_by_name(section).unwrap().file_range().unwrap();
        let [at, length] = [at, length].map(|it| usize::try_from(it).unwrap());
        let mut bytes = self.bytes.clone();
        change(&mut bytes[at..at + length]);
        let path = self.directory.join("damaged");
        // Another file, as two changes within a tick of the clock are one to the symbolizer.
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (Symbolizer::default().name(&Request::new(vec![path.clone()], self.calls.clone())), path)
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Returns the name of each function, and whether its line is known.
fn functions(names: &Names) -> Vec<(&str, bool)> {
    let last = names.calls.iter().map(|call| call.last().unwrap());
    last.map(|name| (name.function.as_deref().unwrap(), name.line.is_some())).collect()
}

#[test]
fn a_file_with_damaged_debug_information_still_names_its_functions() {
    let built = Built::create("damaged");
    let (whole, _) = built.names_with(".debug_info", |_| {});
    assert_eq!(functions(&whole), [("one", true), ("main", true)], "{whole:?}");
    assert!(whole.notes.is_empty(), "{whole:?}");
    type Change = fn(&mut [u8]);
    let cases: [(&str, Change); 5] = [
        // The version of the first unit; its length; all of it.
        (".debug_info", |bytes| bytes[4..6].fill(0xff)),
        (".debug_info", |bytes| bytes[..4].copy_from_slice(&[0xee, 0xff, 0xff, 0xff])),
        (".debug_info", |bytes| bytes.fill(0)),
        (".debug_abbrev", |bytes| bytes.fill(0xff)),
        (".debug_abbrev", |bytes| bytes.fill(0)),
    ];
    for (number, (section, change)) in cases.into_iter().enumerate() {
        let (names, path) = built.names_with(section, change);
        let found: Vec<_> = functions(&names).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, ["one", "main"], "{number} {section}: {names:?}");
        // Units without abbreviations are left out without an error.
        assert_eq!(names.notes.len(), usize::from(section == ".debug_info"), "{number}: {names:?}");
        assert!(names.notes.iter().all(|note| note.starts_with(&format!("{path} {DAMAGED}: "))), "{names:?}");
    }
}

/// Some damage is found when the unit is looked into, and some costs names without an error.
#[test]
fn damage_within_a_unit_costs_that_unit_alone() {
    let built = Built::create("unit");
    let mut told = 0;
    for at in 12..80 {
        let (names, path) = built.names_with(".debug_info", |bytes| bytes[at..at + 8].fill(0xff));
        let found = functions(&names);
        assert_eq!((found[0].0, found[1]), ("one", ("main", true)), "{at}: {names:?}");
        told += names.notes.len();
        assert!(
            names.notes.iter().all(|note| note.starts_with(&format!("{path} {DAMAGED}: "))),
            "{at}: {names:?}"
        );
    }
    assert!(told > 0);
    // The version of the first unit's table of lines.
    let (names, _) = built.names_with(".debug_line", |bytes| bytes[4..6].fill(0xff));
    assert_eq!(functions(&names), [("one", false), ("main", true)], "{names:?}");
}
