//! Whose files `procpool replay` runs: a saved job names a program, and another user may have written it. The rule's many
//! cases are the unit tests of the server's `trust`.

use super::{SAVING, fail};
use procpool_tests::binaries::binary;
use procpool_tests::program::run;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn a_file_that_others_may_have_written_is_run_only_where_one_says_so() {
    let server = Server::of_verbs(1, SAVING).await;
    let file = fail(&server, &Verb::Exit(7)).await;
    set_permissions(&file, Permissions::from_mode(0o622)).unwrap();
    let path = file.to_str().unwrap();
    let ended = run(binary("procpool"), &["replay", path]).await;
    let expected = format!(
        "error: failed to trust the saved job {path}, which names the program to run: others than its owner may write to \
         it (mode 0622); look at where it comes from, then `chmod go-w {path}`, or replay it with --trust\n"
    );
    assert_eq!((ended.code, ended.stderr), (Some(1), expected));
    assert_eq!(run(binary("procpool"), &["replay", "--trust", path]).await.code, Some(7));

    // The worker runs no other program than itself, whatever the file names.
    assert_eq!(run(binary("verbs"), &["--replay", path]).await.code, Some(7));
}
