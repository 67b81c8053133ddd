//! The fixture of the conformance kit: a worker whose input is a command. `crates/conform/README.md` has the
//! contract, which the fixtures of all SDKs keep.

use procpool::worker::{Context, Level, serve};
use procpool::{Failure, Job, Streaming};
use serde::Deserialize;
use serde_json::Value;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

struct Conformance;

impl Job for Conformance {
    const NAME: &'static str = "conformance";
    type Input = Value;
    type Output = Value;
}

impl Streaming for Conformance {
    type Chunk = u64;
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Order {
    Echo { value: Value },
    Bytes { length: usize },
    Sleep { ms: u64 },
    Spin { ms: u64 },
    Fail { message: String, code: Option<String>, details: Option<Value> },
    Break { message: String },
    Panic {},
    Progress { count: u64 },
    Chunks { count: u64 },
    Log { text: String, level: Option<Level> },
    Print { text: String, ms: Option<u64> },
    Child {},
    Exit { code: i32 },
}

fn main() -> ExitCode {
    serve::<Conformance>(perform)
}

fn perform(input: Value, cx: &Context<Conformance>) -> Result<Value, Failure> {
    Ok(match serde_json::from_value(input)? {
        Order::Echo { value } => value,
        // This job's outputs are JSON: a text of this length, quotes included.
        Order::Bytes { length } => "x".repeat(length.saturating_sub(2)).into(),
        Order::Sleep { ms } => {
            let end = Instant::now() + Duration::from_millis(ms);
            while Instant::now() < end {
                cx.check()?;
                // sleep: a job that looks at its flag now and then.
                std::thread::sleep(Duration::from_millis(1));
            }
            "slept".into()
        }
        Order::Spin { ms } => {
            let end = Instant::now() + Duration::from_millis(ms);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            "spun".into()
        }
        Order::Fail { message, code, details } => {
            let mut failure = Failure::new(message).retryable();
            if let Some(code) = code {
                failure = failure.with_code(code);
            }
            return Err(details.map_or(failure.clone(), |details| failure.with_details(&details)));
        }
        Order::Break { message } => return Err(Failure::new(message).as_broken()),
        Order::Panic {} => panic!("boom"),
        Order::Progress { count } => {
            (1..=count).for_each(|done| cx.progress(done, Some(count)));
            "progressed".into()
        }
        Order::Chunks { count } => {
            for number in 0..count {
                cx.emit(number)?;
            }
            "streamed".into()
        }
        Order::Log { text, level } => {
            cx.log(level.unwrap_or(Level::Info), text);
            Value::Null
        }
        Order::Print { text, ms } => {
            writeln!(std::io::stdout(), "{text}")?;
            writeln!(std::io::stderr(), "{text}")?;
            // sleep: a job that takes its time.
            std::thread::sleep(Duration::from_millis(ms.unwrap_or(0)));
            Value::Null
        }
        Order::Child {} => Command::new("sleep").arg("60").stdin(Stdio::null()).spawn()?.id().into(),
        Order::Exit { code } => std::process::exit(code),
    })
}
