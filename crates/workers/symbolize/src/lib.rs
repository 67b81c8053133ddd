//! Names calls by the debug information and the symbols of their files. Everything in a file may be wrong or
//! hostile. Names have bounds; time and memory have those of the pool that this worker is in.

#[cfg(test)]
mod damage;
mod function;
mod symbols;

use addr2line::Loader;
use procpool_protocol::symbols::{MOST_CALLS, MOST_INLINED, MOST_NAME, Name, Names, Request};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

/// Maximum number of files that are kept open for the next request.
const MOST_FILES: usize = 32;

/// Maximum length of all names of an answer together, in bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// The words after the path of a file whose functions have names, by its symbols, and perhaps no lines.
const DAMAGED: &str = "has damaged debug information, so that lines and inlined calls are missing";

/// The files that were read.
#[derive(Default)]
pub struct Symbolizer {
    files: HashMap<Key, Loader>,
}

/// A file in one state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// A file of a request.
#[derive(Debug)]
enum Opened {
    /// It is open, with its debug information.
    Whole(Key),
    /// The names of some addresses, by the symbols alone.
    Symbols(HashMap<u64, String>),
    /// It cannot be used.
    Not,
}

impl std::fmt::Debug for Symbolizer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Symbolizer").field("files", &self.files.len()).finish()
    }
}

impl Symbolizer {
    /// Returns the names of the calls, as far as their files have them.
    pub fn name(&mut self, request: &Request) -> Names {
        let mut names = Names::default();
        let calls = request.calls.get(..MOST_CALLS).unwrap_or(&request.calls);
        let numbered = (0_u32..).zip(&request.files);
        let files: Vec<_> = numbered
            .map(|(number, path)| {
                let addresses =
                    calls.iter().filter(|&&(file, _)| file == number).map(|&(_, address)| address);
                self.open(path, addresses, &mut names.notes)
            })
            .collect();
        let mut room = MOST_BYTES;
        for &(number, address) in calls {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let found = match files.get(number) {
                Some(Opened::Whole(key)) => {
                    let loader = self.files.get(key);
                    let (found, error) = loader.map(|it| names_of(it, address)).unwrap_or_default();
                    if let Some(error) = error {
                        note(&mut names.notes, format!("{} {DAMAGED}: {error}", request.files[number]));
                    }
                    found
                }
                Some(Opened::Symbols(symbols)) => symbols
                    .get(&address)
                    .map(|name| Name::new(Some(short(name)), None, None))
                    .into_iter()
                    .collect(),
                Some(Opened::Not) | None => Vec::new(),
            };
            let length = found.iter().map(length).sum();
            let Some(rest) = room.checked_sub(length) else {
                names.notes.push("the names of the functions are too long".into());
                break;
            };
            room = rest;
            names.calls.push(found);
        }
        names
    }

    /// Opens a file, unless it is open. Notes why it cannot be used, or not all of it. Of a file whose debug
    /// information has no use, the symbols of these addresses are found.
    fn open(&mut self, path: &str, addresses: impl Iterator<Item = u64>, notes: &mut Vec<String>) -> Opened {
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file);
        let Some(metadata) = metadata else {
            notes.push(format!("{path} cannot be read by the process that names functions"));
            return Opened::Not;
        };
        let key = Key {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            // Not the time of modification, which the owner of the file can set to what it was.
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        if self.files.contains_key(&key) {
            return Opened::Whole(key);
        }
        // One unit that cannot be read is an error for all of the file.
        match Loader::new(path) {
            Ok(loader) => {
                if self.files.len() >= MOST_FILES {
                    self.files.clear();
                }
                self.files.insert(key.clone(), loader);
                Opened::Whole(key)
            }
            Err(error) => match symbols::find(path, addresses) {
                Some(found) => {
                    notes.push(format!("{path} {DAMAGED}: {error}"));
                    Opened::Symbols(found)
                }
                None => {
                    notes.push(format!("{path} has unusable debug information: {error}"));
                    Opened::Not
                }
            },
        }
    }
}

fn note(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// Returns the names of a call, and why debug information has not all of them.
fn names_of(loader: &Loader, address: u64) -> (Vec<Name>, Option<String>) {
    let mut names = Vec::new();
    // Only the kernel has addresses in the upper half. The search adds to an address, without a check.
    if i64::try_from(address).is_err() {
        return (names, None);
    }
    // An error ends the search. Earlier frames count.
    let mut why = None;
    match loader.find_frames(address) {
        Err(error) => why = Some(error.to_string()),
        Ok(mut frames) => {
            while names.len() < MOST_INLINED {
                let frame = match frames.next() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => {
                        why = Some(error.to_string());
                        break;
                    }
                };
                let function = frame.function.and_then(|function| Some(short(&function.demangle().ok()?)));
                let location = frame.location.as_ref();
                let file = location.and_then(|location| location.file).map(short);
                let line = location.and_then(|location| location.line).filter(|&line| line > 0);
                names.push(Name::new(function, file, line));
            }
        }
    }
    // The outermost is the function that was compiled, whose symbol is known without debug information.
    let symbol = loader.find_symbol(address).map(|name| addr2line::demangle_auto(Cow::from(name), None));
    let Some(symbol) = symbol else { return (names, why) };
    match names.last_mut() {
        Some(last) => {
            let name = last.function.as_deref().map_or(&*symbol, |bare| function::whole(bare, &symbol));
            last.function = Some(short(name));
        }
        None => names.push(Name::new(Some(short(&symbol)), None, None)),
    }
    (names, why)
}

fn short(name: &str) -> String {
    let end = (0..=name.len().min(MOST_NAME)).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    name[..end].to_owned()
}

fn length(name: &Name) -> usize {
    [&name.function, &name.file].into_iter().flatten().map(String::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> String {
        std::env::current_exe().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_file_without_a_meaning_has_a_note_and_no_names() {
        let files = vec!["/nowhere".into(), "/dev/zero".into(), "/proc/self/status".into(), own()];
        let request = Request::new(files, vec![(0, 1), (2, 1), (3, u64::MAX), (9, 7)]);
        let names = Symbolizer::default().name(&request);
        assert_eq!(names.calls, vec![Vec::new(); 4]);
        assert_eq!(names.notes.len(), 3, "{:?}", names.notes);
    }

    /// Returns the position in its file of an address of this program, as a debugger counts.
    fn position(address: u64) -> u64 {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let own = own();
        let start = maps.lines().find(|line| line.ends_with(&own)).and_then(|line| line.split('-').next());
        address - u64::from_str_radix(start.unwrap(), 16).unwrap()
    }

    #[inline(never)]
    fn somewhere() -> u32 {
        std::hint::black_box(std::process::id())
    }

    /// With a profile of line tables only, debug information has a name without a path.
    #[test]
    fn a_function_has_its_path_whatever_the_debug_information_has() {
        somewhere();
        let request = Request::new(vec![own()], vec![(0, position(somewhere as *const () as u64))]);
        let names = Symbolizer::default().name(&request);
        let name = names.calls[0].last().and_then(|name| name.function.clone());
        assert_eq!(name.as_deref(), Some("procpool_symbolize::tests::somewhere"), "{names:?}");
    }

    /// One file of a tebibyte without contents, and one whose sections say that they are larger than it.
    #[test]
    fn files_that_are_larger_than_what_is_in_them_have_notes_or_no_names() {
        let path = |name: &str| std::env::temp_dir().join(format!("procpool-{name}-{}", std::process::id()));
        let (empty, claims) = (path("empty"), path("claims"));
        fs::File::create(&empty).unwrap().set_len(1 << 40).unwrap();
        let mut bytes = fs::read(own()).unwrap();
        let at = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
        // The length of each section, 32 bytes into its header.
        for header in bytes[at..].chunks_exact_mut(64) {
            header[32..40].fill(0x7f);
        }
        fs::write(&claims, bytes).unwrap();
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let request = Request::new(vec![text(&empty), text(&claims)], vec![(0, 1), (1, 4096)]);
        let names = Symbolizer::default().name(&request);
        let [_, _] = [fs::remove_file(&empty), fs::remove_file(&claims)].map(Result::unwrap);
        assert_eq!(names.calls, vec![Vec::new(); 2]);
        assert!(
            !names.notes.is_empty() && names.notes.iter().all(|note| note.contains("unusable")),
            "{names:?}"
        );
    }

    #[test]
    fn names_are_cut_at_a_character() {
        let long = format!("{}é", "x".repeat(MOST_NAME - 1));
        assert_eq!(short(&long).len(), MOST_NAME - 1);
        assert_eq!(short("short"), "short");
    }

    #[test]
    fn the_number_of_open_files_and_of_calls_is_bounded() {
        let mut symbolizer = Symbolizer::default();
        let request = Request::new(vec![own()], vec![(0, u64::MAX); MOST_CALLS + 1]);
        assert_eq!(symbolizer.name(&request).calls.len(), MOST_CALLS);
        assert_eq!(symbolizer.files.len(), 1);
    }
}
