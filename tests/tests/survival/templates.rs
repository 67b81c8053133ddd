//! F106 and F107: templates that die, and forks that die before anybody knows them.

use procpool_tests::binaries::binary;
use procpool_tests::http::{self, Answer};
use procpool_tests::served::{pool, verbs};
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

const FRESH: &str = "fork = true\nprocess_per_job = true\nbreaker_failures = 0";

/// Number of jobs at a time, and how often the template is killed meanwhile.
const JOBS: usize = 20;
const KILLS: usize = 20;

/// Kills the children that have one thread: templates, and forks that are no workers yet.
fn kill_templates(server: u32) -> usize {
    let has_one_thread =
        |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() == 1);
    let templates = process::children(server).into_iter().filter(has_one_thread);
    templates.filter(|&pid| process::try_signal(pid, Signal::KILL).is_ok()).count()
}

async fn job(address: std::net::SocketAddr) -> Answer {
    let body = serde_json::to_vec(&Verb::Pid).unwrap();
    let json = [("Content-Type", "application/json")];
    http::request(address, "POST", "/v1/pools/verbs/jobs", &json, &body).await
}

#[tokio::test]
async fn every_job_has_an_outcome_while_templates_are_killed_and_no_process_is_left_behind() {
    let config = verbs(0, FRESH).replace("max_workers = 0", "max_workers = 8");
    let server = Server::with_config(&config).await;
    let (mut kills, mut well) = (0, 0);
    for _ in 0..KILLS {
        let mut jobs: JoinSet<_> = (0..JOBS).map(|_| job(server.address())).collect();
        // Each time another part of them is done.
        for _ in 0..kills % JOBS {
            let answer = jobs.join_next().await.expect("a job").unwrap();
            well += usize::from(answer.status == 200);
        }
        kills += kill_templates(server.pid());
        while let Some(answer) = jobs.join_next().await {
            let answer = answer.unwrap();
            assert!(matches!(answer.status, 200 | 502 | 503), "{} {}", answer.status, answer.text());
            well += usize::from(answer.status == 200);
        }
    }
    assert!(kills >= KILLS / 2 && well > JOBS, "{kills} kills, {well} jobs of {}", JOBS * KILLS);
    eventually("a job that is well", async || (job(server.address()).await.status == 200).then_some(()))
        .await;
    let nobody_else = async || {
        let (workers, children) = (server.workers("verbs").await, process::children(server.pid()));
        (children.len() == workers.len() + 1 && process::zombies(server.pid()).is_empty()).then_some(())
    };
    eventually("no child but a template and the workers, and no zombie", nobody_else).await;
}

#[tokio::test]
async fn what_a_template_left_in_its_buffers_is_printed_once_whatever_number_of_forks() {
    let config = pool("rooted", &binary("rooted"), 3, "fork = true");
    let (mut server, logs) = Server::with_logs(&config).await;
    let log = tokio::spawn(async {
        let (mut lines, mut log) = (BufReader::new(logs).lines(), Vec::new());
        while let Some(line) = lines.next_line().await.unwrap() {
            log.push(line);
        }
        log
    });
    server.idle("rooted", 3).await;
    let workers = server.workers("rooted").await;
    let template = process::children(server.pid()).into_iter().find(|pid| !workers.contains(pid)).unwrap();
    // A line without a newline is told at the end of its process. The workers' replacements have another template.
    process::kill(template);
    workers.into_iter().for_each(process::kill);
    server.idle("rooted", 3).await;
    // These workers end by themselves, and write what they have in their buffers.
    process::signal(server.pid(), Signal::TERM);
    assert!(server.ended().await.success());
    let log = log.await.unwrap();
    for words in ["loaded", "prepared"] {
        let said: Vec<_> = log.iter().filter(|line| line.contains(words)).collect();
        // A fork would say it by its own name.
        assert!((1..=2).contains(&said.len()), "{said:?}");
        assert!(said.iter().all(|line| line.contains("rooted-template")), "{said:?}");
    }
}
