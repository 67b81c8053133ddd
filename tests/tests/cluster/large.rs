//! Inputs and outputs above the size of a message, over HTTP.

use crate::stage::{Stage, accepted, ended, submit};
use procpool_tests::eventually;
use procpool_tests::http::get;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;

const MIB: usize = 1 << 20;

/// Returns a text of this size, in which no two parts are alike.
fn text(size: usize) -> String {
    let mut text = (0_u32..).map(|nth| format!("{nth} ")).take(size / 6).collect::<String>();
    text.truncate(size);
    text
}

#[tokio::test]
async fn twenty_megabytes_go_through_a_cluster_and_any_server_has_the_result() {
    let Some(stage) = Stage::start().await else { return };
    let (front, other) = (stage.front("").await, stage.front("").await);
    let text = text(20 * MIB);
    let path = accepted(&front, "once", &Verb::Echo(text.clone())).await;
    let _node = stage.node().await;
    let job = ended(&other, &path).await;
    assert_eq!(job["outcome"], "ok", "{job}");
    for server in [&front, &other] {
        let result = get(server.address(), &format!("{path}/result")).await;
        assert_eq!(result.status, 200);
        assert!(result.text() == format!("\"{text}\""), "other bytes");
    }
    let answer = front.perform_in("again", &Verb::Echo(text.clone())).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text() == format!("\"{text}\""), "other bytes");
}

#[tokio::test]
async fn a_large_input_beyond_the_room_is_refused_and_told() {
    let lines =
        |port| format!("nats = \"nats://127.0.0.1:{port}\"\nlease = \"3s\"\nmax_payload_bytes = \"8 MiB\"");
    let Some(stage) = Stage::with(Scratch::new(), "127.0.0.1", "", lines) else { return };
    eventually("the streams", async || (stage.cluster(&["init"]).await.code == Some(0)).then_some(())).await;
    let front = stage.front("").await;
    let jobs = "/v1/pools/once/jobs";
    let never = submit(&front, jobs, &Verb::Echo("x".repeat(8 * MIB)), &[]).await;
    let problem = never.problem();
    assert_eq!((never.status, &problem["reason"]), (413, &"input_too_large".into()), "{problem}");
    assert_eq!(problem["limit"], 7_549_748, "{problem}");

    let first = accepted(&front, "once", &Verb::Echo("x".repeat(5 * MIB))).await;
    let later = submit(&front, jobs, &Verb::Echo("x".repeat(5 * MIB)), &[]).await;
    let problem = later.problem();
    assert_eq!((later.status, &problem["reason"]), (503, &"large_inputs_full".into()), "{problem}");
    assert_eq!((later.header("retry-after"), &problem["limit"]), (Some("1"), &(8 * MIB).into()));
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("max_payload_bytes"), "{problem}");
    let _node = stage.node().await;
    assert_eq!(ended(&front, &first).await["outcome"], "ok");
    eventually("room", async || {
        let answer = submit(&front, jobs, &Verb::Echo("x".repeat(5 * MIB)), &[]).await;
        (answer.status == 202).then_some(())
    })
    .await;
}
