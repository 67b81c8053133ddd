//! A worker that speaks the protocol and does bad things on command.

use procpool::Failure;
use procpool::worker::{Context, serve};
use procpool_tests::greedy;
use procpool_tests::verbs::{Verb, Verbs};
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

fn main() -> ExitCode {
    serve::<Verbs>(perform)
}

fn perform(verb: Verb, cx: &mut Context<Verbs>) -> Result<String, Failure> {
    Ok(match verb {
        Verb::Echo(text) => text,
        Verb::Pid => std::process::id().to_string(),
        Verb::Spin => {
            cx.progress(0, None);
            loop {
                std::hint::spin_loop();
            }
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
            let mut log = std::fs::OpenOptions::new().append(true).create(true).open(file)?;
            log.write_all(format!("{line}\n").as_bytes())?;
            line
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
        Verb::Flood(bytes) => {
            std::io::stdout().write_all(&vec![b'x'; bytes])?;
            std::io::stdout().flush()?;
            bytes.to_string()
        }
        Verb::LastWords(lines) => {
            std::io::stderr().write_all(lines.join("\n").as_bytes())?;
            std::process::abort()
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
