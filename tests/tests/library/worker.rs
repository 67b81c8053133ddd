//! The `Worker` layer: one process, free messages, Node's events.

use procpool::error::{Exit, WorkerError};
use procpool::{Worker, WorkerEvent};
use procpool_tests::library::executable;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use std::time::Duration;

async fn verbs() -> Worker<Verb, String> {
    Worker::spawn(executable("verbs")).await.unwrap()
}

#[tokio::test]
async fn ping_is_answered_with_pong_and_anything_else_with_an_error() {
    let mut worker = Worker::<String, String>::spawn(executable("procpool-ping")).await.unwrap();
    worker.post("ping").await.unwrap();
    assert_eq!(worker.recv().await.unwrap(), "pong");
    worker.post("pong").await.unwrap();
    assert!(matches!(worker.recv().await.unwrap_err(), WorkerError::Failed(_)));
    worker.post("ping").await.unwrap();
    assert_eq!(worker.recv().await.unwrap(), "pong", "an error is not the end");
}

#[tokio::test]
async fn the_events_are_online_messages_errors_and_exit() {
    let mut worker = verbs().await;
    let mut next = async || worker.next_event().await.unwrap();
    assert!(matches!(next().await, Some(WorkerEvent::Online)));
    worker.post(Verb::Echo("hello".into())).await.unwrap();
    let mut next = async || worker.next_event().await.unwrap();
    assert!(matches!(next().await, Some(WorkerEvent::Message(text)) if text == "hello"));
    worker.post(Verb::Exit(7)).await.unwrap();
    let mut next = async || worker.next_event().await.unwrap();
    assert!(matches!(next().await, Some(WorkerEvent::Exit(report)) if report.exit == Exit::Code(7)));
    assert!(next().await.is_none());
}

#[tokio::test]
async fn what_a_worker_said_before_it_died_is_received() {
    let mut worker = verbs().await;
    for n in 0..100 {
        worker.post(Verb::Echo(n.to_string())).await.unwrap();
    }
    worker.post(Verb::Abort).await.unwrap();
    for n in 0..100 {
        assert_eq!(worker.recv().await.unwrap(), n.to_string());
    }
    match worker.recv().await.unwrap_err() {
        WorkerError::Exited(report) => assert_eq!(report.exit.signal(), Some(6)),
        other => panic!("not an exit: {other}"),
    }
}

#[tokio::test]
async fn terminate_ends_a_busy_worker() {
    let mut worker = verbs().await;
    worker.post(Verb::Spin).await.unwrap();
    let report = worker.terminate().await;
    assert_eq!(report.exit.signal(), Some(9));
    assert!(process::state(worker.pid()).is_none(), "it is reaped");
    assert!(matches!(worker.post(Verb::Pid).await, Err(WorkerError::Gone)));
}

#[tokio::test]
async fn finish_lets_the_worker_exit_by_itself() {
    let mut worker = verbs().await;
    assert_eq!(worker.finish(Duration::from_secs(20)).await.exit, Exit::Code(0));
}

#[tokio::test]
async fn dropping_a_worker_kills_it() {
    let worker = verbs().await;
    let pid = worker.pid();
    worker.post(Verb::Spin).await.unwrap();
    drop(worker);
    eventually("the worker to be reaped", async || process::state(pid).is_none().then_some(())).await;
}

#[tokio::test]
async fn a_flood_of_messages_is_held_back_and_none_is_lost() {
    let mut worker = verbs().await;
    let text = "x".repeat(10_000);
    let (count, mut received) = (2_000, 0);
    for _ in 0..count {
        tokio::select! {
            biased;
            posted = worker.post(Verb::Echo(text.clone())) => posted.unwrap(),
        }
        // Reading only now and then: the worker's answers fill the socket meanwhile.
        while let Ok(Ok(message)) = tokio::time::timeout(Duration::ZERO, worker.recv()).await {
            assert_eq!(message.len(), text.len());
            received += 1;
        }
    }
    while received < count {
        assert_eq!(worker.recv().await.unwrap().len(), text.len());
        received += 1;
    }
}

#[tokio::test]
async fn messages_beyond_the_bytes_of_the_mailbox_are_held_back_and_none_is_lost() {
    let builder = Worker::<Verb, String>::builder(executable("verbs")).mailbox_bytes(1);
    let mut worker = builder.spawn().await.unwrap();
    let text = |n: usize| n.to_string().repeat(300_000);
    for n in 0..3 {
        worker.post(Verb::Echo(text(n))).await.unwrap();
        // Each is larger than the mailbox.
        assert_eq!(worker.recv().await.unwrap(), text(n));
    }
    for n in 3..6 {
        worker.post(Verb::Echo(text(n))).await.unwrap();
    }
    for n in 3..6 {
        assert_eq!(worker.recv().await.unwrap(), text(n));
    }
}

#[tokio::test]
async fn finish_lets_everything_arrive_that_was_posted() {
    let mut worker = verbs().await;
    let large = "x".repeat(1 << 20);
    for _ in 0..3 {
        worker.post(Verb::Echo(large.clone())).await.unwrap();
    }
    let mut received = 0;
    let reading = async {
        while worker.recv().await.is_ok() {
            received += 1;
            if received == 3 {
                break;
            }
        }
    };
    reading.await;
    assert_eq!(worker.finish(Duration::from_secs(20)).await.exit, Exit::Code(0));
    assert_eq!(received, 3);
}

#[test]
fn a_worker_whose_runtime_is_gone_is_gone_too_and_says_so() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut worker = runtime.block_on(verbs());
    let pid = worker.pid();
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = other.block_on(worker.terminate());
    assert_eq!(report.exit, Exit::Unknown);
    drop(worker);
    other.block_on(eventually("the worker to be reaped", async || {
        process::state(pid).is_none().then_some(())
    }));
}
