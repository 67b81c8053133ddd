//! Inputs and outputs that are too large for a message: whole in spite of kills, bounded, and told where they are not.

use crate::child::{NodeProcess, slots};
use crate::engine::{self, Sleeper, count, id, job, large, until};
use crate::keys::jobs;
use crate::server::{Server, connect, init};
use async_nats::Client;
use procpool_jobs::{Jobs, Order};
use procpool_nats::{Front, JobState, Node};
use procpool_protocol::JobError;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// A client of its own, which looks into the streams.
struct Eye(Client);

impl Eye {
    async fn of(server: &Server) -> Self {
        Self(async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap())
    }

    async fn api(&self, subject: &str, body: &Value) -> Value {
        let asked = self.0.request(format!("$JS.API.{subject}"), body.to_string().into());
        let answer = tokio::time::timeout(Duration::from_secs(2), asked).await;
        let Ok(Ok(answer)) = answer else { return Value::Null };
        serde_json::from_slice(&answer.payload).unwrap_or_default()
    }

    /// Returns the number of messages of a stream.
    async fn messages(&self, stream: &str) -> Option<u64> {
        self.api(&format!("STREAM.INFO.{stream}"), &json!({})).await["state"]["messages"].as_u64()
    }

    /// Returns the subject and the bytes of a chunk.
    async fn chunk(&self, stream: &str, subjects: &str) -> (String, Vec<u8>) {
        let asked = json!({ "last_by_subj": subjects }).to_string();
        let answer = self.0.request(format!("$JS.API.DIRECT.GET.{stream}"), asked.into()).await.unwrap();
        let subject = answer.headers.as_ref().unwrap().get("Nats-Subject").unwrap().to_string();
        (subject, answer.payload.to_vec())
    }

    /// Flips a bit of the last byte of a chunk.
    async fn flip(&self, stream: &str, subjects: &str) {
        let (subject, mut bytes) = self.chunk(stream, subjects).await;
        *bytes.last_mut().unwrap() ^= 1;
        let stored = self.0.request(subject, bytes.into()).await.unwrap();
        assert!(String::from_utf8_lossy(&stored.payload).contains("seq"), "{stored:?}");
    }
}

/// Returns the code and the sentence of a job that broke.
fn broken(error: &JobError) -> (String, String) {
    let JobError::Broke(failure) = error else { panic!("{error}") };
    (failure.code().to_owned(), failure.message().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_come_back_as_they_were_and_the_input_is_removed() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book, eye) = (server.cluster().await, server.dir.join("book"), Eye::of(&server).await);
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let front = jobs(&cluster).await;
    let job = large("once", 1, 20 * MIB + 7);
    let input = job.input.bytes.clone();
    let sent = front.enqueue(Order::new(job)).await.unwrap();
    let id = sent.decision.record().id;
    let finished = sent.outcome.await.unwrap();
    assert!(finished.result.as_ref().unwrap().bytes == input, "other bytes");
    // A look at the job reads no output.
    let look = front.front().look("once", id).await.unwrap();
    assert!(matches!(&look.state, JobState::Large { output, .. } if output.length == input.len() as u64));
    let result = front.result(id).await;
    let procpool_registry::ResultState::Finished(record, finished) = result else { panic!("{result:?}") };
    assert_eq!(record.result, procpool_registry::Body::Held(input.len() as u64));
    assert!(finished.result.as_ref().unwrap().bytes == input, "other bytes");
    until("the input is removed", async || eye.messages("PP_test_I_once").await == Some(0)).await;
    assert_eq!(eye.messages("PP_test_O_once").await, Some(81));

    // One that is cancelled while it waits.
    let waits = front.enqueue(Order::new(large("again", 600_000, MIB))).await.unwrap().decision.record().id;
    front.cancel(waits).await;
    until("its input is removed", async || eye.messages("PP_test_I_again").await == Some(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_an_older_build_did_not_make_are_told_and_made() {
    let Some(server) = Server::start("") else { return };
    let (cluster, eye) = (server.cluster().await, Eye::of(&server).await);
    for stream in ["PP_test_I_once", "PP_test_O_again"] {
        assert_eq!(eye.api(&format!("STREAM.DELETE.{stream}"), &json!({})).await["success"], true);
    }
    let said = Front::start(cluster.clone(), "front").await.unwrap_err().to_string();
    for words in ["PP_test_I_once is missing", "PP_test_O_again is missing", "procpool cluster init"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(cluster.init().await.unwrap(), ["PP_test_O_again", "PP_test_I_once"]);
    cluster.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_goes_with_its_outcome() {
    let Some(server) = Server::start("") else { return };
    let mut settings = server.settings();
    (settings.pools[0].terms.timeout, settings.pools[0].retain) =
        (Duration::from_secs(4), Duration::from_secs(16));
    settings.timings.offer = Duration::from_secs(1);
    let (cluster, eye) = (connect(settings).await, Eye::of(&server).await);
    init(&cluster).await.unwrap();
    let book = server.dir.join("book");
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let front = Front::start(cluster, "front").await.unwrap();
    let it = id();
    front.enqueue(it, large("once", 1, MIB)).await.unwrap();
    assert!(front.outcome("once", it).await.unwrap().unwrap().result.is_ok());
    until("the output expires", async || eye.messages("PP_test_O_once").await == Some(0)).await;
    assert!(matches!(front.state("once", it).await.unwrap(), JobState::Unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_amid_each_way_loses_no_byte() {
    const SIZE: usize = 40 * MIB;
    let Some(mut server) = Server::start("") else { return };
    let (cluster, book, eye) = (server.cluster().await, server.dir.join("book"), Eye::of(&server).await);
    let front = Arc::new(Front::start(cluster.clone(), "front").await.unwrap());
    let (it, job) = (id(), large("once", 1, SIZE));
    let input = job.input.bytes.clone();
    let sending = front.clone();
    let sent = tokio::spawn(async move {
        while let Err(error) = sending.enqueue(it, job.clone()).await {
            assert_eq!(error.name(), "engine_unreachable", "{error}");
        }
    });
    let some = async |stream: &str| eye.messages(stream).await.is_some_and(|count| count > 3);
    until("a part of the input is there", async || some("PP_test_I_once").await).await;
    let is_amid = !sent.is_finished();
    server.kill();
    server.restart();
    sent.await.unwrap();
    // Again and again, until one is as well killed amid its output.
    let node = loop {
        match Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await {
            Ok(node) => break node,
            Err(error) => println!("{error}"),
        }
    };
    until("a part of the output is there", async || some("PP_test_O_once").await).await;
    let is_decided = !matches!(front.state("once", it).await, Ok(JobState::Running { .. }));
    server.kill();
    server.restart();
    let read = || async {
        loop {
            if let Ok(finished) = front.outcome("once", it).await {
                break finished.expect("the job was accepted");
            }
        }
    };
    assert!(read().await.result.unwrap().bytes == input, "other bytes");
    println!("killed amid the input: {is_amid}, amid the output: {}", !is_decided);
    // Amid several downloads.
    let downloads = (0..4).map(|_| {
        let front = front.clone();
        tokio::spawn(async move { front.outcome("once", it).await })
    });
    let downloads: Vec<_> = downloads.collect();
    tokio::task::yield_now().await;
    server.kill();
    server.restart();
    for download in downloads {
        match download.await.unwrap() {
            Ok(finished) => assert!(finished.unwrap().result.unwrap().bytes == input, "other bytes"),
            Err(error) => println!("{error}"),
        }
    }
    assert!(read().await.result.unwrap().bytes == input, "other bytes");
    assert_eq!(count(&engine::read(&book)[&it], "began"), 1);
    drop(node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_job_of_a_killed_node_runs_again_with_its_input() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let node = NodeProcess::start(&server, &book);
    let (it, job) = (id(), large("again", 3_000, 5 * MIB));
    let input = job.input.bytes.clone();
    front.enqueue(it, job).await.unwrap();
    until("the job begins", async || engine::read(&book).contains_key(&it)).await;
    node.signal(9);
    let _next = Node::start(cluster, Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let finished = front.outcome("again", it).await.unwrap().unwrap();
    assert!(finished.result.unwrap().bytes == input, "other bytes");
    assert_eq!(engine::read(&book)[&it], ["began", "began", "ended"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_large_input_is_taken_without_room_and_others_are_when_there_is() {
    let Some(server) = Server::start("") else { return };
    let mut settings = server.settings();
    settings.pools[0].payload_bytes = 8 << 20;
    let (cluster, eye) = (connect(settings).await, Eye::of(&server).await);
    init(&cluster).await.unwrap();
    let (front, book) = (Front::start(cluster.clone(), "front").await.unwrap(), server.dir.join("book"));
    let too_large = front.enqueue(id(), large("once", 1, 8 * MIB)).await.unwrap_err();
    assert_eq!(too_large.name(), "payload_too_large", "{too_large}");
    let first = [id(), id()];
    for id in first {
        front.enqueue(id, large("once", 1, 3 * MIB)).await.unwrap();
    }
    let refused = front.enqueue(id(), large("once", 1, 3 * MIB)).await.unwrap_err();
    assert_eq!(refused.name(), "large_inputs_full", "{refused}");
    assert!(refused.to_string().contains("no room for large inputs in its 8388608 bytes"), "{refused}");
    until("its chunks are removed", async || eye.messages("PP_test_I_once").await == Some(24)).await;
    front.enqueue(id(), job("once", 1)).await.unwrap();
    let _node = Node::start(cluster, Sleeper::new(&book), "a", slots(2)).await.unwrap();
    for id in first {
        assert!(front.outcome("once", id).await.unwrap().unwrap().result.is_ok());
    }
    until("there is room", async || front.enqueue(id(), large("once", 1, 3 * MIB)).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_without_room_waits_for_it_and_no_job_starts_meanwhile() {
    let Some(server) = Server::start("") else { return };
    let mut settings = server.settings();
    settings.pools[0].payload_bytes = 8 << 20;
    let renew = settings.timings.renew;
    let (cluster, eye) = (connect(settings).await, Eye::of(&server).await);
    init(&cluster).await.unwrap();
    let book = server.dir.join("book");
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let front = Front::start(cluster, "front").await.unwrap();
    let (sent, last) = ([id(), id(), id()], id());
    for id in &sent[..2] {
        front.enqueue(*id, large("once", 1, 3 * MIB)).await.unwrap();
        assert!(front.outcome("once", *id).await.unwrap().unwrap().result.is_ok());
    }
    until("the inputs are removed", async || eye.messages("PP_test_I_once").await == Some(0)).await;
    front.enqueue(sent[2], large("once", 1, 3 * MIB)).await.unwrap();
    // Of its twelve chunks, seven find room.
    let is_full = async || eye.messages("PP_test_O_once").await.is_some_and(|count| count > 30);
    until("the outputs are full", is_full).await;
    // sleep: the node looks at the stream, and what it has asked for before ends
    tokio::time::sleep(renew * 4).await;
    front.enqueue(last, job("once", 1)).await.unwrap();
    // sleep: nothing is to happen
    tokio::time::sleep(renew * 2).await;
    assert!(matches!(front.state("once", sent[2]).await.unwrap(), JobState::Running { .. }));
    assert!(!engine::read(&book).contains_key(&last), "a job has started");
    // As if the first output had expired.
    let of_first = json!({ "filter": format!("pp.test.o.once.{}.>", sent[0]) });
    assert_eq!(eye.api("STREAM.PURGE.PP_test_O_once", &of_first).await["purged"], 12);
    let third = front.outcome("once", sent[2]).await.unwrap().unwrap();
    assert_eq!(third.result.unwrap().bytes.len(), 3 * MIB);
    let gone = front.outcome("once", sent[0]).await.unwrap().unwrap().result.unwrap_err();
    let (code, said) = broken(&gone);
    assert!(
        code == "output_lost" && said.contains("of 12 of the output of job") && said.contains("missing"),
        "{said}"
    );
    assert!(front.outcome("once", last).await.unwrap().unwrap().result.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_has_changed_is_named_and_its_job_does_not_run() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book, eye) = (server.cluster().await, server.dir.join("book"), Eye::of(&server).await);
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let (bad, good) = (id(), id());
    front.enqueue(bad, large("once", 1, MIB)).await.unwrap();
    front.enqueue(good, large("again", 1, MIB)).await.unwrap();
    eye.flip("PP_test_I_once", &format!("pp.test.i.once.{bad}.*.2")).await;
    let _node = Node::start(cluster, Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let error = front.outcome("once", bad).await.unwrap().unwrap().result.unwrap_err();
    let (code, said) = broken(&error);
    assert_eq!(code, "input_lost");
    assert!(
        said.contains(&format!("chunk 3 of 4 of the input of job {bad} is not as it was written")),
        "{said}"
    );
    assert!(!engine::read(&book).contains_key(&bad), "it ran");
    assert!(front.outcome("again", good).await.unwrap().unwrap().result.is_ok());
    eye.flip("PP_test_O_again", &format!("pp.test.o.again.{good}.*.0")).await;
    let error = front.outcome("again", good).await.unwrap().unwrap().result.unwrap_err();
    let (code, said) = broken(&error);
    assert_eq!(code, "output_lost");
    assert!(said.contains(&format!("chunk 1 of 4 of the output of job {good}")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_keeps_its_large_input() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book, eye) = (server.cluster().await, server.dir.join("book"), Eye::of(&server).await);
    let front = jobs(&cluster).await;
    let node = NodeProcess::start(&server, &book);
    let job = large("once", 2_500, 3 * MIB);
    let input = job.input.bytes.clone();
    let lost = front.enqueue(Order::new(job)).await.unwrap().decision.record().id;
    until("the job begins", async || engine::read(&book).contains_key(&lost)).await;
    node.signal(9);
    let _next = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    until("the outcome", async || front.job(lost).await.is_some_and(|job| job.state.is_finished())).await;
    until("the input is removed", async || eye.messages("PP_test_I_once").await == Some(0)).await;
    assert_eq!(eye.messages("PP_test_D").await, Some(13));
    let job = front.input(lost).await.expect("a dead letter");
    assert!(job.input.bytes == input, "other bytes");
    let again = front.enqueue(Order::new((*job).clone())).await.unwrap();
    assert!(again.outcome.await.unwrap().result.as_ref().unwrap().bytes == input, "other bytes");
    // Without its input, it does not run again.
    eye.api("STREAM.PURGE.PP_test_D", &json!({ "filter": format!("pp.test.d.once.{lost}.*.5") })).await;
    assert!(front.input(lost).await.is_none());
}
