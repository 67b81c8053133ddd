//! A worker with state: see the contract. Its argument says what loading the state does besides.

use procpool::Failure;
use procpool::worker::{Context, Startup, serve_with};
use procpool_tests::fork::say_in_c;
use procpool_tests::rooted::{Places, Rooted};
use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;

struct State {
    pid: u32,
    /// Open in every fork, at whichever number it has.
    file: File,
}

fn main() -> ExitCode {
    serve_with::<Rooted, _>(load, answer)
}

fn load(_startup: &Startup) -> Result<State, Failure> {
    match std::env::args().nth(1).as_deref() {
        Some("thread") => {
            let (begun, begins) = std::sync::mpsc::channel();
            std::thread::Builder::new().name("a-helper".into()).spawn(move || {
                // It has its name now.
                let _ = begun.send(());
                std::thread::park();
            })?;
            begins.recv().map_err(|error| Failure::new(error.to_string()))?;
        }
        Some("hang") => loop {
            std::hint::spin_loop();
        },
        Some("fail") => return Err(Failure::new("there is no model").with_code("model")),
        _ => {}
    }
    // Not flushed: a fork must not write either of them once more.
    say_in_c(c"prepared");
    write!(std::io::stdout(), "loaded")?;
    let mut file = tempfile()?;
    file.write_all(b"state")?;
    Ok(State { pid: std::process::id(), file })
}

#[allow(clippy::needless_pass_by_value)] // a job's function takes its input
fn answer(state: &mut State, input: String, _cx: &Context<Rooted>) -> Result<Places, Failure> {
    match input.as_str() {
        "abort" => std::process::abort(),
        "file" => {
            let length = state.file.metadata()?.len();
            if length != 5 {
                return Err(Failure::new(format!("the state's file has {length} bytes")));
            }
        }
        _ => {}
    }
    Ok((state.pid, std::process::id(), std::os::unix::process::parent_id()))
}

fn tempfile() -> std::io::Result<File> {
    let path = std::env::temp_dir().join(format!("procpool-rooted-{}", std::process::id()));
    let file = File::create_new(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
