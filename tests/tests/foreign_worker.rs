//! Worker executables that this workspace has never seen: a package of its own, elsewhere, against the SDK by
//! path, built by itself and then served from a configuration file, with no change to any crate here.

use procpool_tests::binaries::workspace;
use procpool_tests::http::{post, request};
use procpool_tests::program::{finish, run};
use procpool_tests::server::{Scratch, Server};
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Text in, a type of its own out.
const WORDS: &str = r#"
use procpool_worker::{Failure, Job, serve};
use serde::{Deserialize, Serialize};

struct Words;

#[derive(Serialize, Deserialize)]
struct Count {
    words: usize,
    longest: Option<String>,
}

impl Job for Words {
    const NAME: &'static str = "words";
    type Input = String;
    type Output = Count;
}

fn main() -> std::process::ExitCode {
    serve::<Words>(|text, _cx| {
        if text.contains('\0') {
            return Err(Failure::new("this is no text").with_code("not_text"));
        }
        let longest = text.split_whitespace().max_by_key(|word| word.len()).map(str::to_owned);
        Ok(Count { words: text.split_whitespace().count(), longest })
    })
}
"#;

/// Raw bytes in, raw bytes out.
const MIRROR: &str = r#"
use procpool_worker::{Bytes, Job, serve};

struct Mirror;

impl Job for Mirror {
    const NAME: &'static str = "mirror";
    type Input = Bytes;
    type Output = Bytes;
}

fn main() -> std::process::ExitCode {
    serve::<Mirror>(|bytes, _cx| Ok(bytes.iter().rev().copied().collect::<Vec<u8>>().into()))
}
"#;

const NAMES: [&str; 2] = ["words", "mirror"];

#[tokio::test]
async fn a_worker_of_another_package_is_served_from_a_configuration_alone() {
    let scratch = Scratch::new();
    let executables = build(&scratch);
    let [words, mirror] = &executables;

    let config = format!(
        "[pools.words]\ncommand = [{words:?}]\nmax_workers = 1\n\n\
         [pools.mirror]\ncommand = [{mirror:?}]\nmax_workers = 1\n"
    );
    let server = Server::with_config(&config).await;
    let answer = post(server.address(), "/v1/pools/words/jobs", "\"to be or not to be\"").await;
    assert_eq!((answer.status, answer.text()), (200, r#"{"words":6,"longest":"not"}"#));
    let failed = post(server.address(), "/v1/pools/words/jobs", r#""\u0000""#).await;
    assert_eq!((failed.status, &failed.problem()["code"]), (422, &"not_text".into()));
    let bad = post(server.address(), "/v1/pools/words/jobs", "40").await;
    assert_eq!((bad.status, &bad.problem()["outcome"]), (400, &"bad_input".into()));

    let raw = ("Content-Type", "application/octet-stream");
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let answer = request(server.address(), "POST", "/v1/pools/mirror/jobs", &[raw], &bytes).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
    assert!(answer.body.iter().eq(bytes.iter().rev()));

    let by_hand = run(words, &[]).await;
    assert_eq!(by_hand.code, Some(2));
    assert!(by_hand.stderr.starts_with("words: a procpool worker for job `words`"), "{}", by_hand.stderr);

    let file = scratch.write("procpool.toml", &config);
    let mut command = tokio::process::Command::new(procpool_tests::binaries::binary("procpool"));
    command.args(["run", "words", "\"one\"", "--config"]).arg(file);
    assert_eq!(finish(&mut command).await.stdout, "{\"words\":1,\"longest\":\"one\"}\n");
}

/// Builds the package and gives copies of its executables.
fn build(scratch: &Scratch) -> [PathBuf; 2] {
    let package = package(scratch);
    // Its dependencies stay built from one test run to the next, beside this test's own build.
    let current = std::env::current_exe().expect("a test knows its own executable");
    let target = current.ancestors().nth(3).expect("a test is in <target>/<profile>/deps").join("foreign");
    fs::create_dir_all(&target).expect("a target directory");
    // One run at a time: every one of them builds the same names there.
    let lock = fs::File::create(target.join("lock")).expect("a lock file");
    flock(&lock, FlockOperation::LockExclusive).expect("the lock");

    compile(&package, &target);
    let executables = NAMES.map(|name| {
        let copy = scratch.path().join(name);
        fs::copy(target.join("debug").join(name), &copy).expect("a built executable");
        copy
    });
    // The package has another path each time, so nothing of its own would ever be used again.
    let cleaned = cargo(&package, &target, &["clean", "--offline", "--package", "foreign-workers"]);
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    executables
}

fn package(scratch: &Scratch) -> PathBuf {
    let package = scratch.path().join("package");
    fs::create_dir_all(package.join("src/bin")).expect("the package's directory");
    let sdk = workspace().canonicalize().expect("the workspace").join("crates/worker");
    let manifest = format!(
        "[package]\nname = \"foreign-workers\"\nedition = \"2024\"\n\n\
         [dependencies]\nprocpool-worker = {{ path = {sdk:?} }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\n[workspace]\n"
    );
    fs::write(package.join("Cargo.toml"), manifest).expect("a manifest");
    for (name, source) in NAMES.into_iter().zip([WORDS, MIRROR]) {
        fs::write(package.join(format!("src/bin/{name}.rs")), source).expect("a source file");
    }
    // The versions that are known to be there and to fit.
    fs::copy(workspace().join("Cargo.lock"), package.join("Cargo.lock")).expect("a lock file");
    package
}

/// The packages that the workspace's own build has fetched are usually enough.
fn compile(package: &Path, target: &Path) {
    let offline = cargo(package, target, &["build", "--offline"]);
    if offline.status.success() {
        return;
    }
    let online = cargo(package, target, &["build"]);
    let stderr = String::from_utf8_lossy(&online.stderr);
    assert!(online.status.success(), "failed to build the package: {stderr}");
}

/// Returns a cargo that knows nothing of the one that runs this test.
fn cargo(package: &Path, target: &Path, args: &[&str]) -> Output {
    const OF_THE_OUTER: [&str; 6] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_"];
    let mut command = Command::new(env!("CARGO"));
    for (key, _) in std::env::vars_os() {
        if OF_THE_OUTER.iter().any(|prefix| key.to_string_lossy().starts_with(prefix)) {
            command.env_remove(key);
        }
    }
    command.args(args).current_dir(package).env("CARGO_TARGET_DIR", target).env_remove("LD_LIBRARY_PATH");
    command.output().expect("cargo starts")
}
