//! A server with a certificate: its first line, and its files read again.

use procpool_tests::binaries::binary;
use procpool_tests::http;
use procpool_tests::program::Program;
use procpool_tests::served::verbs;
use procpool_tests::server::Scratch;
use procpool_tests::{PATIENCE, eventually, process};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{ChildStderr, Command};
use tokio_rustls::TlsConnector;

/// Writes a fresh certificate and its key into the directory, and returns it.
fn certify(scratch: &Scratch) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    scratch.write("server.crt", &certificate.pem());
    let key = scratch.write("server.key", &key.serialize_pem());
    fs::set_permissions(key, Permissions::from_mode(0o600)).unwrap();
    certificate.der().clone()
}

/// Returns the answer of a job, from a server with this certificate and no other.
async fn fib_from(server: SocketAddr, certificate: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(server).await?;
    let stream =
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream);
    let sent = http::send(stream.await?, "localhost", "GET", "/v1/pools/verbs", &[], b"").await?;
    let answer = http::finish(sent).await?;
    Ok(format!("{} {}", answer.status, answer.json()["name"]))
}

type Log = Lines<BufReader<ChildStderr>>;

/// Starts a server with these settings, and gives back its log.
async fn serve(scratch: &Scratch, settings: &str) -> (Program, Log) {
    let config = scratch.write("procpool.toml", &(settings.to_owned() + &verbs(1, "")));
    let mut command = Command::new(binary("procpool"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config).stderr(Stdio::piped());
    command.env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR").env_remove("RUST_LOG");
    let mut server = Program::announcing(command, "listening on https://").await;
    let log = BufReader::new(server.child.stderr.take().expect("a piped stderr")).lines();
    (server, log)
}

/// Returns the first line with these words.
async fn line_with(log: &mut Log, words: &str) -> String {
    let told = async {
        while let Some(line) = log.next_line().await.expect("a log") {
            if line.contains(words) {
                return line;
            }
        }
        panic!("the log ended");
    };
    tokio::time::timeout(PATIENCE, told).await.expect("a line in time")
}

#[tokio::test]
async fn a_server_shows_its_certificate_and_reads_it_again_at_sighup_unless_it_is_wrong() {
    let scratch = Scratch::new();
    let first = certify(&scratch);
    let tls = "[server]\ntls = { certificate = \"server.crt\", key = \"server.key\" }\n";
    let (server, mut log) = serve(&scratch, tls).await;
    let served = "200 \"verbs\"";
    assert_eq!(fib_from(server.address, &first).await.unwrap(), served);

    let second = certify(&scratch);
    assert_eq!(fib_from(server.address, &first).await.unwrap(), served, "read when it is said so");
    process::signal(server.pid(), Signal::HUP);
    let is_second = async || fib_from(server.address, &second).await.ok();
    assert_eq!(eventually("the second certificate", is_second).await, served);
    assert!(fib_from(server.address, &first).await.is_err());

    scratch.write("server.crt", "nothing");
    process::signal(server.pid(), Signal::HUP);
    let line = line_with(&mut log, "failed to read the certificate and its key again").await;
    assert!(line.contains("there is no certificate in it"), "{line}");
    assert_eq!(fib_from(server.address, &second).await.unwrap(), served, "the one from before");
}

#[tokio::test]
async fn a_client_without_the_certificate_that_it_needs_is_a_line_in_the_log() {
    let scratch = Scratch::new();
    let certificate = certify(&scratch);
    let tokens = scratch.write("tokens.toml", "[tokens.alice]\nscopes = [\"read\"]\n");
    fs::set_permissions(tokens, Permissions::from_mode(0o600)).unwrap();
    let tls = "[server]\ntokens = \"tokens.toml\"\n\
               tls = { certificate = \"server.crt\", key = \"server.key\", client_ca = \"server.crt\" }\n";
    let (server, mut log) = serve(&scratch, tls).await;
    assert!(fib_from(server.address, &certificate).await.is_err());
    line_with(&mut log, "refused a client's certificate").await;
}
