//! Compiles every Rust block of the README and of the guide as a doc test, and compares the guide's tables with the
//! code. Not part of the library.

/// The README, for its blocks of Rust.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// The pages of the guide that have blocks of Rust.
macro_rules! pages {
    ($($name:ident: $page:literal),* $(,)?) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../../docs/", $page))]
            pub struct $name;
        )*

        #[cfg(test)]
        const PAGES: &[&str] = &[$($page),*];
    };
}

pages! {
    AttachedWorkers: "attached-workers.md",
    Batch: "batch.md",
    Debugging: "debugging.md",
    DurableJobs: "durable-jobs.md",
    ErrorsToHttp: "errors-to-http.md",
    LargePayloads: "large-payloads.md",
    Library: "library.md",
    NativeLibraries: "native-libraries.md",
    Testing: "testing.md",
    WritingAWorker: "writing-a-worker.md",
}

#[cfg(test)]
mod tests {
    use crate::error::{Exit, ExitReport, PayloadError, Refusal, Refused, Stage};
    use crate::{CrashReport, Encoding, Failure, JobError, JobId, PoolLimits};
    use procpool_protocol::limits;
    use std::path::Path;
    use std::time::Duration;
    use std::{env, fs};

    const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
    const LIMITS: &str = include_str!("../../../docs/limits.md");
    const OUTCOMES: &str = include_str!("../../../docs/outcomes.md");

    /// Returns the cells of the rows of `page` whose first cell begins with `first`.
    fn rows(page: &'static str, first: &str) -> Vec<Vec<&'static str>> {
        let cells = |line: &'static str| -> Vec<&str> { line.split('|').skip(1).map(str::trim).collect() };
        let tables = page.lines().filter(|line| line.starts_with('|'));
        tables.map(cells).filter(|cells| cells.first().is_some_and(|cell| cell.starts_with(first))).collect()
    }

    /// Returns the second cell of the only row of `page` that begins with `first`.
    fn second(page: &'static str, first: &str) -> &'static str {
        let rows = rows(page, first);
        assert_eq!(rows.len(), 1, "rows of {first}: {rows:?}");
        rows[0][1]
    }

    #[test]
    fn every_page_with_rust_is_compiled() {
        let package = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
        let docs = Path::new(&package).join("../../docs");
        let has_rust = |page: &Path| {
            let is_page = page.extension().is_some_and(|extension| extension == "md");
            is_page && fs::read_to_string(page).expect("a page").contains("```rust")
        };
        let entries = fs::read_dir(docs).expect("the guide").map(|entry| entry.expect("a file").path());
        let with_rust = entries.filter(|page| has_rust(page));
        let mut names: Vec<_> =
            with_rust.map(|page| page.file_name().expect("a name").to_string_lossy().into_owned()).collect();
        names.sort();
        assert_eq!(names, super::PAGES, "name each in `pages!` above");
    }

    /// Writes a duration as the guide does.
    fn written(duration: Duration) -> String {
        match duration.subsec_millis() {
            0 => format!("{} s", duration.as_secs()),
            _ => format!("{} ms", duration.as_millis()),
        }
    }

    fn mebibytes(bytes: u32) -> String {
        format!("{} MiB", bytes >> 20)
    }

    #[test]
    fn the_limits_of_a_pool_are_the_codes() {
        let limits = PoolLimits::default();
        let none = |is_none: bool| if is_none { "none" } else { "some" }.to_owned();
        let bound = |bound: Option<Duration>| bound.map_or_else(|| "none".into(), written);
        for (key, default) in [
            ("`min_workers`", limits.min_workers.to_string()),
            ("`queue`", limits.queue.to_string()),
            ("`queue_bytes`", format!("{} MiB", limits.queue_bytes >> 20)),
            ("`timeout`", bound(limits.timeout)),
            ("`run_timeout`", bound(limits.run_timeout)),
            ("`max_timeout`", format!("{}, or `timeout` if longer", bound(limits.longest_timeout()))),
            ("`grace`", written(limits.grace)),
            ("`stop_timeout`", written(limits.stop_timeout)),
            ("`start_timeout`", written(limits.start_timeout)),
            ("`max_payload`", mebibytes(limits.max_payload)),
            ("`idempotent`", limits.idempotent.unwrap_or(false).to_string()),
            ("`max_attempts`", limits.max_attempts.to_string()),
            ("`saved_jobs`", limits.saved_jobs.to_string()),
            ("`save_history`", limits.save_history.to_string()),
            ("`admission`", limits.admission.to_string()),
            ("`spares`", limits.supervision.spares.to_string()),
            ("`idle_timeout`", bound(limits.supervision.idle_timeout)),
            ("`process_per_job`", limits.supervision.process_per_job.to_string()),
            ("`recycle_jobs`", none(limits.supervision.recycle_jobs.is_none())),
            ("`recycle_lifetime`", bound(limits.supervision.recycle_lifetime)),
            ("`recycle_memory`", none(limits.supervision.recycle_memory.is_none())),
            ("`breaker_failures`", limits.supervision.breaker_failures.to_string()),
            ("`breaker_window`", written(limits.supervision.breaker_window)),
            ("`poison_window`", written(limits.supervision.poison_window)),
            ("`retry_out_of_memory`", limits.supervision.retry_out_of_memory.to_string()),
            ("`memory_limit`", none(limits.worker.memory_limit.is_none())),
            ("`address_space_limit`", none(limits.worker.address_space_limit.is_none())),
            ("`cpu_limit`", bound(limits.worker.cpu_limit)),
            ("`open_files_limit`", none(limits.worker.open_files_limit.is_none())),
            ("`process_limit`", none(limits.worker.process_limit.is_none())),
            ("`file_size_limit`", none(limits.worker.file_size_limit.is_none())),
            ("`nice`", limits.worker.nice.to_string()),
        ] {
            assert_eq!(second(CONFIGURATION, key), default, "{key}");
        }
    }

    #[test]
    fn the_limits_of_the_wire_are_the_codes() {
        assert_eq!(second(LIMITS, "header message of a frame"), format!("{} KiB", limits::MAX_HEADER >> 10));
        assert_eq!(second(LIMITS, "one chunk of a stream"), mebibytes(limits::MAX_CHUNK));
        assert_eq!(second(LIMITS, "chunks that a job may be ahead"), limits::CHUNK_CREDIT.to_string());
        assert_eq!(second(LIMITS, "text of an error or panic"), format!("{} KiB", limits::MAX_TEXT >> 10));
        let depth = format!("{} levels (JSON: {})", limits::MAX_DEPTH, limits::MAX_DEPTH - 1);
        assert_eq!(second(LIMITS, "nesting of a typed value"), depth);
    }

    /// Returns the error of every outcome that is one, as it is with a worker.
    fn errors(stage: Stage) -> Vec<JobError> {
        let death = ExitReport::new("fib-0", 1, Exit::Code(1));
        let limit = Duration::from_secs(1);
        vec![
            JobError::bad_input(""),
            JobError::Failed(Failure::new("no")),
            JobError::Broke(Failure::new("no").as_broken()),
            JobError::panicked("", None),
            JobError::Crashed(Box::new(CrashReport::new(JobId::from_bits(1), stage, death))),
            JobError::timed_out(stage, limit),
            JobError::cancelled(stage),
            JobError::protocol(""),
            JobError::output_too_large(2, 1),
            JobError::Output(PayloadError::wrong_encoding("JSON", Encoding::Bytes)),
            JobError::poisoned(stage, 3, limit),
            JobError::shut_down(stage),
        ]
    }

    #[test]
    fn the_table_of_outcomes_is_the_codes() {
        for (running, queued) in errors(Stage::Running).into_iter().zip(errors(Stage::Queued)) {
            let variant: String =
                format!("{running:?}").chars().take_while(char::is_ascii_alphabetic).collect();
            let variant = format!("`JobError::{variant}`");
            let rows: Vec<_> =
                rows(OUTCOMES, "`").into_iter().filter(|row| row.get(1) == Some(&&*variant)).collect();
            assert_eq!(rows.len(), 1, "rows of {variant}");
            let (first, status, may_have_run) = (rows[0][0], rows[0][2], rows[0][3]);
            assert!(first.starts_with(&format!("`{}`", running.name())), "{first}");
            assert_eq!(status, running.http_status().to_string(), "{first}");
            let expected = match (running.may_have_run(), queued.may_have_run()) {
                (true, true) => "yes",
                (true, false) => "yes; no if `stage` is `queued`",
                (false, _) => "no",
            };
            assert_eq!(may_have_run, expected, "{first}");
        }
    }

    #[test]
    fn the_table_of_refusals_is_the_codes() {
        let limit = Duration::from_secs(1);
        for reason in [
            Refusal::queue_full(1),
            Refusal::queue_bytes_full(9, 2, 10),
            Refusal::breaker_open(limit, ""),
            Refusal::Starting,
            Refusal::ShuttingDown,
            Refusal::RuntimeEnded,
            Refusal::unknown_pool(Vec::new()),
            Refusal::input_too_large(2, 1),
            Refusal::no_slot_in_time(limit),
            Refusal::InputEncoding(String::new()),
            Refusal::Forked,
            Refusal::NotDurable,
            Refusal::store_busy(0),
            Refusal::large_inputs_full(0),
            Refusal::StoreFull,
            Refusal::store_broken(""),
            Refusal::not_supported(""),
            Refusal::engine_unreachable("", false),
        ] {
            let row = format!("`{}`", reason.name());
            let error = JobError::from(Refused::new("fib", reason));
            assert_eq!(second(OUTCOMES, &row), error.http_status().to_string(), "{row}");
        }
    }
}
