//! Names functions by the symbols of a file alone, for a file whose debug information cannot be read.

use object::Object;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

/// Maximum length of such a file, in bytes: it is read whole. The pool limits the memory of this process.
const MOST_FILE: u64 = 256 * 1024 * 1024;

/// Returns the names of the functions at these addresses, where symbols have them. `None` if the file is too long,
/// or not an executable.
pub(crate) fn find(path: &str, addresses: impl Iterator<Item = u64>) -> Option<HashMap<u64, String>> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    if length > MOST_FILE {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MOST_FILE).read_to_end(&mut bytes).ok()?;
    let symbols = object::File::parse(&*bytes).ok()?.symbol_map();
    let name = |address| {
        let symbol = symbols.containing(address)?.name();
        Some((address, addr2line::demangle_auto(Cow::from(symbol), None).into_owned()))
    };
    Some(addresses.filter_map(name).collect())
}
