//! An `address_space_limit` under which Node does not start: V8 reserves much more address space than it uses.

use std::path::Path;

/// Address space with which every version of Node starts, and has some to work with, in bytes.
const ENOUGH: u64 = 2 << 30;

/// Returns a warning if this program is Node and its limit is too low for that.
pub(super) fn starved(program: &Path, address_space_limit: Option<u64>) -> Option<&'static str> {
    let name = program.file_name()?.to_str()?;
    let version = name.strip_prefix("node")?;
    let is_node = version == "js" || version.chars().all(|c| c.is_ascii_digit() || c == '.');
    (is_node && address_space_limit? < ENOUGH).then_some(
        "Node reserves up to 1.6 GiB of address space before it runs a line, and does not start with less; use \
         memory_limit instead, which counts memory in use",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_with_little_address_space_is_told_of_the_other_limit() {
        let says = |program: &str, limit| starved(Path::new(program), limit);
        for program in ["/usr/bin/node", "/usr/bin/nodejs", "node20", "/opt/node-x/bin/node18.1"] {
            assert!(
                says(program, Some(512 << 20)).unwrap().contains("use memory_limit instead"),
                "{program}"
            );
            assert_eq!(says(program, Some(2 << 30)), None);
            assert_eq!(says(program, None), None);
        }
        for program in ["/usr/bin/python3", "./nodes", "/usr/bin/node-worker", "/"] {
            assert_eq!(says(program, Some(512 << 20)), None, "{program}");
        }
    }
}
