//! Room for connections and workers: as many open files as the system lets this process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one.
///
/// The usual soft limit, 1024, is for programs that use `select`. Left at that, clients that merely hold
/// connections open could keep workers from being started.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "failed to raise the limit of open files");
    }
}
