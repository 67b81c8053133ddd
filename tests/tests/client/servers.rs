//! Which server a command is for, and what it says where there is none.

use crate::{command, printed, procpool, refused};
use procpool_tests::binaries::binary;
use procpool_tests::program::finish;
use procpool_tests::server::{Scratch, Server};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn no_server_has_an_exit_code_of_its_own_and_names_the_way_out() {
    let ended = finish(&mut command("127.0.0.1:1", &["job", "submit", "fib", "1"])).await;
    assert!(refused(&ended, 3).contains("`procpool serve` starts a server"), "{ended:?}");
    let ended = finish(&mut command("nonsense", &["pool", "list"])).await;
    assert!(refused(&ended, 2).starts_with("failed to read PROCPOOL_SERVER: `nonsense`"), "{ended:?}");
}

#[tokio::test]
async fn the_option_goes_before_the_environment() {
    let server = Server::start().await;
    let address = format!("http://{}/", server.address());
    let ended =
        finish(&mut command("127.0.0.1:1", &["pool", "list", "-o", "name", "--server", &address])).await;
    assert_eq!(printed(&ended), "compute\nfib\nping\n");
}

#[tokio::test]
async fn the_socket_of_the_user_is_found_where_nothing_names_a_server() {
    let scratch = Scratch::new();
    let socket = format!("unix:{}", scratch.path().join("procpool.sock").display());
    let mut serve = Command::new(binary("procpool"));
    serve.args(["serve", "--listen", &socket]).env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR");
    let mut serve = serve.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(serve.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    assert_eq!(line, format!("listening on {socket}\n"));
    let mut submit = command("", &["job", "submit", "fib", "10"]);
    let ended = finish(submit.env("XDG_RUNTIME_DIR", scratch.path())).await;
    assert_eq!(printed(&ended), "55\n");
    assert_eq!(printed(&finish(&mut command(&socket, &["pool", "pause", "fib"])).await), "fib paused\n");
}

#[tokio::test]
async fn an_order_is_proved_by_a_token_in_a_file_that_nobody_else_reads() {
    let scratch = Scratch::new();
    let token = scratch.write("token", "0123456789abcdef\n");
    let private = |mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    private(0o600);
    let config = format!(
        "[server]\norders_token_file = {:?}\n[pools.fib]\ncommand = {:?}\n",
        token,
        [binary("procpool-fib")]
    );
    let server = Server::with_config(&config).await;
    let without = procpool(&server, &["pool", "pause", "fib"]).await;
    assert!(refused(&without, 4).contains("--token-file"), "{without:?}");
    let file = token.to_str().unwrap();
    let paused = procpool(&server, &["pool", "pause", "fib", "--token-file", file]).await;
    assert_eq!(printed(&paused), "fib paused\n");
    private(0o640);
    let open = procpool(&server, &["pool", "pause", "fib", "--token-file", file]).await;
    assert!(refused(&open, 2).contains("chmod 600"), "{open:?}");
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_the_command_without_a_word() {
    let server = Server::start().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut list = command(&server.address().to_string(), &["pool", "list"]);
    let ended = list.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().await.unwrap();
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(141), &b""[..]), "{ended:?}");
}

#[tokio::test]
async fn the_papers_are_made_of_the_command_itself() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = finish(&mut command("", &["completions", shell])).await;
        assert!(printed(&ended).contains("quarantine"), "{shell}");
    }
    let scratch = Scratch::new();
    let ended = finish(&mut command("", &["man", scratch.path().to_str().unwrap()])).await;
    assert_eq!(printed(&ended), "");
    let page = std::fs::read_to_string(scratch.path().join("procpool-job-submit.1")).unwrap();
    assert!(page.contains("Exit codes"), "{page}");
}

#[tokio::test]
async fn a_token_with_its_scope_is_needed_where_the_server_has_tokens() {
    let scratch = Scratch::new();
    let file = scratch.path().join("tokens.toml");
    let file = file.to_str().unwrap();
    let token = async |name: &str, scopes: &str| {
        let made = finish(&mut command("", &["token", "new", name, "--scope", scopes, "--file", file])).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        made.stdout.trim_end().to_owned()
    };
    let (submit, read) = (token("ci", "submit").await, token("eye", "read").await);
    let config =
        format!("[server]\ntokens = {file:?}\n[pools.fib]\ncommand = {:?}\n", [binary("procpool-fib")]);
    let server = Server::with_config(&config).await;
    let run = async |token: &str, args: &[&str]| {
        let mut run = command(&server.address().to_string(), args);
        finish(run.env("PROCPOOL_TOKEN", token)).await
    };
    let job = ["job", "submit", "fib", "10"];
    assert_eq!(printed(&run(&submit, &job).await), "55\n");
    assert_eq!(printed(&run(&read, &["pool", "list", "-o", "name"]).await), "fib\n");
    let nobody = procpool(&server, &job).await;
    assert!(refused(&nobody, 4).contains("--token-file"), "{nobody:?}");
    let other = run(&read, &job).await;
    assert!(refused(&other, 4).contains("`submit`"), "{other:?}");
    assert_eq!(printed(&procpool(&server, &["health"]).await), "OK\n");
}
