//! The part of its coordinator's environment that a worker sees: an allow-list, to the name.

use procpool_tests::binaries::binary;
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use tokio::process::Command;

#[tokio::test]
async fn a_workers_environment_is_what_was_allowed_and_nothing_else() {
    let mut command = Command::new(binary("procpool"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_TIME", "C").env("SHARED", "yes");
    command.env("SECRET", "no").env("SHARED_TOO", "no").env("OVERRULED", "by the pool");
    let keys =
        "inherit_env = [\"SHARED\", \"ABSENT\", \"OVERRULED\"]\nenv = { OWN = \"1\", OVERRULED = \"\" }";
    let server = Server::by_command(command, Scratch::new(), &verbs(1, keys)).await;

    let answer = server.perform(&Verb::Environment).await.json();
    let keys: Vec<_> = answer.as_str().expect("a list of keys").lines().collect();
    let expected = ["LC_TIME", "OVERRULED", "OWN", "PATH", "SHARED", "TMPDIR"];
    assert_eq!(keys, expected);
}
