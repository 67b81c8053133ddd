//! A worker executable with several jobs: see the contracts.

use procpool::worker::{Jobs, WorkerDataError};
use procpool_tests::several::{Double, Shout};
use std::process::ExitCode;

fn main() -> ExitCode {
    Jobs::new()
        .job::<Double>(|n, _| Ok(2 * n))
        .job_with::<Shout, _>(
            |startup| match startup.worker_data::<String>() {
                Err(WorkerDataError::Absent) => Ok("!".to_owned()),
                mark => Ok(mark?),
            },
            |mark, text, _| match text.as_str() {
                "" => std::process::abort(),
                text => Ok(text.to_uppercase() + mark),
            },
        )
        .serve()
}
