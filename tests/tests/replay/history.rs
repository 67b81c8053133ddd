//! Jobs that die of what an earlier one has left behind: run again with those that came before, in one process.

use super::{SAVING, altered, named, read, saved};
use procpool_tests::binaries::binary;
use procpool_tests::library::{self, echo};
use procpool_tests::program::{Ended, run};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SIGABRT: i32 = 6;

/// A job that died of what the one before it had left behind, and five had come before that.
async fn victim(server: &Server) -> PathBuf {
    for n in 0..5 {
        assert_eq!(server.perform(&echo(&format!("before {n}"))).await.status, 200);
    }
    assert_eq!(server.perform(&Verb::Damage).await.status, 200);
    let answer = server.perform(&echo("victim")).await;
    assert_eq!(answer.problem()["crash"]["first_job"], false);
    named(&answer).expect("a file")
}

async fn replay(args: &[&str]) -> Ended {
    run(binary("procpool"), &[&["replay"], args].concat()).await
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

#[tokio::test]
async fn a_crash_that_needs_its_neighbours_is_the_same_crash_again_with_them() {
    let server = Server::of_verbs(1, &format!("{SAVING}\nsave_history = 3")).await;
    let file = victim(&server).await;
    let job = read(&file);
    let inputs: Vec<_> = job.history.iter().map(|job| job.payload.bytes.clone()).collect();
    assert_eq!(inputs, [&br#"{"echo":"before 3"}"#[..], br#"{"echo":"before 4"}"#, br#""damage""#]);
    assert_eq!(job.recording.jobs_before, Some(6));

    let alone = replay(&[text(&file)]).await;
    assert_eq!((alone.code, alone.stdout.as_str()), (Some(0), "\"victim\"\n"), "{alone:?}");
    let hint = "the worker had been given 6 other jobs before this one, and this replay is alone; a job may go wrong only \
                after others: `--history` runs the last of them first";
    assert!(alone.stderr.contains(hint), "{alone:?}");

    for mut command in [Command::new(binary("procpool")), Command::new(binary("verbs"))] {
        match command.get_program() == binary("procpool") {
            true => command.arg("replay").arg(&file).arg("--history"),
            false => command.args(["--replay", "--history"]).arg(&file),
        };
        let again = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(again.stderr).unwrap();
        assert_eq!(again.status.signal(), Some(SIGABRT), "{said}");
        assert_eq!(again.stdout, b"", "their outputs are nobody's concern");
        assert!(said.contains("running job 3 of 3 that its worker was given before"), "{said}");
        assert!(said.contains("free(): invalid next size"), "{said}");
    }
}

#[tokio::test]
async fn without_a_history_a_replay_that_ends_well_says_how_to_have_one() {
    let server = Server::of_verbs(1, SAVING).await;
    let file = victim(&server).await;
    assert_eq!(read(&file).history, []);
    for args in [&[text(&file)][..], &[text(&file), "--history"]] {
        let alone = replay(args).await;
        assert_eq!(alone.code, Some(0), "{alone:?}");
        assert!(
            alone.stderr.contains("6 other jobs") && alone.stderr.contains("`save_history`"),
            "{alone:?}"
        );
    }
}

#[tokio::test]
async fn several_files_are_run_in_one_process_and_have_to_be_of_one_worker() {
    let server = Server::of_verbs(1, SAVING).await;
    let marker = server.scratch.path().join("tried").display().to_string();
    let once = named(&server.perform(&Verb::AbortOnce(marker)).await).expect("a file");
    let exit = named(&server.perform(&Verb::Exit(7)).await).expect("a file");
    let both = replay(&[text(&once), text(&exit)]).await;
    assert_eq!((both.code, both.stdout.as_str()), (Some(7), "\"attempt 1\"\n"), "{both:?}");

    let other = altered(&server.scratch, &exit, |job| job.recording.args = vec!["--other".into()]);
    let refused = replay(&[text(&once), text(&other)]).await;
    let expected =
        format!("error: failed to run {} and {} in one process: ", once.display(), other.display());
    assert!(refused.code == Some(1) && refused.stderr.starts_with(&expected), "{refused:?}");
}

#[tokio::test]
async fn jobs_ahead_and_retries_have_the_history_of_the_worker_that_they_died_in() {
    let scratch = Scratch::new();
    let pool = library::verbs(1).save_failed_jobs(scratch.path().join("failed")).save_history(4);
    let pool = pool.start().await.unwrap();
    let jobs: Vec<_> = (0..40).map(|n| pool.try_submit(echo(&n.to_string())).unwrap()).collect();
    let last = pool.try_submit(Verb::Abort).unwrap();
    for job in jobs {
        job.await.unwrap();
    }
    last.await.unwrap_err();
    let job = read(&saved(scratch.path())[0]);
    assert_eq!((job.history.len(), job.recording.jobs_before), (4, Some(40)));
    assert!(job.history.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
}

#[tokio::test]
async fn a_history_without_saved_jobs_is_refused() {
    let error = library::verbs(1).save_history(4).start().await.unwrap_err().to_string();
    assert!(error.contains("set save_failed_jobs, too"), "{error}");
}
