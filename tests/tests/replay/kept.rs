//! Which jobs are kept, where, and what happens when they cannot be.

use super::{SAVING, fail, named, read, saved};
use procpool_protocol::message;
use procpool_tests::library::{self, echo};
use procpool_tests::program::run;
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use procpool_tests::{PATIENCE, binaries::binary, http};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::io::AsyncReadExt;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_crash_names_the_file_that_its_job_is_in() {
    let server = Server::of_verbs(1, &format!("{SAVING}\nenv = {{ A = \"1\" }}")).await;
    let answer = server.perform(&Verb::Abort).await;
    assert_eq!(answer.status, 502);
    let file = named(&answer).expect("a file");
    assert_eq!(saved(server.scratch.path()), std::slice::from_ref(&file));
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let id = answer.header("job-id").unwrap();
    assert!(file.ends_with(format!("failed/verbs-{id}.job")), "{}", file.display());

    let job = read(&file);
    assert_eq!((job.recording.pool.as_str(), job.recording.job.as_str()), ("verbs", "verbs"));
    assert_eq!((job.recording.outcome.as_str(), job.recording.attempt), ("crashed", 1));
    assert_eq!(job.recording.id.to_string(), id);
    assert!(job.recording.summary.contains("signal 6 (SIGABRT)"), "{}", job.recording.summary);
    assert_eq!(Path::new(&job.recording.executable), binary("verbs"));
    assert_eq!(job.recording.env.into_iter().collect::<Vec<_>>(), [("A".into(), "1".into())]);
    assert_eq!(job.welcome.worker, answer.problem()["crash"]["worker"]);
    assert_eq!(job.job.payload.bytes, "\"abort\"");
}

#[tokio::test]
async fn jobs_that_panicked_or_timed_out_running_are_kept_and_others_are_not() {
    let server = Server::of_verbs(1, SAVING).await;
    let panicked = read(&fail(&server, &Verb::Panic("the sky is falling".into())).await);
    assert_eq!(panicked.recording.outcome, "panicked");
    assert!(panicked.recording.summary.contains("the sky is falling"));

    let (spinning, _) = server.begin_spinning("?timeout=2s").await;
    let late = http::finish(server.begin_with(&echo("late"), "?timeout=50ms").await).await.unwrap();
    assert_eq!((late.status, &late.problem()["stage"]), (504, &"queued".into()));
    assert_eq!(saved(server.scratch.path()).len(), 1, "a job that nobody ran has nothing to debug");
    assert_eq!(http::finish(spinning).await.unwrap().status, 504);
    let files = saved(server.scratch.path());
    let outcomes: Vec<_> = files.iter().map(|file| read(file).recording.outcome).collect();
    assert!(outcomes.len() == 2 && outcomes.contains(&"timed_out".into()), "{outcomes:?}");

    server.idle("verbs", 1).await;
    assert_eq!(server.perform(&echo("well")).await.status, 200);
    drop(server.begin_spinning("").await);
    server.idle("verbs", 1).await;
    assert_eq!(server.pool("verbs").await["jobs"]["cancelled"], 1);
    assert_eq!(saved(server.scratch.path()).len(), 2, "nobody misses a job that was cancelled");
}

#[tokio::test]
async fn a_panic_and_a_timeout_name_their_files_as_a_crash_does() {
    let server = Server::of_verbs(1, SAVING).await;
    let panicked = server.perform(&Verb::Panic("the sky is falling".into())).await;
    let (spinning, _) = server.begin_spinning("?run_timeout=100ms").await;
    let timed_out = http::finish(spinning).await.unwrap();
    for (answer, outcome) in [(panicked, "panicked"), (timed_out, "timed_out")] {
        let problem = answer.problem();
        assert_eq!(problem["outcome"], outcome);
        let file = problem["replay"].as_str().expect("a file");
        assert_eq!(read(Path::new(file)).recording.outcome, outcome);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("`procpool replay {file}`, or `WORKER --replay {file}`")),
            "{detail}"
        );
    }

    let scratch = Scratch::new();
    let pool = library::verbs(1).save_failed_jobs(scratch.path().join("failed")).start().await.unwrap();
    let error = pool.run(Verb::Panic("oh".into())).await.unwrap_err();
    assert_eq!(error.replay(), saved(scratch.path()).first().map(|file| &**file));
}

#[tokio::test]
async fn a_worker_that_broke_the_protocol_leaves_its_job_behind() {
    let scratch = Scratch::new();
    let pool = library::misbehaving("garbage").save_failed_jobs(scratch.path().join("failed")).start().await;
    assert_eq!(pool.unwrap().run(Verb::Pid).await.unwrap_err().name(), "protocol_error");
    let files = saved(scratch.path());
    assert_eq!(files.len(), 1);
    let job = read(&files[0]);
    assert_eq!(
        (job.recording.outcome.as_str(), &*job.recording.args),
        ("protocol_error", &["garbage".into()][..])
    );
}

#[tokio::test]
async fn of_several_attempts_the_last_is_kept() {
    let scratch = Scratch::new();
    let failed = scratch.path().join("failed");
    let pool = library::verbs(1).idempotent(true).max_attempts(3).save_failed_jobs(&failed);
    let pool = pool.start().await.unwrap();
    let marker = scratch.path().join("tried").display().to_string();
    assert_eq!(pool.run(Verb::AbortOnce(marker)).await.unwrap(), "attempt 2");
    assert_eq!(saved(scratch.path()), [] as [std::path::PathBuf; 0], "it ended well");

    let error = pool.run(Verb::Abort).await.unwrap_err();
    let file = error.crash_report().unwrap().replay.clone().unwrap();
    assert!(error.to_string().contains(&format!("procpool replay {}", file.display())), "{error}");
    let job = read(&file);
    assert_eq!(job.recording.attempt, 3);
    assert_eq!(message::Job::checked(&job.job).unwrap().attempt, 3);
}

#[tokio::test]
async fn no_more_are_kept_than_the_pool_may_keep() {
    let server = Server::of_verbs(1, &format!("{SAVING}\nsaved_jobs = 2")).await;
    for n in 0..4 {
        // Each of them another payload: one that kills again and again is no longer run.
        fail(&server, &Verb::LastWords(vec![n.to_string()])).await;
        assert!(saved(server.scratch.path()).len() <= 2);
    }
    assert_eq!(saved(server.scratch.path()).len(), 2);
}

#[tokio::test]
async fn every_job_of_a_crowd_that_crashes_has_its_outcome() {
    let scratch = Scratch::new();
    let pool = library::verbs(4).save_failed_jobs(scratch.path().join("failed")).saved_jobs(5);
    let pool = pool.start().await.unwrap();
    // A job that ends well proves the workers, so that no start is put off.
    let pairs: Vec<_> = (0..25)
        .map(|n| [echo("on we go"), Verb::Exit(n + 1)].map(|verb| pool.try_submit(verb).unwrap()))
        .collect();
    for [well, ill] in pairs {
        assert_eq!(well.await.unwrap(), "on we go");
        assert_eq!(ill.await.unwrap_err().name(), "crashed");
    }
    assert!((1..=5).contains(&saved(scratch.path()).len()));
}

#[tokio::test]
async fn a_directory_that_is_gone_bad_costs_a_job_its_file_and_not_its_outcome() {
    let (mut server, mut logs) = Server::with_logs(&verbs(1, SAVING)).await;
    let failed = server.scratch.path().join("failed");
    std::fs::remove_dir(&failed).unwrap();
    std::fs::write(&failed, "in the way").unwrap();
    let answer = server.perform(&Verb::Abort).await;
    assert_eq!((answer.status, named(&answer)), (502, None));
    assert_eq!(answer.problem()["crash"]["signal_name"], "SIGABRT");

    // The fault is over, and so is its effect.
    std::fs::remove_file(&failed).unwrap();
    let again = fail(&server, &Verb::Abort).await;
    procpool_tests::process::signal(server.pid(), rustix::process::Signal::TERM);
    assert!(server.ended().await.success());
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, logs.read_to_string(&mut text)).await.unwrap().unwrap();
    let line =
        |words: &str| text.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{text}"));
    let warning = line("a failed job was not saved");
    assert!(warning.contains("WARN") && warning.contains(failed.to_str().unwrap()), "{warning}");
    let advice = line("saved a failed job");
    assert!(advice.contains(&format!("procpool replay {}", again.display())), "{advice}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_told_at_the_start() {
    let scratch = Scratch::new();
    let config = scratch.write("p.toml", &verbs(1, "save_failed_jobs = \"p.toml/failed\""));
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let ended = run(binary("procpool"), &args).await;
    let expected = format!(
        "error: failed to start pool `verbs`: save_failed_jobs cannot be the directory {}/failed: ",
        config.display()
    );
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with(&expected), "{ended:?}");
}

#[tokio::test]
async fn a_directory_in_which_others_may_write_is_told_at_the_start() {
    let scratch = Scratch::new();
    let failed = scratch.path().join("failed");
    std::fs::create_dir(&failed).unwrap();
    std::fs::set_permissions(&failed, std::fs::Permissions::from_mode(0o777)).unwrap();
    let config = scratch.write("p.toml", &verbs(1, SAVING));
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let ended = run(binary("procpool"), &args).await;
    let expected = format!(
        "error: failed to start pool `verbs`: save_failed_jobs cannot be the directory {0}: others than its owner may write \
         to it (mode 0777); `chmod go-w {0}`, or name one that is not there yet\n",
        failed.display()
    );
    assert_eq!((ended.code, ended.stderr), (Some(1), expected));
}
