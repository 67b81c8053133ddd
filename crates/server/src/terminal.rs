//! Finds out whether this process has a controlling terminal, which ends it when it is closed.

/// Returns whether there is a controlling terminal, whatever the standard streams are redirected to. Where
/// `/proc` does not say, there is none.
pub(crate) fn is_there() -> bool {
    std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| has_terminal(&stat))
}

/// Reads the number of the terminal's device, the fifth field behind the name; 0 is no device.
fn has_terminal(stat: &str) -> bool {
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').nth(4).and_then(|device| device.parse::<i32>().ok()).is_some_and(|device| device != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_stands_behind_the_name_whatever_that_is() {
        assert!(has_terminal("17 (procpool) S 16 17 17 34816 17 4194304 1"));
        assert!(!has_terminal("17 (procpool) S 16 17 17 0 -1 4194304 1"));
        assert!(!has_terminal("17 (a) b 1 2 3 4 5) S 16 17 17 0 -1 4194304 1"));
        assert!(!has_terminal("") && !has_terminal("17 (procpool) S"));
    }
}
