//! Mistakes that `procpool check` finds without starting anything.

use procpool_tests::binaries::binary;
use procpool_tests::program::{Ended, finish};
use procpool_tests::server::Scratch;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::process::Command;

async fn check(config: &Path) -> Ended {
    let mut command = Command::new(binary("procpool"));
    finish(command.args(["check", "--config"]).arg(config).current_dir("/")).await
}

#[tokio::test]
async fn a_missing_interpreter_is_an_error_with_the_line_of_the_command() {
    let scratch = Scratch::new();
    let script = scratch.write("worker", "#!/no/such/interpreter\n");
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let config = scratch.write("p.toml", "[pools.a]\ncommand = [\"./worker\"]\n");
    let ended = check(&config).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let place = format!("error: {}:2:11: ", config.display());
    assert!(ended.stderr.starts_with(&place), "{}", ended.stderr);
    assert!(ended.stderr.contains("its interpreter /no/such/interpreter does not exist"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_limit_that_cannot_be_set_is_an_error() {
    let scratch = Scratch::new();
    let text = "[pools.a]\ncommand = [\"/bin/true\"]\nopen_files_limit = 1099511627776\n";
    let ended = check(&scratch.write("p.toml", text)).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let words = "workers of pool `a` cannot be started here: open_files_limit = 1099511627776 is more";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[tokio::test]
async fn an_argument_that_names_a_file_beside_the_configuration_is_a_warning() {
    let scratch = Scratch::new();
    let worker = scratch.write("w.py", "");
    let config = scratch.write("p.toml", "[pools.a]\ncommand = [\"/bin/sh\", \"-u\", \"./w.py\"]\n");
    let ended = check(&config).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("ok: 1 pool\n"), "{}", ended.stdout);
    let place = format!("warning: {}:2:11: the argument `./w.py` is passed on as it is", config.display());
    assert!(ended.stderr.starts_with(&place), "{}", ended.stderr);
    assert!(ended.stderr.contains(worker.to_str().unwrap()), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1);

    let config = scratch
        .write("q.toml", "[pools.a]\ncommand = [\"/bin/sh\", \"-u\", \"./w.py\"]\ncurrent_dir = \".\"\n");
    let ended = check(&config).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
