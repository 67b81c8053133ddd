//! Which of two names of a function to show. Debug information of line tables only has `step`, and the symbol has
//! `physics::step`.

/// Returns the name of the symbol if it is that of debug information with a path before it, or else the latter.
/// A symbol is found by its position, and may be that of a neighbour: then its last part is another one.
pub(crate) fn whole<'a>(bare: &'a str, symbol: &'a str) -> &'a str {
    let is_bare = path_and_last(bare).0.is_empty();
    let (path, last) = path_and_last(symbol);
    let is_same = key(last) == key(path_and_last(bare).1);
    if is_bare && !path.is_empty() && is_same { symbol } else { bare }
}

/// Splits a name at its last `::` that is outside of all brackets. `<A as B>::c<D::E>` has the last part `c<D::E>`.
fn path_and_last(name: &str) -> (&str, &str) {
    let (mut depth, mut at) = (0_usize, 0);
    let bytes = name.as_bytes();
    for (here, byte) in bytes.iter().enumerate() {
        match byte {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            // `->` is no bracket.
            b'>' if here > 0 && bytes[here - 1] == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(here + 1) == Some(&b':') => at = here + 2,
            _ => {}
        }
    }
    (&name[..at], &name[at..])
}

/// Returns what both names of a function have in common: no parameters, and one word for all closures.
fn key(last: &str) -> &str {
    if last.starts_with('{') && last.contains("closure") {
        return "{closure}";
    }
    let end = last.find(['<', '(', ' ']).filter(|&end| end > 0).unwrap_or(last.len());
    &last[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_gets_its_path_from_the_symbol() {
        for (bare, symbol) in [
            ("step", "physics::step"),
            ("step<u32>", "physics::step"),
            ("{closure#0}", "physics::step::{{closure}}"),
            ("fmt", "<physics::World as core::fmt::Display>::fmt"),
            ("sort", "physics::sort(int, std::vector<int>)"),
            ("call_once<fn() -> u8, ()>", "core::ops::FnOnce::call_once"),
        ] {
            assert_eq!(whole(bare, symbol), symbol);
        }
    }

    #[test]
    fn a_name_that_is_whole_stays_and_so_does_one_whose_symbol_is_a_neighbours() {
        for (name, symbol) in [
            ("crash_writes_null", "crash_writes_null"),
            ("physics::step<u32>", "physics::step"),
            ("step", "physics::stop"),
            ("step", "step"),
            ("step", ""),
            ("", "physics::step"),
            ("{closure#0}", "physics::step"),
            ("\u{e9}::", "::<<<((("),
        ] {
            assert_eq!(whole(name, symbol), name);
        }
    }

    #[test]
    fn the_hash_at_the_end_of_a_legacy_name_is_cut() {
        let mangled = "_ZN7physics4step17h0123456789abcdefE";
        assert_eq!(addr2line::demangle_auto(mangled.into(), None), "physics::step");
    }
}
