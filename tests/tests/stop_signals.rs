//! Signals that stop a whole service reach its workers, too: from a service manager, a terminal, a process
//! manager. The coordinator decides what becomes of the workers' jobs.

use procpool_tests::eventually;
use procpool_tests::http;
use procpool_tests::library::{self, idle};
use procpool_tests::process;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use rustix::process::Signal;
use tokio::net::TcpStream;

const STOPS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

#[tokio::test]
async fn a_stop_that_reaches_server_and_workers_alike_lets_the_running_jobs_finish() {
    for stop in [Signal::TERM, Signal::INT] {
        let mut server = Server::of_verbs(2, "").await;
        let go = server.scratch.path().join("go.txt");
        let running = server.begin(&Verb::WaitFor(go.display().to_string())).await;
        server.busy("verbs", 1).await;
        let workers = server.workers("verbs").await;
        for &pid in workers.iter().chain([&server.pid()]) {
            process::signal(pid, stop);
        }
        let refused = async || TcpStream::connect(server.address()).await.is_err().then_some(());
        eventually("the drain to begin", refused).await;
        std::fs::write(&go, "").unwrap();
        let answer = http::finish(running).await.unwrap();
        assert_eq!((answer.status, answer.json()), (200, go.to_str().unwrap().into()), "{stop:?}");
        assert_eq!(server.ended().await.code(), Some(0), "{stop:?}");
    }
}

#[tokio::test]
async fn a_worker_whose_coordinator_lives_is_not_ended_by_a_stop_signal() {
    let pool = library::verbs(1).start().await.unwrap();
    idle(&pool, 1).await;
    let pid = pool.workers()[0].pid.unwrap();
    for stop in STOPS {
        process::signal(pid, stop);
        let mut job = pool.try_submit(Verb::Obey).unwrap();
        job.next_progress().await.unwrap();
        process::signal(pid, stop);
        // The job goes on: further reports come from behind the signal.
        job.next_progress().await.unwrap();
        drop(job);
        assert_eq!(pool.run(Verb::Pid).await.unwrap(), pid.to_string(), "{stop:?}");
    }
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test]
async fn programs_that_a_job_starts_end_by_stop_signals_as_ever() {
    let pool = library::verbs(1).start().await.unwrap();
    for (name, stop) in [("TERM", Signal::TERM), ("INT", Signal::INT), ("HUP", Signal::HUP)] {
        let number = stop.as_raw();
        let status = pool.run(Verb::Shell(format!("kill -{name} $$; sleep 1000"))).await.unwrap();
        assert!(status.starts_with(&format!("signal: {number} ")), "{status}");
    }
    let ignores_none = Verb::Shell("grep -q '^SigIgn:.*0000000$' /proc/$$/status".into());
    assert_eq!(pool.run(ignores_none).await.unwrap(), "exit status: 0");
}

#[tokio::test]
async fn a_job_that_sends_itself_a_stop_signal_ends_its_worker() {
    let pool = library::verbs(1).start().await.unwrap();
    for stop in STOPS {
        let error = pool.run(Verb::Die(stop.as_raw())).await.unwrap_err();
        let death = &error.crash_report().expect("a crash").death;
        assert_eq!(death.exit.signal(), Some(stop.as_raw()));
    }
}
