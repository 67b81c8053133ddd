//! A worker for large payloads: see the contract.

use procpool::worker::{Context, serve};
use procpool::{Bytes, Failure};
use procpool_tests::large::{DIE, ECHO, FILL, KEEP, KEPT, LAST, Large, PART, PICTURE, WHERE};
use std::process::ExitCode;
use std::sync::Mutex;

static KEPT_INPUT: Mutex<Bytes> = Mutex::new(Bytes(bytes::Bytes::new()));

fn main() -> ExitCode {
    serve::<Large>(perform)
}

fn perform(input: Bytes, cx: &Context<Large>) -> Result<Bytes, Failure> {
    let mut kept = KEPT_INPUT.lock().expect("nobody panics");
    Ok(match input[0] {
        ECHO => input,
        FILL | LAST => {
            if input[0] == LAST {
                die_at_rest();
            }
            let mut buffer = cx.dirty_buffer(input.len());
            buffer.fill(input[1]);
            buffer.into()
        }
        KEEP => {
            *kept = input;
            Bytes::default()
        }
        KEPT => kept.clone(),
        PART => input.0.slice(..10).into(),
        DIE => std::process::abort(),
        WHERE => {
            let buffer = cx.buffer(input.len());
            format!("{} {}", mapping_of(&input)?, mapping_of(&buffer)?).into_bytes().into()
        }
        PICTURE => {
            cx.content_type("image/png")?;
            input
        }
        other => return Err(Failure::new(format!("large does not know {other}"))),
    })
}

/// Dies when the calling thread waits for its next job. Until then it runs, or is about to.
fn die_at_rest() {
    let stat = format!("/proc/self/task/{}/stat", std::process::id());
    std::thread::spawn(move || {
        loop {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            if stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('S')) {
                std::process::abort();
            }
            std::thread::yield_now();
        }
    });
}

/// Returns the name of what is mapped where these bytes lie.
fn mapping_of(bytes: &[u8]) -> std::io::Result<String> {
    let at = bytes.as_ptr() as usize;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let line = maps.lines().find(|line| {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap_or_default();
        let number = |digits| usize::from_str_radix(digits, 16).unwrap_or_default();
        (number(start)..number(end)).contains(&at)
    });
    let name = line.and_then(|line| line.split_ascii_whitespace().nth(5)).unwrap_or("anonymous");
    Ok(name.trim_start_matches("/memfd:").to_owned())
}
