//! `procpool batch`: lines of a file up, lines of answers down, both at once and in bounded memory.

use super::input::Source;
use super::progress::{Progress, rate};
use super::screen::Screen;
use super::{RemoteError, input, server, watch};
use crate::cli::batch::BatchArgs;
use crate::cli::remote::Form;
use procpool_client::batch::{Batch, InvalidAnswer, Tally};
use procpool_client::{Client, Ending, Streaming};
use std::path::Path;

/// Maximum length of the part of a key that names the file, in bytes. A key has at most 255, and a line's number is in it.
const LONGEST_PREFIX: usize = 234;

/// Runs the command.
pub(crate) async fn batch(args: BatchArgs) -> Result<Ending, RemoteError> {
    let mut client = server::client(&args.remote)?;
    let key_prefix = match &args.key_prefix {
        Some(prefix) => Some(prefix.clone()),
        None => args.resumable.then(|| prefix(&args.file)).transpose()?,
    };
    let Source { upload, so_far, size } = input::of_batch(&args.file)?;
    let mut batch = Batch::to(&args.pool);
    (batch.unordered, batch.key_prefix) = (args.unordered, key_prefix);
    (batch.priority, batch.tenant) = (args.share.priority, args.share.tenant);
    batch.timeout = args.timeout.map(|timeout| timeout.0);
    let resumable = batch.key_prefix.is_some();
    let answer = client.open(batch.request(upload)).await.map_err(|error| error.about(&args.pool))?;
    let mut progress = Progress::new(so_far, size, args.quiet);
    let mut tally = Tally::default();
    let ended = pass_on(&client, answer, &mut tally, &mut progress).await;
    progress.clear();
    if let Err(RemoteError::Client(reason)) = ended {
        return Err(RemoteError::BatchBroke { reason, answered: tally.answered(), resumable });
    }
    ended?;
    if !args.quiet {
        let elapsed = progress.elapsed();
        let (lines, seconds) = (tally.answered(), elapsed.as_secs_f64());
        watch::note(&format!("{lines} lines: {tally}; {seconds:.1} s, {}/s", rate(&tally, elapsed)))?;
    }
    Ok(if tally.not_ok() == 0 { Ending::Done } else { Ending::Failed })
}

/// Writes the answer to standard output as it comes. While nobody reads that, nothing is read of the server either.
async fn pass_on(
    client: &Client,
    mut answer: Streaming,
    tally: &mut Tally,
    progress: &mut Progress,
) -> Result<(), RemoteError> {
    let screen = Screen::new(Form::Json);
    while let Some(piece) = answer.next().await? {
        let taken = tally.take(&piece, |lines| {
            progress.clear();
            screen.text(lines).map_err(Stop::Remote)
        });
        taken.map_err(|stop| match stop {
            Stop::Remote(error) => error,
            Stop::Answer(error) => client.unreadable(error).into(),
        })?;
        progress.draw(tally);
    }
    // The server declares the end of its answer only behind a whole line.
    if tally.is_in_a_line() {
        return Err(client.unreadable("its last line is not whole").into());
    }
    Ok(())
}

/// Why the answer is not passed on any further.
enum Stop {
    Remote(RemoteError),
    Answer(InvalidAnswer),
}

impl From<InvalidAnswer> for Stop {
    fn from(error: InvalidAnswer) -> Self {
        Self::Answer(error)
    }
}

/// Returns the part of the keys that names the file: its whole path, as two files of the same name have different lines.
fn prefix(file: &str) -> Result<String, RemoteError> {
    let refused = |reason| RemoteError::Resume { name: file.into(), reason };
    if file == "-" {
        return Err(RemoteError::Resume { name: "standard input".into(), reason: "it has no name" });
    }
    let path = Path::new(file).canonicalize();
    let path = path.map_err(|reason| RemoteError::File { name: file.into(), reason })?;
    let path = path.to_str().filter(|path| path.bytes().all(|byte| byte.is_ascii_graphic()));
    let path = path.ok_or_else(|| refused("its path has characters that a key cannot have"))?;
    if path.len() > LONGEST_PREFIX {
        return Err(refused("its path is longer than a key may be"));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_resumed_under_its_whole_path() {
        assert_eq!(prefix("/proc/self/../version").unwrap(), "/proc/version");
        let error = prefix("-").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--key-prefix"), "{error}");
        assert!(matches!(prefix("/no/such/file"), Err(RemoteError::File { .. })));
    }
}
