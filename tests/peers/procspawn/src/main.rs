//! A procspawn pool of two workers, driven by lines on standard input; they are explained in `../README.md`.
//!
//! Does not: use procpool, or know what is done to its workers.

use std::error::Error;
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use procspawn::{JoinHandle, Pool};

const WORKERS: usize = 2;

/// A worker that nobody finds ends by itself.
const LONGEST_SPIN: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    procspawn::init();
    let pool = Pool::new(WORKERS)?;
    println!("parent {}", process::id());
    for line in io::stdin().lines() {
        submit(&pool, &line?)?;
    }
    // The driver is gone: nothing is worth waiting for.
    process::exit(0);
}

/// `nap NAME MILLISECONDS` or `spin NAME`.
fn submit(pool: &Pool, line: &str) -> Result<(), Box<dyn Error>> {
    let mut words = line.split_whitespace().map(str::to_owned);
    let (verb, name) = (words.next().ok_or("no verb")?, words.next().ok_or("no name")?);
    let job = if verb == "spin" {
        pool.spawn(name.clone(), spin)
    } else {
        let milliseconds = words.next().ok_or("no milliseconds")?.parse()?;
        pool.spawn((name.clone(), milliseconds), nap)
    };
    println!("sent {name}");
    thread::spawn(move || settle(&name, job));
    Ok(())
}

fn settle(name: &str, job: JoinHandle<()>) {
    match job.join() {
        Ok(()) => println!("ok {name}"),
        Err(error) => println!("failed {name} {}", error.to_string().replace('\n', " ")),
    }
}

fn nap((name, milliseconds): (String, u64)) {
    tell(&name);
    // sleep: the job is to last.
    thread::sleep(Duration::from_millis(milliseconds));
}

fn spin(name: String) {
    tell(&name);
    let begun = Instant::now();
    while begun.elapsed() < LONGEST_SPIN {
        std::hint::spin_loop();
    }
}

/// Says which process runs the job. A reader sees the file whole or not at all.
fn tell(name: &str) {
    let place = env::var("PEERS_DIR").expect("PEERS_DIR is set") + "/" + name;
    fs::write(format!("{place}.part"), process::id().to_string()).expect("failed to write the process id");
    fs::rename(format!("{place}.part"), format!("{place}.pid")).expect("failed to show the process id");
}
