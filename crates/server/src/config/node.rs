//! A `memory_limit` under which Node does not start: it limits address space, and V8 reserves much more of that than it
//! uses.

use std::path::Path;

/// Address space with which every version of Node starts, and has some to work with, in bytes.
const ENOUGH: u64 = 2 << 30;

/// Returns a warning if this program is Node and its limit is too low for that.
pub(super) fn starved(program: &Path, memory_limit: Option<u64>) -> Option<&'static str> {
    let name = program.file_name()?.to_str()?;
    let version = name.strip_prefix("node")?;
    let is_node = version == "js" || version.chars().all(|c| c.is_ascii_digit() || c == '.');
    (is_node && memory_limit? < ENOUGH).then_some(
        "memory_limit is a limit of address space, of which Node reserves up to 1.6 GiB before it runs a line; leave it \
         out and limit Node's heap, such as [\"node\", \"--max-old-space-size=512\", …]",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_with_little_address_space_is_told_of_its_heap() {
        let says = |program: &str, limit| starved(Path::new(program), limit);
        for program in ["/usr/bin/node", "/usr/bin/nodejs", "node20", "/opt/node-x/bin/node18.1"] {
            assert!(says(program, Some(512 << 20)).unwrap().contains("--max-old-space-size"), "{program}");
            assert_eq!(says(program, Some(2 << 30)), None);
            assert_eq!(says(program, None), None);
        }
        for program in ["/usr/bin/python3", "./nodes", "/usr/bin/node-worker", "/"] {
            assert_eq!(says(program, Some(512 << 20)), None, "{program}");
        }
    }
}
