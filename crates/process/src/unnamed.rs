//! A guard against a program that is its own worker for several jobs, and starts one without naming the
//! job: the first call of `serve_if_spawned` would serve, whichever was meant.

use crate::executable::Executable;
use crate::launch::StartError;

/// Rejects a start of this program itself for no job by its name, if it has called `serve_if_spawned` for
/// several. `place` is where the caller names one.
///
/// Arguments are a way to choose a job, too: an executable that is started with any is not judged.
///
/// # Errors
/// [`StartError::Unnamed`], with the jobs.
pub fn refuse_unnamed(pool: &str, executable: &Executable, place: &'static str) -> Result<(), StartError> {
    let is_this_program = *executable == Executable::current();
    let offered = if is_this_program { procpool_birth::offered() } else { Vec::new() };
    judge(pool, &offered, place)
}

fn judge(pool: &str, offered: &[&str], place: &'static str) -> Result<(), StartError> {
    match offered {
        [] | [_] => Ok(()),
        [first, ..] => {
            let jobs = offered.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(", ");
            Err(StartError::Unnamed { pool: pool.into(), jobs, first: (*first).into(), place })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_jobs_ask_for_a_name_and_an_only_one_needs_none() {
        assert!(judge("p", &[], "`job`").is_ok() && judge("p", &["a"], "`job`").is_ok());
        let error = judge("p", &["a", "b"], "`job`").unwrap_err().to_string();
        assert_eq!(
            error,
            "failed to start workers of `p`: this program calls `serve_if_spawned` for several jobs (`a`, `b`), \
             and `a` would serve because it comes first: name the job, with `job`"
        );
    }
}
