//! The limit of address space and an interpreter that reserves more address space than that.

use procpool_tests::binaries::binary;
use procpool_tests::program::{Ended, finish};
use procpool_tests::server::Scratch;
use tokio::process::Command;

/// Node's words where it gets no address space, and its signal: version 20 with an `address_space_limit` of 512 MiB.
const NODE: &str = "printf '\\n\\n#\\n# Fatal process OOM in Failed to reserve virtual memory for CodeRange\\n#\\n\\n' >&2; kill -TRAP $$";

#[tokio::test]
async fn an_interpreter_without_address_space_is_told_by_its_words_and_by_the_limit() {
    let scratch = Scratch::new();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[pools.js]\ncommand = [\"/bin/sh\", \"-c\", {NODE:?}]\naddress_space_limit = \"512 MiB\"\n"
    );
    let file = scratch.write("procpool.toml", &config);
    let mut server = Command::new(binary("procpool"));
    let Ended { code, stderr, .. } = finish(server.args(["serve", "--config"]).arg(file)).await;
    assert_eq!(code, Some(1), "{stderr}");
    let error = stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{stderr}"));
    assert!(error.contains("its last words: # Fatal process OOM in Failed to reserve"), "{error}");
    assert!(error.contains("it hit its address space limit of 512 MiB"), "{error}");
}
