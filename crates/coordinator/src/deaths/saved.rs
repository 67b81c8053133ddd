//! The files of failed jobs whose workers are not dead yet: a job that reaches its deadline is saved before its worker
//! is killed. Bounded.

use procpool_protocol::JobId;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Maximum number of files.
const FILES: usize = 256;

/// See the file.
#[derive(Debug, Default)]
pub(super) struct SavedFiles(VecDeque<(JobId, PathBuf)>);

impl SavedFiles {
    /// Keeps the file of a job, and forgets the oldest one if there are too many.
    pub(super) fn keep(&mut self, job: JobId, file: &Path) {
        if self.0.len() == FILES {
            self.0.pop_front();
        }
        self.0.push_back((job, file.to_owned()));
    }

    pub(super) fn take(&mut self, job: JobId) -> Option<PathBuf> {
        let at = self.0.iter().rposition(|(it, _)| *it == job)?;
        self.0.remove(at).map(|(_, file)| file)
    }
}
