//! Opens an executable on a thread that may block, because its disk may hang.

use super::StartError;
use crate::clock;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Calls `open`, which opens the executable at `path`, without blocking the caller's thread.
///
/// A call that hangs blocks its thread: dropping the runtime waits for it.
///
/// # Errors
/// Returns [`StartError::Hangs`] when it takes longer than `timeout`, or another error if the runtime shuts
/// down.
///
/// # Panics
/// When `open` panics.
pub async fn opened<T: Send + 'static>(
    path: &Path,
    timeout: Duration,
    open: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let opening = tokio::task::spawn_blocking(open);
    match clock::timeout(timeout, opening).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(StartError::Spawn { path: path.to_owned(), reason: io::Error::other(error) }),
        },
        Err(_) => Err(StartError::Hangs { path: path.to_owned(), timeout }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_in_time_is_an_error_with_its_name() {
        let (release, hangs) = mpsc::channel::<()>();
        let open = move || hangs.recv().unwrap_or_default();
        let error = opened(Path::new("/nfs/worker"), Duration::from_millis(10), open).await.unwrap_err();
        assert!(error.to_string().starts_with("the system did not start /nfs/worker within 10ms"), "{error}");
        drop(release);
    }
}
