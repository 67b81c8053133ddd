//! Connections that are encrypted and credentials in files, as `procpool cluster doctor` and `procpool serve` use them;
//! and servers that are refused.

use crate::fake::fake;
use crate::stage::{Stage, accepted, ended};
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::program::{Ended, finish};
use procpool_tests::served::pool;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use tokio::process::Command;

/// A key of users, and its public half, for this test alone.
const SEED: &str = "SUAIY2UWYQS3DWXQFRP5FBWF3JEQATTRAULCSZ7ANC3TDUBN7ABQSPX7J4";
const KEY: &str = "UCDNRAUBQAI56D23FJMOE6S5UN2PL7KVXP6WV674FKWPL56VA3YDVECW";

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn secret(scratch: &Scratch, name: &str, text: &str) {
    set_permissions(scratch.write(name, text), Permissions::from_mode(0o600)).unwrap();
}

/// Runs `procpool serve` where it cannot start.
async fn serve(stage: &Stage) -> Ended {
    let mut command = Command::new(binary("procpool"));
    finish(command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(stage.file())).await
}

/// The configuration with these words in the place of others.
fn change(stage: &Stage, from: &str, to: &str) {
    let text = std::fs::read_to_string(stage.file()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(stage.file(), text.replace(from, to)).unwrap();
}

/// A server of procpool and a node run a job.
async fn works(stage: &Stage) {
    eventually("the streams", async || (stage.cluster(&["init"]).await.code == Some(0)).then_some(())).await;
    let node = stage.node().await;
    stage.is(&node.name, "up").await;
    let well = stage.cluster(&["doctor"]).await;
    assert!(well.code == Some(0) && well.stdout.contains("nats-server 2."), "{well:?}");
    let front = stage.front("").await;
    let job = accepted(&front, "once", &Verb::Echo("hello".into())).await;
    assert_eq!(ended(&front, &job).await["outcome"], "ok");
}

#[tokio::test]
async fn a_connection_is_encrypted_and_a_server_of_another_authority_is_refused() {
    let scratch = Scratch::new();
    let (ours, other) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    scratch.write("server.pem", &parameters.signed_by(&key, &ours).unwrap().pem());
    scratch.write("server.key", &key.serialize_pem());
    scratch.write("ca.pem", &ours.pem());
    scratch.write("other.pem", &other.pem());
    let dir = scratch.path().display().to_string();
    let tls = format!("tls {{ cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server.key\" }}");
    let lines =
        |port| format!("nats = \"tls://127.0.0.1:{port}\"\nca_file = \"{dir}/ca.pem\"\nlease = \"3s\"");
    let Some(stage) = Stage::with(scratch, "127.0.0.1", &tls, lines) else { return };
    works(&stage).await;

    change(&stage, "ca.pem", "other.pem");
    let (sick, ended) = (stage.cluster(&["doctor"]).await, serve(&stage).await);
    let address = format!("cannot connect to tls://127.0.0.1:{}", stage.port);
    for (said, code) in [(&sick.stdout, sick.code), (&ended.stderr, ended.code)] {
        assert!(said.contains(&address) && said.contains("certificate"), "{said}");
        assert_eq!(code, Some(1), "{said}");
    }
}

#[tokio::test]
async fn a_user_s_password_comes_from_a_file() {
    let scratch = Scratch::new();
    secret(&scratch, "password", "right\n");
    secret(&scratch, "other", "wrong\n");
    let file = scratch.path().join("password").display().to_string();
    let lines = |port| {
        format!(
            "nats = \"nats://127.0.0.1:{port}\"\nuser = \"ann\"\npassword_file = \"{file}\"\nlease = \"3s\""
        )
    };
    let users = "authorization { user: \"ann\", password: \"right\" }";
    let Some(stage) = Stage::with(scratch, "127.0.0.1", users, lines) else { return };
    works(&stage).await;
    change(&stage, "/password\"", "/other\"");
    are_refused(&stage).await;
}

#[tokio::test]
async fn a_key_comes_from_a_file_that_nobody_else_may_read() {
    let scratch = Scratch::new();
    secret(&scratch, "user.nk", &format!("{SEED}\n"));
    let file = scratch.path().join("user.nk");
    let lines = |port| format!("nats = \"nats://127.0.0.1:{port}\"\nnkey = {file:?}\nlease = \"3s\"");
    let users = format!("authorization {{ users: [ {{ nkey: \"{KEY}\" }} ] }}");
    let Some(stage) = Stage::with(scratch, "127.0.0.1", &users, lines) else { return };
    works(&stage).await;
    set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let ended = serve(&stage).await;
    assert!(ended.code == Some(1) && ended.stderr.contains("others may read the secret"), "{ended:?}");
    change(&stage, &format!("nkey = {file:?}\n"), "");
    are_refused(&stage).await;
}

/// The server refuses the credentials, and both programs say so.
async fn are_refused(stage: &Stage) {
    let (sick, ended) = (stage.cluster(&["doctor"]).await, serve(stage).await);
    for (said, code) in [(&sick.stdout, sick.code), (&ended.stderr, ended.code)] {
        assert!(said.contains("refuses the credentials"), "{said}");
        assert_eq!(code, Some(1), "{said}");
    }
    assert!(sick.stdout.contains("password_file in [cluster]"), "{sick:?}");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_its_version() {
    let (scratch, old) = (Scratch::new(), fake("2.9.10", 1 << 20).await);
    let cluster = format!("[cluster]\nnats = \"nats://127.0.0.1:{old}\"\n");
    let file =
        scratch.write("procpool.toml", &(pool("once", &binary("verbs"), 1, "durable = true") + &cluster));
    let run = async |args: &[&str]| {
        finish(Command::new(binary("procpool")).args(args).arg("--config").arg(&file)).await
    };
    let sick = run(&["cluster", "doctor"]).await;
    assert!(sick.stdout.contains("problem  the server is nats-server 2.9.10"), "{sick:?}");
    assert!(sick.code == Some(1) && sick.stdout.contains("install nats-server 2.12 or later"), "{sick:?}");
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["node"], &["cluster", "init"]] {
        let ended = run(args).await;
        assert!(ended.code == Some(1) && ended.stderr.contains("nats-server 2.9.10, and 2.12"), "{ended:?}");
    }
}
