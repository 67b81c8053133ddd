//! `procpool worker stack` and `procpool worker profile`.

use crate::{printed, procpool, refused};
use procpool_tests::eventually;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use serde_json::Value;

#[tokio::test]
async fn a_worker_shows_what_it_does() {
    let server = Server::of_verbs(1, "").await;
    let job = server.begin(&Verb::SpinForever).await;
    let spins = eventually("the stack of a job that has begun", async || {
        let text = printed(&procpool(&server, &["worker", "stack", "verbs-0"]).await).to_owned();
        text.contains("spin_forever").then_some(text)
    });
    let spins = spins.await;
    let mut lines = spins.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("thread ")), "{spins}");
    // It may be in a function that the loop calls.
    let first = lines.next().expect("a call");
    assert!(first.starts_with("   0  "), "{spins}");
    assert!(std::iter::once(first).chain(lines).any(|line| line.contains("spin_forever")), "{spins}");
    let all = procpool(&server, &["worker", "stack", "verbs-0", "--threads", "-o", "json"]).await;
    let all: Value = serde_json::from_str(printed(&all)).unwrap();
    assert!(all["threads"].as_array().is_some_and(|threads| threads.len() >= 2), "{all}");
    let gone = procpool(&server, &["worker", "stack", "verbs-7"]).await;
    assert!(refused(&gone, 4).ends_with("; `procpool worker list` shows the workers"), "{gone:?}");
    drop(job);
}

#[tokio::test]
async fn a_profile_is_printed_in_its_form() {
    let server = Server::of_verbs(1, "").await;
    let job = server.begin(&Verb::SpinForever).await;
    let profile = async |form: &str| {
        let command = ["worker", "profile", "verbs-0", "--seconds", "1", "-o", form];
        printed(&procpool(&server, &command).await).to_owned()
    };
    let folded = profile("folded").await;
    assert!(folded.lines().all(|line| line.starts_with("verbs-0")), "{folded}");
    assert!(profile("svg").await.starts_with("<svg "));
    let firefox: Value = serde_json::from_str(&profile("firefox").await).unwrap();
    assert_eq!(firefox["meta"]["symbolicated"], true);
    let wrong = procpool(&server, &["worker", "list", "-o", "svg"]).await;
    assert!(refused(&wrong, 2).contains("procpool worker profile"), "{wrong:?}");
    drop(job);
}
