//! Jobs that start a worker executable as a tool: it is no worker by accident.

use procpool_tests::binaries::binary;
use procpool_tests::library::verbs;
use procpool_tests::program::run;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;

#[tokio::test]
async fn a_worker_executable_that_a_job_starts_explains_itself() {
    let pool = verbs(1).start().await.unwrap();
    let scratch = Scratch::new();
    let told = scratch.path().join("told.txt");
    // Another pool's executable, and the one that the job itself is run by.
    for (name, job) in [("procpool-fib", "fib"), ("verbs", "verbs")] {
        let line = format!("{} 2> {}", binary(name).display(), told.display());
        assert_eq!(pool.run(Verb::Shell(line)).await.unwrap(), "exit status: 2", "{name}");
        let told = std::fs::read_to_string(&told).unwrap();
        assert!(told.contains(&format!("a procpool worker for job `{job}`")), "{name}: {told}");
    }
    let line = format!("{} --help > {}", binary("procpool-fib").display(), told.display());
    assert_eq!(pool.run(Verb::Shell(line)).await.unwrap(), "exit status: 0");
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test]
async fn a_program_that_is_its_own_worker_is_none_when_a_job_starts_it() {
    let ended = run(binary("careless"), &["good"]).await;
    assert_eq!(ended.stdout, "exit status: 0: a tool, and no worker\n\n", "{ended:?}");
}
