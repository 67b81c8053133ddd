//! Several jobs in one executable: the job that a coordinator gets, and the error if there is none.

use super::*;
use crate::offers::Jobs;
use procpool_protocol::message::failure_of;

fn both() -> Jobs<'static> {
    Jobs::new().job::<Number>(|n, _| Ok(2 * n)).job_with::<Raw, _>(|_| Ok(1), |_, bytes, _| Ok(bytes))
}

fn asking(job: Option<&str>) -> Welcome {
    Welcome { job: job.map(str::to_owned), ..welcome(Mode::Jobs) }
}

#[test]
fn a_worker_serves_the_job_that_its_pool_asks_for() {
    for job in ["number", "raw"] {
        assert_eq!(both().chosen_name(&asking(Some(job))), Ok(job));
    }
}

#[test]
fn a_pool_that_asks_for_none_of_several_is_told_which_there_are() {
    let refusal = both().chosen_name(&asking(None)).unwrap_err();
    assert_eq!(
        refusal,
        "pool `numbers` asks for no job by its name, and this executable has the jobs `number` and `raw`: name one of \
         them, with `job = \"…\"` in `[pools.numbers]`, or by the type of the pool"
    );
    let refusal = both().chosen_name(&asking(Some("letters"))).unwrap_err();
    assert!(
        refusal.starts_with("pool `numbers` asks for job `letters`, and this executable has the"),
        "{refusal}"
    );
    let refusal = Jobs::new().chosen_name(&asking(None)).unwrap_err();
    assert!(refusal.contains("this executable has no job"), "{refusal}");
}

#[test]
fn whether_an_only_job_is_wanted_is_its_pools_to_judge() {
    for job in [None, Some("number"), Some("letters")] {
        assert_eq!(Jobs::new().job::<Number>(|n, _| Ok(n)).chosen_name(&asking(job)), Ok("number"));
    }
}

#[test]
#[should_panic = "the job `number` was added twice"]
fn a_name_is_used_once() {
    let _ = both().job::<Number>(|n, _| Ok(n));
}

#[test]
fn a_worker_that_declines_says_so_instead_of_hello() {
    let (mut jobs, their_jobs) = Wire::pair();
    let (_control, their_control) = Wire::pair();
    jobs.open(&json_frame(Kind::Welcome, &asking(None)).unwrap());
    let opening = Opening::read(Sockets { jobs: their_jobs.into(), control: their_control.into() }).unwrap();
    opening.decline(&Failure::new("name one").with_code("job"));
    assert_eq!(jobs.reader.preamble().unwrap(), Some(Preamble::ours()));
    assert_eq!(failure_of(&jobs.hear(Kind::StartFailed)).unwrap().message(), "name one");
}
