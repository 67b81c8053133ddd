//! A crash from report to fix: a job's recursion exhausts the stack. The pool saves the job, the worker runs it again
//! alone, and with the fix the same input is refused. `cargo run --example crash_to_fix`
#![allow(clippy::print_stdout)] // an example talks to the person who runs it

use procpool::worker::serve_if_spawned;
use procpool::{Executable, Failure, JobError, Pool, job};
use std::path::Path;
use std::process::Command;

job!(Depth, "depth", String => usize);

/// The fix: the maximum depth. Without it there is none, as before the fix.
const FIX: &str = "MAX_DEPTH";

/// Returns how deep the brackets of a text nest.
fn depth(rest: &mut std::str::Bytes<'_>, level: usize, max: usize) -> Result<usize, Failure> {
    if level > max {
        return Err(Failure::new(format!("brackets nest deeper than {max}")).with_code("too_deep"));
    }
    let mut deepest = level;
    while let Some(byte) = rest.next() {
        match byte {
            b'[' => deepest = deepest.max(depth(rest, level + 1, max)?),
            b']' => break,
            _ => {}
        }
    }
    Ok(deepest)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let max = std::env::var(FIX).map_or(Ok(usize::MAX), |text| text.parse())?;
    // Works where a pool spawned this process, and where the last arguments are `--replay FILE`.
    serve_if_spawned::<Depth>(|text, _| depth(&mut text.bytes(), 0, max));
    debug()
}

#[tokio::main(flavor = "current_thread")]
async fn debug() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("crash-to-fix-{}", std::process::id()));
    let pool = Pool::<Depth>::builder(Executable::current()).save_failed_jobs(&dir).start().await?;
    println!("a usual input: {}", pool.run("[[][[]]]".into()).await?);

    // 1. The report says how the worker died, and which file holds the job.
    let hostile = "[".repeat(1_000_000);
    let Err(error @ JobError::Crashed(_)) = pool.run(hostile.clone()).await else {
        return Err("the hostile input did no harm".into());
    };
    let file = error.replay().ok_or("the job was not saved")?;
    println!("the report: {error}\nthe saved job: {}", file.display());

    // 2. The worker itself runs the file, as a process of its own. Add `gdb --args` in front of it.
    println!("without the fix, {}", replay(file, &[])?);

    // 3. The same file after the fix, and the same input in a pool.
    println!("with the fix, {}", replay(file, &[(FIX, "100")])?);
    let fixed = Pool::<Depth>::builder(Executable::current()).env(FIX, "100").start().await?;
    println!("a pool with the fix: {:?}", fixed.run(hostile).await.map_err(|error| error.to_string()));
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// Runs a saved job again, and returns how its process ended.
fn replay(file: &Path, env: &[(&str, &str)]) -> std::io::Result<String> {
    let mut worker = Command::new(std::env::current_exe()?);
    let ended = worker.arg("--replay").arg(file).envs(env.iter().copied()).output()?;
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let said: Vec<_> = stderr.lines().filter(|line| !line.is_empty()).collect();
    Ok(format!("--replay ends with {}:\n    {}", ended.status, said.join("\n    ")))
}
