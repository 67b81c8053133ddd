//! A worker that speaks the protocol and does bad things on command.

use procpool::Failure;
use procpool::worker::{Context, serve};
use procpool_tests::greedy;
use procpool_tests::library::share;
use procpool_tests::verbs::{Verb, Verbs};
use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{ClockId, clock_gettime};
use std::convert::Infallible;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    serve::<Verbs>(perform)
}

/// Whether a job has left behind what the next one dies of.
static DAMAGED: AtomicBool = AtomicBool::new(false);

/// Its name is in the stacks that tests take.
#[inline(never)]
fn spin_forever() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn perform(verb: Verb, cx: &Context<Verbs>) -> Result<String, Failure> {
    if DAMAGED.load(Relaxed) {
        std::io::stderr().write_all(b"free(): invalid next size (normal)\n")?;
        std::process::abort()
    }
    Ok(match verb {
        Verb::Echo(text) => text,
        Verb::Pid => std::process::id().to_string(),
        Verb::Spin => {
            cx.progress(0, None);
            loop {
                std::hint::spin_loop();
            }
        }
        Verb::SpinForever => {
            cx.progress(spin_forever as *const () as u64, None);
            spin_forever()
        }
        Verb::Burn(millis) => {
            let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
            let end = used() + Duration::from_millis(millis);
            while used() < end {}
            "burnt".into()
        }
        Verb::Shell(line) => Command::new("sh").args(["-c", &line]).status()?.to_string(),
        Verb::Exec(program, arguments) => return Err(Command::new(program).args(arguments).exec().into()),
        Verb::StopItself(file) => {
            std::fs::write(file, std::process::id().to_string())?;
            kill_process(getpid(), Signal::STOP)?;
            "went on".into()
        }
        Verb::SpinOnceBegun(file) => {
            std::fs::write(file, "")?;
            loop {
                std::hint::spin_loop();
            }
        }
        Verb::Obey => loop {
            cx.progress(0, None);
            cx.check()?;
            // sleep: a job that looks at its flag now and then.
            std::thread::sleep(Duration::from_millis(1));
        },
        Verb::Log(file, line) => {
            log(&file, &line)?;
            line
        }
        Verb::LogThenNap(file, line, micros) => {
            log(&file, &line)?;
            // sleep: the time in which its worker may be killed.
            std::thread::sleep(Duration::from_micros(micros));
            line
        }
        Verb::LogThenAbort(file, line) => {
            log(&file, &line)?;
            std::process::abort()
        }
        Verb::Abort => std::process::abort(),
        Verb::AbortOnce(marker) => {
            if std::fs::File::create_new(marker).is_ok() {
                std::process::abort();
            }
            format!("attempt {}", cx.attempt())
        }
        Verb::Count(count) => {
            for number in 0..count {
                cx.emit(number.to_string())?;
            }
            count.to_string()
        }
        Verb::AbortAfter(count) => {
            for number in 0..count {
                cx.emit(number.to_string())?;
            }
            std::process::abort()
        }
        Verb::Exit(code) => std::process::exit(code),
        Verb::Panic(message) => panic!("{message}"),
        Verb::Say(level, text) => {
            cx.log(level, &text);
            text
        }
        Verb::SayThenAbort(level, text) => {
            cx.log(level, text);
            std::process::abort()
        }
        Verb::Trace => cx.trace_context().map_or_else(
            || "none".into(),
            |trace| format!("{} {}", trace.traceparent(), trace.tracestate().unwrap_or_default()),
        ),
        Verb::Break(message) => return Err(Failure::new(message).with_code("broken").as_broken()),
        Verb::PanicThenAbort(message) => {
            let _ = std::panic::catch_unwind(|| panic!("{message}"));
            std::process::abort()
        }
        Verb::CurrentExe => std::env::current_exe()?.display().to_string(),
        Verb::Die(signal) => {
            cx.progress(0, None);
            match die(signal)? {}
        }
        Verb::Overflow => overflow(0).to_string(),
        Verb::Flood(bytes) => {
            std::io::stdout().write_all(&vec![b'x'; bytes])?;
            std::io::stdout().flush()?;
            bytes.to_string()
        }
        Verb::FloodStderr(bytes) => {
            std::io::stderr().write_all(&vec![b'x'; bytes])?;
            bytes.to_string()
        }
        Verb::LastWords(lines) => {
            std::io::stderr().write_all(lines.join("\n").as_bytes())?;
            std::process::abort()
        }
        Verb::Damage => {
            DAMAGED.store(true, Relaxed);
            "well".into()
        }
        Verb::Grandchild => {
            let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn()?;
            child.id().to_string()
        }
        Verb::Nap(micros) => {
            // sleep: a job that takes its time.
            std::thread::sleep(Duration::from_micros(micros));
            "awake".into()
        }
        Verb::Attend(micros) => {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(micros) {
                cx.check()?;
            }
            "undisturbed".into()
        }
        Verb::Large(bytes) => "x".repeat(bytes),
        Verb::Descriptors => {
            let mut open: Vec<String> = std::fs::read_dir("/proc/self/fd")?
                .flatten()
                .filter_map(|entry| std::fs::read_link(entry.path()).ok())
                .map(|target| target.display().to_string())
                .collect();
            open.sort();
            open.join("\n")
        }
        Verb::Environment => {
            let mut keys: Vec<String> = std::env::vars().map(|(key, _)| key).collect();
            keys.sort();
            keys.join("\n")
        }
        Verb::Hoard(bytes) => {
            std::mem::forget(vec![1_u8; bytes]);
            bytes.to_string()
        }
        Verb::Share(bytes) => share(bytes),
        Verb::WaitFor(file) => {
            while !std::path::Path::new(&file).exists() {
                cx.check()?;
                // sleep: the pause between two looks at the file.
                std::thread::sleep(Duration::from_millis(1));
            }
            file
        }

        Verb::Allocate => greedy::allocate(),
        Verb::Fill(file) => greedy::fill(&file)?,
        Verb::OpenFiles => greedy::open_files(),
        Verb::ForkBomb(file) => greedy::fork_bomb(&file)?,
        Verb::Escape => greedy::escape()?,
        Verb::Limits => greedy::own_limits()?,
        Verb::NiceLevel => greedy::nice_level()?,
    })
}

/// Sends the signal to oneself until it kills: std's own handler of SIGSEGV gives way to the second one.
fn die(signal: i32) -> Result<Infallible, Failure> {
    let signal = Signal::from_named_raw(signal).ok_or_else(|| Failure::new("there is no such signal"))?;
    loop {
        kill_process(getpid(), signal).map_err(std::io::Error::from)?;
    }
}

/// Comes back only in theory.
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + frame[63] }
}

/// In one write, so that lines of several workers do not mix.
fn log(file: &str, line: &str) -> std::io::Result<()> {
    let mut log = std::fs::OpenOptions::new().append(true).create(true).open(file)?;
    log.write_all(format!("{line}\n").as_bytes())
}
