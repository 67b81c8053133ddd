//! Mistakes that `procpool check` finds without starting anything, and those for which it starts a worker.

use procpool_tests::binaries::{binary, install};
use procpool_tests::program::{Ended, finish};
use procpool_tests::server::Scratch;
use std::path::Path;
use tokio::process::Command;

async fn check(config: &Path) -> Ended {
    check_with(&[], config).await
}

async fn check_with(flags: &[&str], config: &Path) -> Ended {
    let mut command = Command::new(binary("procpool"));
    finish(command.arg("check").args(flags).arg("--config").arg(config).current_dir("/")).await
}

#[tokio::test]
async fn a_missing_interpreter_is_an_error_with_the_line_of_the_command() {
    let scratch = Scratch::new();
    install(&scratch.path().join("worker"), "#!/no/such/interpreter\n");
    let config = scratch.write("p.toml", "[pools.a]\ncommand = [\"./worker\"]\n");
    let ended = check(&config).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let place = format!("error: {}:2:11: ", config.display());
    assert!(ended.stderr.starts_with(&place), "{}", ended.stderr);
    assert!(ended.stderr.contains("its interpreter /no/such/interpreter does not exist"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_limit_that_cannot_be_set_is_an_error() {
    let scratch = Scratch::new();
    let text = "[pools.a]\ncommand = [\"/bin/true\"]\nopen_files_limit = 1099511627776\n";
    let ended = check(&scratch.write("p.toml", text)).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let words = "workers of pool `a` cannot be started here: open_files_limit = 1099511627776 is more";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[tokio::test]
async fn an_argument_that_names_a_file_beside_the_configuration_is_a_warning() {
    let scratch = Scratch::new();
    let worker = scratch.write("w.py", "");
    let config = scratch.write("p.toml", "[pools.a]\ncommand = [\"/bin/sh\", \"-u\", \"./w.py\"]\n");
    let ended = check(&config).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("ok: 1 pool\n"), "{}", ended.stdout);
    let place = format!("warning: {}:2:11: the argument `./w.py` is passed on as it is", config.display());
    assert!(ended.stderr.starts_with(&place), "{}", ended.stderr);
    assert!(ended.stderr.contains(worker.to_str().unwrap()), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1);

    let config = scratch
        .write("q.toml", "[pools.a]\ncommand = [\"/bin/sh\", \"-u\", \"./w.py\"]\ncurrent_dir = \".\"\n");
    let ended = check(&config).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// Checks a pool called `words` of the executable with several jobs, with this line in its table.
async fn check_several(flags: &[&str], line: &str) -> Ended {
    let scratch = Scratch::new();
    let config = format!("[pools.words]\ncommand = [{:?}]\n{line}\n", binary("several"));
    check_with(flags, &scratch.write("p.toml", &config)).await
}

#[tokio::test]
async fn a_missing_or_wrong_job_is_an_error_with_the_jobs_once_a_worker_may_be_started() {
    let jobs = "this executable has the jobs `double` and `shout`: name one of them, with `job = \"…\"` in \
                `[pools.words]`";
    for (line, asked) in
        [("", "asks for no job by its name"), ("job = \"whisper\"", "asks for job `whisper`")]
    {
        let ended = check_several(&[], line).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "it starts nothing");
        let ended = check_several(&["--start"], line).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains(&format!("pool `words` {asked}, and {jobs}")), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    let ended = check_several(&["--start"], "job = \"double\"").await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains(" (job double, "), "{}", ended.stdout);
}

#[tokio::test]
async fn a_started_worker_tells_its_job_and_neither_attached_ones_nor_saved_jobs_are_touched() {
    let scratch = Scratch::new();
    let fib = binary("procpool-fib");
    let config = format!(
        "[server]\nattach_dir = \"attached\"\n[pools.far]\nattach = true\n\
         [pools.near]\ncommand = [{fib:?}]\nsave_failed_jobs = \"failed\"\nsave_history = 2\n"
    );
    let config = scratch.write("p.toml", &config);
    let ended = check_with(&["--start"], &config).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains(&format!("  near: {} (job fib, ", fib.display())), "{}", ended.stdout);
    assert!(!scratch.path().join("failed").exists() && !scratch.path().join("attached").exists());
}

#[tokio::test]
async fn a_schema_that_is_none_is_a_warning_once_a_worker_may_be_started() {
    let scratch = Scratch::new();
    let fib = binary("procpool-fib");
    let config = format!("[pools.odd]\ncommand = [{:?}]\n[pools.fib]\ncommand = [{fib:?}]\n", binary("odd"));
    let ended = check_with(&["--start"], &scratch.write("p.toml", &config)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warnings: Vec<_> = ended.stderr.lines().collect();
    let [input, output] = warnings[..] else { panic!("{ended:?}") };
    let words = "warning: pool `odd`: /openapi.json: the input schema is left out: it is no JSON Schema: \
                 `/properties/n/type` needs a type";
    assert!(input.starts_with(words), "{input}");
    assert!(output.contains("a part of the output schema is left out: `/$ref`"), "{output}");
}
