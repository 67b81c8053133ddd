//! A guard against a program that is its own worker and does not serve. Each worker would run the whole
//! program, which starts a worker, and so on.

use crate::launch::StartError;
use procpool_birth::Unserved;
use procpool_protocol::Failure;

/// Rejects a start of workers in a process that was itself spawned as a worker and has not begun to serve.
/// Notifies the coordinator that spawned it at once.
///
/// A worker that serves may start workers of its own.
///
/// # Errors
/// Returns [`StartError::Unserved`], with the line that is missing.
pub fn refuse_unserved(pool: &str) -> Result<(), StartError> {
    let Some(unserved) = procpool_birth::unserved() else { return Ok(()) };
    let advice = advice(&unserved);
    procpool_birth::decline(&Failure::new(advice.clone()).with_code("does_not_serve"));
    Err(StartError::Unserved { pool: pool.into(), advice })
}

fn advice(Unserved { wanted, offered }: &Unserved) -> String {
    let started = "this program was started as a worker";
    let of = wanted.as_ref().map(|job| format!(" of job `{job}`")).unwrap_or_default();
    let missing = "procpool::worker::serve_if_spawned::<…>(…)";
    match offered.as_slice() {
        [] => format!(
            "{started}{of}, and starts workers of its own before it serves: call `{missing}` with that job \
             before this, first in `main`; a test calls it first, too, and names itself by \
             `Executable::this_test`"
        ),
        offered => format!(
            "{started}{of}, and calls `serve_if_spawned` for {} only: call `{missing}` with that job, too, \
             before this",
            offered.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_line_is_named() {
        let forgot = advice(&Unserved { wanted: None, offered: vec![] });
        assert!(forgot.contains("call `procpool::worker::serve_if_spawned::<…>(…)`"), "{forgot}");
        let other = advice(&Unserved { wanted: Some("b".into()), offered: vec!["a"] });
        assert!(other.contains("worker of job `b`") && other.contains("for `a` only"), "{other}");
    }
}
