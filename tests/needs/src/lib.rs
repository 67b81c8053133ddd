//! Names what some tests need of a machine, and records each test that is skipped because its need is not met.
//!
//! A test that returns early passes, so nobody sees that it checked nothing. [`skip`] makes it visible:
//! `cargo xtask test` lists the skips at its end, and a need that [`REQUIRE`] names fails the test instead.

mod nats;
mod record;

pub use nats::nats_server;

use std::fmt::Display;

/// The environment variable with the needs that must be met, separated by commas. `all` stands for every need.
pub const REQUIRE: &str = "PROCPOOL_REQUIRE";

/// The environment variable with the directory that collects the skips. Without it a skip is only printed.
pub const SKIPS: &str = "PROCPOOL_SKIPS";

/// A need of a test that some machines lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be root, and so to start processes of other users.
    Root,
    /// Namespaces of users, mounts and processes.
    Namespaces,
    /// Control groups that limit the number of processes.
    Cgroups,
    /// Control groups that limit memory.
    Memory,
    /// The debugger gdb, and permission to trace a process.
    Gdb,
    /// The kernel's sandbox for unprivileged processes, and Python to enter it.
    Landlock,
    /// Permission to register an interpreter with the kernel (`binfmt_misc`).
    Binfmt,
    /// A file lease, which blocks every process that opens the file.
    Leases,
    /// A directory for temporary files that is neither on tmpfs nor on overlayfs.
    Disk,
    /// The image library libpng 1.6.
    Libpng,
    /// Node.js 18 or later.
    Node,
    /// The tools of systemd, which check units.
    Systemd,
    /// The client curl.
    Curl,
    /// The load generator h2load.
    H2load,
    /// The client httpx for Python, with HTTP/2.
    Httpx,
    /// A Node.js that has the `EventSource` of browsers.
    EventSource,
    /// The browser Chromium, and Node.js 20 to drive it.
    Chromium,
    /// The tool promtool of Prometheus.
    Promtool,
    /// The rules of axe-core about pages that everybody can use, in `tests/clients/node_modules`.
    Axe,
    /// The server nats-server, 2.12 or later: on the search path, in `target/nats`, or by `PROCPOOL_NATS_SERVER`.
    Nats,
}

impl Need {
    /// Every need.
    pub const ALL: [Self; 20] = [
        Self::Root,
        Self::Namespaces,
        Self::Cgroups,
        Self::Memory,
        Self::Gdb,
        Self::Landlock,
        Self::Binfmt,
        Self::Leases,
        Self::Disk,
        Self::Libpng,
        Self::Node,
        Self::Systemd,
        Self::Curl,
        Self::H2load,
        Self::Httpx,
        Self::EventSource,
        Self::Chromium,
        Self::Promtool,
        Self::Axe,
        Self::Nats,
    ];

    /// Returns its name in [`REQUIRE`] and in the list of skips.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Namespaces => "namespaces",
            Self::Cgroups => "cgroups",
            Self::Memory => "memory",
            Self::Gdb => "gdb",
            Self::Landlock => "landlock",
            Self::Binfmt => "binfmt",
            Self::Leases => "leases",
            Self::Disk => "disk",
            Self::Libpng => "libpng",
            Self::Node => "node",
            Self::Systemd => "systemd",
            Self::Curl => "curl",
            Self::H2load => "h2load",
            Self::Httpx => "httpx",
            Self::EventSource => "eventsource",
            Self::Chromium => "chromium",
            Self::Promtool => "promtool",
            Self::Axe => "axe",
            Self::Nats => "nats",
        }
    }

    /// Reads a list as it stands in [`REQUIRE`].
    ///
    /// # Errors
    /// The message names the word that is no need, and the words that are.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(Self::named).collect::<Result<Vec<_>, _>>().map(|needs| needs.concat())
    }

    fn named(word: &str) -> Result<Vec<Self>, String> {
        if word == "all" {
            return Ok(Self::ALL.into());
        }
        let need = Self::ALL.into_iter().find(|need| need.name() == word);
        need.map(|need| vec![need]).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{REQUIRE} names `{word}`; there are: all, {names}")
        })
    }
}

/// Records that the calling test is skipped: `need` is not met, and `why` says how that shows. The test returns after it.
///
/// # Panics
/// If [`REQUIRE`] names the need, or if the skip cannot be recorded.
#[track_caller]
pub fn skip(need: Need, why: impl Display) {
    let required =
        Need::list(&std::env::var(REQUIRE).unwrap_or_default()).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        !required.contains(&need),
        "{REQUIRE} asks for `{}`, and it cannot be had here: {why}",
        need.name()
    );
    let test = std::thread::current().name().unwrap_or("a test without a name").to_owned();
    record::Skip { need: need.name().into(), test, why: why.to_string() }.record();
}

/// Reads the skips that a directory has collected, sorted, each once. A line each, with test, need and reason.
///
/// # Errors
/// When the directory or a file in it cannot be read.
pub fn recorded(dir: &std::path::Path) -> std::io::Result<Vec<String>> {
    record::all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_needs_is_read_and_an_unknown_word_refused_by_name() {
        assert_eq!(Need::list(" root,gdb ,"), Ok(vec![Need::Root, Need::Gdb]));
        assert_eq!(Need::list("all").unwrap(), Need::ALL);
        assert_eq!(Need::list(""), Ok(Vec::new()));
        let error = Need::list("root,firefox").unwrap_err();
        assert!(error.contains("`firefox`") && error.contains("namespaces"), "{error}");
    }

    #[test]
    fn every_need_has_a_name_of_its_own() {
        for need in Need::ALL {
            assert_eq!(Need::list(need.name()), Ok(vec![need]));
        }
    }
}
