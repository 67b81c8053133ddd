//! A process that forks after it has used a pool.

use procpool_tests::binaries::binary;
use procpool_tests::program::run;
use procpool_tests::server::Scratch;

#[tokio::test]
async fn a_forked_child_is_refused_its_parents_pool_and_harms_it_in_no_way() {
    let scratch = Scratch::new();
    let (worker, marker) = (binary("verbs"), scratch.path().join("go.txt"));
    let (worker, marker) = (worker.to_str().unwrap(), marker.to_str().unwrap());
    let ended = run(binary("forks"), &[worker, marker]).await;
    let told: Vec<_> = ended.stdout.lines().collect();
    let expected = [
        "child: run true",
        "child: job true",
        "child: reload true",
        "child: workers 0 0",
        "child: shutdown ShutdownReport { finished: 0, shut_down: 0 }",
        "child: post true",
        "child: recv true",
        "child: terminate an end that this process was not told of",
        "child: own pool works",
        "child: own deaths 0",
        "child: done",
        "parent: child ended with Some(0)",
        &format!("parent: job {marker}"),
        "parent: same worker true",
        "parent: deaths 0",
        "parent: worker lives",
    ];
    assert_eq!(told, expected, "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
