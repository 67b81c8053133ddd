//! The chaos run as a program; `cargo xtask chaos` builds and starts it. Everything is in the library.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the person who started it")]

use procpool_tests::chaos::{self, Asked, HELP};
use std::process::ExitCode;

fn main() -> ExitCode {
    match chaos::parse(std::env::args().skip(1)) {
        Ok(Asked::Help) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Asked::Run(options)) => run(options),
        Err(problem) => {
            eprintln!("chaos: {problem}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run(options: chaos::Options) -> ExitCode {
    let ended = if options.cluster > 0 {
        chaos::cluster::run(options).await.map(|report| (report.is_good(), report.to_string()))
    } else if options.store {
        chaos::store::run(options).await.map(|report| (report.is_good(), report.to_string()))
    } else {
        chaos::run(options).await.map(|report| (report.is_good(), report.to_string()))
    };
    match ended {
        Ok((is_good, report)) => {
            println!("{report}");
            ExitCode::from(u8::from(!is_good))
        }
        Err(error) => {
            eprintln!("chaos: failed to run: {error}");
            ExitCode::FAILURE
        }
    }
}
