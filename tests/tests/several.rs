//! One executable, several jobs: every pool gets the one that it asks for, and no pool a wrong one.

use procpool::{Executable, Job, Pool, PoolBuilder, Worker};
use procpool_tests::binaries::binary;
use procpool_tests::program::{Ended, run};
use procpool_tests::server::Scratch;
use procpool_tests::several::{Double, Shout};
use serde_json::Value;

fn executable() -> Executable {
    Executable::path(binary("several")).unwrap()
}

fn pool<J: Job>() -> PoolBuilder<J> {
    Pool::<J>::builder(executable()).workers(1..=1)
}

#[tokio::test]
async fn a_typed_pool_gets_the_job_of_its_type() {
    let double = pool::<Double>().start().await.unwrap();
    let shout = pool::<Shout>().worker_data("?".to_owned()).start().await.unwrap();
    assert_eq!(double.run(21).await.unwrap(), 42);
    assert_eq!(shout.run("why".into()).await.unwrap(), "WHY?");
}

#[tokio::test]
async fn free_messages_are_answered_by_the_job_that_is_named() {
    let mut worker = Worker::<u64, u64>::builder(executable()).job("double").spawn().await.unwrap();
    worker.post(21_u64).await.unwrap();
    assert_eq!(worker.recv().await.unwrap(), 42);
    let error = Worker::<u64, u64>::builder(executable()).spawn().await.unwrap_err().to_string();
    let asked =
        "this executable has the jobs `double` and `shout`: name one of them, with `WorkerBuilder::job`";
    assert!(error.contains(asked), "{error}");
}

/// Runs one job in a pool called `words` that has these keys.
async fn run_in_pool(keys: &str, input: &str) -> Ended {
    let scratch = Scratch::new();
    let config = format!("[pools.words]\ncommand = [{:?}]\n{keys}\n", binary("several"));
    let file = scratch.write("procpool.toml", &config);
    run(binary("procpool"), &["run", "--config", file.to_str().unwrap(), "words", input]).await
}

#[tokio::test]
async fn a_pool_of_the_server_gets_the_job_that_it_names() {
    let ended = run_in_pool("job = \"shout\"", "\"hey\"").await;
    assert_eq!(ended, Ended { code: Some(0), stdout: "\"HEY!\"\n".into(), stderr: String::new() });
    let ended = run_in_pool("job = \"double\"", "21").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "42\n"), "{ended:?}");
}

#[tokio::test]
async fn a_pool_that_names_no_job_or_another_one_hears_which_there_are() {
    let ended = run_in_pool("", "21").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let asked =
        "pool `words` asks for no job by its name, and this executable has the jobs `double` and `shout`";
    assert!(ended.stderr.contains(asked), "{}", ended.stderr);
    assert!(ended.stderr.contains("`job = \"…\"` in `[pools.words]`"), "{}", ended.stderr);

    let ended = run_in_pool("job = \"whisper\"", "21").await;
    let asked = "pool `words` asks for job `whisper`, and this executable has the jobs `double` and `shout`";
    assert!(ended.code == Some(1) && ended.stderr.contains(asked), "{}", ended.stderr);
}

#[tokio::test]
async fn a_name_that_an_only_job_does_not_have_is_refused() {
    let scratch = Scratch::new();
    let config = format!("[pools.words]\ncommand = [{:?}]\njob = \"fob\"\n", binary("procpool-fib"));
    let file = scratch.write("procpool.toml", &config);
    let ended = run(binary("procpool"), &["run", "--config", file.to_str().unwrap(), "words", "21"]).await;
    let why = "the pool names job `fob`, and the executable has only job `fib`";
    assert!(ended.code == Some(1) && ended.stderr.contains(why), "{ended:?}");
}

#[tokio::test]
async fn all_jobs_are_described() {
    let ended = run(binary("several"), &["--describe"]).await;
    let described: Value = serde_json::from_str(&ended.stdout).unwrap();
    let jobs: Vec<_> = described["jobs"].as_array().unwrap().iter().map(|job| &job["job"]).collect();
    assert_eq!(jobs, ["double", "shout"]);
    let ended = run(binary("several"), &[]).await;
    let headline =
        "several: a procpool worker for job `double`, contract version 1; job `shout`, contract version 2";
    assert!(ended.code == Some(2) && ended.stderr.starts_with(headline), "{}", ended.stderr);
}

#[tokio::test]
async fn a_saved_job_is_run_again_by_its_own_function() {
    let scratch = Scratch::new();
    let saved = scratch.path().join("failed");
    let shout = pool::<Shout>().save_failed_jobs(&saved).start().await.unwrap();
    assert!(shout.run(String::new()).await.unwrap_err().crash_report().is_some());
    let file = std::fs::read_dir(&saved).unwrap().flatten().next().expect("a saved job").path();
    let ended = run(binary("several"), &["--replay", file.to_str().unwrap()]).await;
    assert_eq!(ended.code, None, "it aborts again: {ended:?}");
    let ended = run(binary("procpool-fib"), &["--replay", file.to_str().unwrap()]).await;
    let why = "it is of job `shout`, contract version 2, and this worker of `fib`, version 1";
    assert!(ended.code == Some(2) && ended.stderr.contains(why), "{ended:?}");
}
