//! `procpool top` on a terminal: what a person sees, and that the terminal is as before afterwards.

use super::{procpool, refused};
use procpool_tests::server::Server;
use procpool_tests::terminal::{Terminal, Watched};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::process::{Output, Stdio};
use tokio::process::Child;

/// The command on a terminal, with what it writes there.
struct Top {
    terminal: Terminal,
    screen: Watched,
    child: Child,
}

impl Top {
    fn of(server: &Server) -> Self {
        let terminal = Terminal::open();
        terminal.resize(120, 40);
        let screen = terminal.watched();
        let mut command = terminal.command("exec \"$0\" \"$@\" > /dev/tty");
        command.arg("top").env("PROCPOOL_SERVER", server.address().to_string()).env("TERM", "xterm");
        command.env_remove("PROCPOOL_TOKEN").stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().expect("the command starts");
        Self { terminal, screen, child }
    }

    async fn shows(&self, words: &str) {
        eventually(words, async || self.screen.text().contains(words).then_some(())).await;
    }

    /// Returns how it ended, and checks what it has left of the terminal.
    async fn ended(self) -> Output {
        let Self { terminal, screen, child } = self;
        let output = child.wait_with_output().await.expect("it ends");
        assert!(terminal.is_cooked(), "{output:?}");
        let text = eventually("the other screen", async || {
            let text = screen.text();
            text.contains("\u{1b}[?1049l").then_some(text)
        })
        .await;
        assert!(text.contains("\u{1b}[?25h"), "the cursor is hidden");
        output
    }
}

#[tokio::test]
async fn top_shows_the_pools_until_a_key_or_a_signal() {
    let server = Server::start().await;
    for signal in [None, Some(Signal::INT), Some(Signal::TERM)] {
        let top = Top::of(&server);
        // A blank is not written, but passed over.
        for word in ["compute", "fib", "ping", "ready", "longest"] {
            top.shows(word).await;
        }
        assert!(!top.terminal.is_cooked(), "keys come one by one");
        match signal {
            None => top.terminal.type_in("jq"),
            Some(signal) => {
                let pid = top.child.id().and_then(|pid| i32::try_from(pid).ok());
                let pid = pid.and_then(rustix::process::Pid::from_raw).expect("it runs");
                rustix::process::kill_process(pid, signal).expect("it runs");
            }
        }
        let output = top.ended().await;
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
    }
}

#[tokio::test]
async fn top_says_that_the_server_went_away() {
    let server = Server::start().await;
    let top = Top::of(&server);
    top.shows("fib").await;
    process::kill(server.pid());
    let output = top.ended().await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.starts_with("error: ") && said.contains(&server.address().to_string()), "{said}");
}

#[tokio::test]
async fn top_needs_a_terminal_and_a_pool_that_is_there() {
    let server = Server::start().await;
    let ended = procpool(&server, &["top"]).await;
    assert!(refused(&ended, 2).contains("needs a terminal; `procpool pool list`"), "{ended:?}");
}
