//! The next command after an error, as a clause that begins with `; `. Knows names of commands, and runs none.

use crate::address::Address;
use crate::problem::Problem;

/// Returns the next command after a problem with `pool`, if one is known.
#[must_use]
pub fn after(problem: &Problem, pool: Option<&str>) -> String {
    let pool = problem.pool.as_deref().or(pool);
    if let Some(file) = problem.replay() {
        return format!("; `procpool replay {file}` runs it again, on the server's machine");
    }
    match (problem.name(), problem.reason.as_deref()) {
        ("unknown_pool", _) | (_, Some("unknown_pool")) => "; `procpool pool list` shows the pools".into(),
        ("refused", Some("breaker_open")) => about(pool, "worker list", "shows what became of its workers"),
        ("refused", Some("client_quarantined")) => cleared(pool),
        ("refused", Some("queue_full" | "queue_bytes_full" | "deadline_unreachable" | "no_slot_in_time")) => {
            format!("{}{}", again(problem), about(pool, "pool show", "shows its queue"))
        }
        ("refused", Some("input_too_large")) | ("body_too_large", _) => about(pool, "pool show", "shows the pool"),
        ("poisoned", _) => cleared(pool),
        ("refused" | "overloaded" | "not_ready" | "too_many_streams" | "quota_exceeded", _) => {
            let retry = again(problem);
            if retry.is_empty() { "; `procpool pool list` shows what runs".into() } else { retry }
        }
        ("unauthorized" | "unauthenticated", _) => {
            "; name a token with --token-file, or in PROCPOOL_TOKEN".into()
        }
        ("not_local" | "forbidden", _) => {
            "; ask at the server's orders socket (--server unix:/PATH), or with the token of an operator (--token-file)"
                .into()
        }
        ("reload_failed", _) => about(pool, "pool show", "shows what is in service"),
        ("timed_out", _) => "; `--timeout` gives a job more time, up to the pool's `max_timeout`".into(),
        ("unknown_job", _) => "; `procpool job list` shows the jobs that the server remembers".into(),
        ("idempotency_conflict", _) => of_job(problem, "job result", "waits for it"),
        ("job_finished", _) => of_job(problem, "job result", "prints its output"),
        ("result_expired", _) => of_job(problem, "job rerun", "runs it again"),
        ("unknown_worker" | "worker_gone", _) => "; `procpool worker list` shows the workers".into(),
        ("settings_changed", _) => about(pool, "pool show", "shows its settings"),
        ("bad_input", _) => about(pool, "pool show", "shows the schema of its input, if it has one"),
        _ => String::new(),
    }
}

/// Returns the next command where no server answers at `server`.
#[must_use]
pub fn no_server(server: &Address) -> String {
    match server {
        Address::Unix(_) => {
            "; `procpool serve --listen unix:/PATH` starts a server, and --server or PROCPOOL_SERVER names another".into()
        }
        Address::Tcp { .. } => {
            "; `procpool serve` starts a server, and --server or PROCPOOL_SERVER names another".into()
        }
    }
}

/// Returns when to send the job again, if the server said that.
fn again(problem: &Problem) -> String {
    match problem.retry_after {
        Some(seconds) => format!("; it did not run: try again in {seconds} s"),
        None => String::new(),
    }
}

fn of_job(problem: &Problem, command: &str, does: &str) -> String {
    match &problem.job {
        Some(job) => format!("; `procpool {command} {job}` {does}"),
        None => String::new(),
    }
}

fn cleared(pool: Option<&str>) -> String {
    about(pool, "pool quarantine", "shows why, and clears it with --clear")
}

fn about(pool: Option<&str>, command: &str, does: &str) -> String {
    match pool {
        Some(pool) => format!("; `procpool {command} {pool}` {does}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, reason: Option<&str>) -> Problem {
        Problem {
            r#type: format!("/problems/{name}"),
            reason: reason.map(Into::into),
            retry_after: Some(2),
            ..Problem::default()
        }
    }

    #[test]
    fn refusals_name_the_command_that_shows_why() {
        let of = |reason| after(&problem("refused", Some(reason)), Some("fib"));
        assert_eq!(of("unknown_pool"), "; `procpool pool list` shows the pools");
        assert_eq!(
            of("queue_full"),
            "; it did not run: try again in 2 s; `procpool pool show fib` shows its queue"
        );
        assert!(of("breaker_open").contains("`procpool worker list fib`"));
        assert!(of("client_quarantined").contains("`procpool pool quarantine fib`"));
        assert!(of("of a later server").contains("try again in 2 s"));
    }

    #[test]
    fn a_saved_job_is_run_again_whatever_the_problem_is() {
        let crashed = Problem { replay: Some("/jobs/fib-1.job".into()), ..problem("crashed", None) };
        assert!(after(&crashed, None).contains("`procpool replay /jobs/fib-1.job`"));
    }

    #[test]
    fn an_order_that_needs_a_proof_says_how_to_give_one() {
        assert!(after(&problem("not_local", None), None).contains("--server unix:/PATH"));
        assert!(no_server(&Address::implied(None, |_| false)).contains("`procpool serve`"));
    }

    #[test]
    fn a_job_of_an_earlier_request_is_named() {
        let conflict = Problem { job: Some("8f3a".into()), ..problem("idempotency_conflict", None) };
        assert_eq!(after(&conflict, Some("fib")), "; `procpool job result 8f3a` waits for it");
        assert_eq!(after(&problem("result_expired", None), None), "");
    }

    #[test]
    fn a_failure_of_the_job_itself_needs_no_command() {
        assert_eq!(after(&problem("failed", None), Some("fib")), "");
    }
}
