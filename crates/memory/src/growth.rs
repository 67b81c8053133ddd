//! Keeps files within this process's limit on their size (`ulimit -f`). The system answers a write beyond it
//! with an error and sends SIGXFSZ. The default action of that signal ends the process: a large payload would
//! end a service. A library changes no signal handlers, so it checks first.

use crate::rlimit;
use rustix::process::Resource;
use std::fs::File;
use std::io::{self, Write};

/// A file would become longer than this process may make one.
#[derive(Debug, thiserror::Error)]
#[error(
    "File too large: {end} bytes are more than this process may write to one ({limit}: `ulimit -f`, LimitFSIZE=)"
)]
struct TooLong {
    end: u64,
    limit: u64,
}

/// Checks that a file may reach `end`, in bytes.
///
/// # Errors
/// Returns [`FileTooLarge`](io::ErrorKind::FileTooLarge) where the system would return it and send the
/// signal.
pub fn check(end: u64) -> io::Result<()> {
    // If a filter hides the limit, assume that there is none.
    within(rlimit::own(Resource::Fsize).ok().and_then(|own| own.current), end)
}

fn within(limit: Option<u64>, end: u64) -> io::Result<()> {
    match limit.filter(|&limit| limit < end) {
        Some(limit) => Err(io::Error::new(io::ErrorKind::FileTooLarge, TooLong { end, limit })),
        None => Ok(()),
    }
}

/// A file that is written from its beginning on, within the limit.
#[derive(Debug)]
pub struct Growing {
    file: File,
    length: u64,
}

impl From<File> for Growing {
    /// Requires `file` to be empty.
    fn from(file: File) -> Self {
        Self { file, length: 0 }
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check(self.length.saturating_add(bytes.len() as u64))?;
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::born::BornArena;
    use crate::input::InputWriter;
    use crate::output::OutputReader;
    use crate::page::PageReader;
    use std::process::Command;

    #[test]
    fn a_process_whose_files_may_not_grow_lives_on() {
        let asks = "growth::tests::asks_for_longer_files_than_it_may_have";
        let script = "ulimit -f 64 && exec \"$0\" \"$@\"";
        let mut limited = Command::new("/bin/sh");
        limited.args(["-c", script]).arg(std::env::current_exe().unwrap());
        let ended = limited.args([asks, "--exact", "--ignored", "--test-threads=1"]).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }

    #[test]
    #[ignore = "run by another test, in a process of its own whose limit is 32 KiB"]
    fn asks_for_longer_files_than_it_may_have() {
        const LIMIT: usize = 32 << 10;
        check(LIMIT as u64).unwrap();
        let refused =
            |result: io::Result<()>| assert_eq!(result.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        refused(InputWriter::create("test", LIMIT + 1).map(drop));
        refused(OutputReader::create("test", LIMIT + 1).map(drop));
        refused(PageReader::create("test", LIMIT as u64 + 1).map(drop));
        let page = PageReader::create("test", LIMIT as u64).unwrap();
        refused(page.write(LIMIT as u64, b"x"));
        let born = BornArena::create("test").unwrap();
        born.grow(LIMIT).unwrap();
        born.write(&[7; LIMIT]).unwrap();
        refused(born.grow(LIMIT + 1));
        refused(born.write(&[7; LIMIT + 1]));
    }

    #[test]
    fn a_file_may_be_as_long_as_the_limit_and_no_longer() {
        assert!(within(None, u64::MAX).is_ok() && within(Some(100), 100).is_ok());
        let error = within(Some(100), 101).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(
            error.to_string().contains("101 bytes") && error.to_string().contains("100: `ulimit -f`"),
            "{error}"
        );
    }
}
