//! Finds out whether an interpreter registered in the kernel (`binfmt_misc`) runs a file: Java, Wine, another
//! processor's programs. Reads the kernel's register. Does not: register anything.

use super::script::HEAD;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The directory of the kernel's register, if it is mounted here.
const REGISTER: &str = "/proc/sys/fs/binfmt_misc";

/// One entry of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// The name's extension, without the dot.
    Extension(Vec<u8>),
    Magic {
        offset: usize,
        magic: Vec<u8>,
        mask: Option<Vec<u8>>,
    },
}

/// Returns whether an enabled entry matches the file at `path`, which begins with `head`.
pub(crate) fn takes(path: &Path, head: &[u8]) -> bool {
    is_on(Path::new(REGISTER)) && rules(Path::new(REGISTER)).iter().any(|rule| rule.takes(path, head))
}

fn is_on(register: &Path) -> bool {
    fs::read_to_string(register.join("status")).is_ok_and(|status| status.trim() == "enabled")
}

fn rules(register: &Path) -> Vec<Rule> {
    let Ok(entries) = fs::read_dir(register) else { return Vec::new() };
    let texts =
        entries.flatten().filter(|entry| !matches!(entry.file_name().to_str(), Some("status" | "register")));
    texts.filter_map(|entry| Rule::of(&fs::read_to_string(entry.path()).ok()?)).collect()
}

impl Rule {
    /// Returns `None` for an entry that is disabled.
    fn of(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        if text.lines().next() != Some("enabled") {
            return None;
        }
        if let Some(extension) = value("extension") {
            return Some(Self::Extension(extension.trim_start_matches('.').into()));
        }
        Some(Self::Magic {
            offset: value("offset")?.parse().ok()?,
            magic: bytes(value("magic")?)?,
            mask: value("mask").map(bytes).unwrap_or_default(),
        })
    }

    fn takes(&self, path: &Path, head: &[u8]) -> bool {
        match self {
            Self::Extension(wanted) => path.extension().map(OsStr::as_bytes) == Some(wanted.as_slice()),
            Self::Magic { offset, magic, mask } => {
                // The kernel pads the beginning of a short file with zeros.
                let mut whole = [0; HEAD];
                let length = head.len().min(HEAD);
                whole[..length].copy_from_slice(&head[..length]);
                let there = whole.get(*offset..).and_then(|rest| rest.get(..magic.len()));
                let mask_at =
                    |at: usize| mask.as_ref().and_then(|mask| mask.get(at)).copied().unwrap_or(0xff);
                there.is_some_and(|there| {
                    there.iter().zip(magic).enumerate().all(|(at, (a, b))| (a ^ b) & mask_at(at) == 0)
                })
            }
        }
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.trim().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: OCF\noffset 0\n\
                        magic 7f454c4602010100000000000000000002\nmask ffffffffffffff00fffffffffffffffffe\n";

    fn takes(text: &str, name: &str, head: &[u8]) -> bool {
        Rule::of(text).is_some_and(|rule| rule.takes(Path::new(name), head))
    }

    #[test]
    fn a_magic_is_compared_where_it_lies_under_its_mask() {
        let mut head = *b"\x7fELF\x02\x01\x01\x09\0\0\0\0\0\0\0\0\x03\0";
        assert!(takes(QEMU, "worker", &head), "masked bytes are any");
        head[4] = 1;
        assert!(!takes(QEMU, "worker", &head));
        assert!(!takes(QEMU, "worker", b"\x7fELF"), "too short");
        let later = "enabled\ninterpreter /bin/x\nflags: \noffset 3\nmagic 6162\n";
        assert!(takes(later, "w", b"...ab") && !takes(later, "w", b"ab..."));
    }

    #[test]
    fn an_extension_is_that_of_the_name() {
        let jar = "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n";
        assert!(takes(jar, "/a/worker.jar", b"PK") && !takes(jar, "/a/jar", b"PK"));
    }

    #[test]
    fn a_disabled_entry_takes_nothing() {
        assert_eq!(Rule::of(&QEMU.replace("enabled", "disabled")), None);
    }

    #[test]
    fn no_register_has_no_rules() {
        assert!(!is_on(Path::new("/nowhere")) && rules(Path::new("/nowhere")).is_empty());
    }
}
