//! The behaviour of a worker that wants too much of something. All of it stops by itself at a bound that a
//! machine bears, so that a limit that does not hold fails a test and nothing else.

use std::fs::File;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Maximum number of bytes of memory.
const MEMORY: usize = 4 << 30;

/// Maximum number of bytes of a file.
const FILE: usize = 1 << 30;

/// Maximum number of open files.
const FILES: usize = 100_000;

/// Maximum number of processes, and the seconds that each lives.
const FORKS: usize = 2000;
const FORK_SECONDS: &str = "30";

/// Seconds that a process lives which has escaped: longer than any test waits for its end.
const ESCAPE_SECONDS: &str = "90";

/// Longest time in which forks that are refused are tried again.
const STUBBORN: Duration = Duration::from_secs(60);

const CHUNK: usize = 1 << 20;

/// Allocates and touches memory without end.
pub fn allocate() -> String {
    let mut taken = Vec::new();
    while taken.len() * CHUNK < MEMORY {
        taken.push(std::hint::black_box(vec![1_u8; CHUNK]));
    }
    format!("{} MiB and no end", taken.len())
}

/// Makes a file larger without end.
///
/// # Errors
/// When the system refuses.
pub fn fill(path: &str) -> io::Result<String> {
    let mut file = File::create(path)?;
    let chunk = vec![b'x'; CHUNK];
    for _ in 0..FILE / CHUNK {
        file.write_all(&chunk)?;
    }
    Ok(format!("{FILE} bytes and no end"))
}

/// Opens files until the system refuses; tells how many it opened.
pub fn open_files() -> String {
    let mut open = Vec::new();
    while open.len() < FILES {
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            Err(_) => break,
        }
    }
    open.len().to_string()
}

/// Forks without end, and goes on when it is refused. Once it is, it says so in `file`: how many processes it
/// has made.
///
/// # Errors
/// When the file cannot be written.
pub fn fork_bomb(file: &str) -> io::Result<String> {
    let mut forks = Vec::new();
    let start = Instant::now();
    let mut told = false;
    while forks.len() < FORKS && start.elapsed() < STUBBORN {
        match fork() {
            Ok(child) => forks.push(child),
            Err(_) if told => {}
            Err(_) => {
                std::fs::write(file, forks.len().to_string())?;
                told = true;
            }
        }
    }
    Ok(format!("{} processes and no end", forks.len()))
}

fn fork() -> io::Result<Child> {
    Command::new("sleep").arg(FORK_SECONDS).stdin(Stdio::null()).spawn()
}

/// Starts a process that leaves this one's group and session, and ends by itself after a while; tells its id.
///
/// # Errors
/// When the system refuses.
pub fn escape() -> io::Result<String> {
    let child = Command::new("setsid").args(["sleep", ESCAPE_SECONDS]).stdin(Stdio::null()).spawn()?;
    Ok(child.id().to_string())
}

/// Returns the limits of this process, as the kernel tells them.
///
/// # Errors
/// When the kernel does not.
pub fn own_limits() -> io::Result<String> {
    std::fs::read_to_string("/proc/self/limits")
}

/// Returns the nice level of this process.
///
/// # Errors
/// When the kernel does not tell it.
pub fn nice_level() -> io::Result<String> {
    Ok(rustix::process::getpriority_process(None)?.to_string())
}
