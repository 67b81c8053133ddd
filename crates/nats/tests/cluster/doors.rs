//! Settings, servers and jobs that are refused, and the words about them.

use crate::engine::{id, job};
use crate::fake::fake;
use crate::server::{Server, connect, init};
use procpool_nats::{Cluster, ClusterError, Credentials, EnqueueError, Front, PoolSettings, Settings};
use procpool_protocol::Payload;
use std::time::Duration;

#[tokio::test]
async fn wrong_credentials_are_refused_as_such() {
    let Some(server) = Server::start("authorization { user: \"ann\", password: \"right\" }") else { return };
    let with = |password: &str| {
        let mut settings = server.settings();
        settings.credentials = Credentials::password("ann", password);
        settings
    };
    connect(with("right")).await;
    let error = Cluster::connect(with("wrong")).await.unwrap_err();
    assert!(matches!(error, ClusterError::Credentials { .. }), "{error}");
    assert!(matches!(Cluster::connect(server.settings()).await, Err(ClusterError::Credentials { .. })));
}

/// Returns the settings of a server of this version that is none.
async fn of_fake(version: &str, max_payload: usize) -> Settings {
    let port = fake(version, max_payload).await;
    let mut settings = Settings::new(format!("127.0.0.1:{port}"), "test");
    settings.pools = vec![PoolSettings::new("once")];
    settings
}

#[tokio::test]
async fn an_old_server_is_refused_with_its_version_and_the_reason() {
    let error = Cluster::connect(of_fake("2.9.10", 1 << 20).await).await.unwrap_err().to_string();
    assert!(
        error.contains("2.9.10") && error.contains("2.12") && error.contains("compare-and-set"),
        "{error}"
    );
    let error = Cluster::connect(of_fake("2.15.1", 64 << 10).await).await.unwrap_err();
    assert!(matches!(error, ClusterError::SmallMessages { limit: 65_536, .. }), "{error}");
    Cluster::connect(of_fake("2.15.1", 1 << 20).await).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_and_a_large_input_are_refused_by_name() {
    let Some(server) = Server::start("") else { return };
    let mut settings = server.settings();
    settings.pools[0].queue = 3;
    settings.pools[1].max_payload = 512 << 10;
    let cluster = connect(settings).await;
    init(&cluster).await.unwrap();
    let front = Front::start(cluster, "front").await.unwrap();
    let first = id();
    front.enqueue(first, job("once", 1)).await.unwrap();
    front.enqueue(first, job("once", 1)).await.unwrap();
    for _ in 0..2 {
        front.enqueue(id(), job("once", 1)).await.unwrap();
    }
    let error = front.enqueue(id(), job("once", 1)).await.unwrap_err();
    assert_eq!(error.name(), "queue_full", "{error}");
    let mut large = job("again", 1);
    large.input = Payload::raw(vec![0; (512 << 10) + 1]);
    let error = front.enqueue(id(), large.clone()).await.unwrap_err();
    let is_it = matches!(error, EnqueueError::PayloadTooLarge { size: 524_289, limit: 524_288, .. });
    assert!(is_it && error.name() == "payload_too_large", "{error}");
    large.input = Payload::raw(vec![0; 512 << 10]);
    front.enqueue(id(), large).await.unwrap();
    let error = front.enqueue(id(), job("none", 1)).await.unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("again, once"), "{error}");
}

#[tokio::test]
async fn a_server_without_room_for_the_streams_is_told_with_the_size_and_the_way_out() {
    let Some(mut server) = Server::start("") else { return };
    server.restart_with(1_500);
    let cluster = connect(server.settings()).await;
    let error = init(&cluster).await.unwrap_err().to_string();
    for words in ["`PP_test_S_again` reserves 1073741824 bytes", "insufficient storage", "max_file_store"] {
        assert!(error.contains(words), "{error}");
    }
    server.restart_with(8_000);
    // Created streams stay, and the rest follows.
    assert!(!init(&cluster).await.unwrap().is_empty());
    cluster.check().await.unwrap();
}

#[tokio::test]
async fn streams_that_are_missing_or_other_are_told_with_the_difference() {
    let Some(server) = Server::start("") else { return };
    let cluster = connect(server.settings()).await;
    let error = loop {
        match cluster.check().await {
            Err(ClusterError::Differs(differences)) => break differences,
            Err(error) => println!("{error}"),
            Ok(()) => panic!("there is no stream"),
        }
    };
    assert!(error.iter().any(|it| it.to_string() == "PP_test_J_once is missing"), "{error:?}");
    let created = server.cluster().await;
    assert!(created.init().await.unwrap().is_empty());
    let mut other = server.settings();
    other.pools[0].queue = 7;
    other.timings.lease = Duration::from_secs(4);
    let error = Cluster::connect(other).await.unwrap().init().await.unwrap_err().to_string();
    for words in ["max_msgs is 10000 there, and 7 here", "ack_wait is 3000000000 there, and 4000000000 here"]
    {
        assert!(error.contains(words), "{error}");
    }
}
