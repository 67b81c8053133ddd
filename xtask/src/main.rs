//! `cargo xtask`: the project's tasks, so that nobody has to remember a command line.
//!
//! This file parses the command and picks its room; each command lives in the file of its name. The
//! tasks know cargo and the names of the executables, and nothing of what those do.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who started it")]

mod artifact;
mod bench;
mod book;
mod cargo;
mod chaos;
mod ci;
mod dist;
mod error;
mod folder;
mod fuzz;
mod installed;
mod journal;
mod needs;
mod openapi;
mod os;
mod package;
mod page;
mod run;
mod sdk;
mod skips;
mod test;
mod vendor;

use std::env;
use std::process::ExitCode;

use crate::error::Error;

const USAGE: &str = "\
procpool's tasks

Usage: cargo xtask <COMMAND> [ARGS]

Commands:
  run      build everything in release and serve on 127.0.0.1:3000
  test     build what the tests need and run all of them
  bench    measure beside peers and floors, and say which goals are met
  chaos    kill workers under load and compare every ledger
  fuzz     feed random bytes to what reads bytes of others
  ci       format, clippy, docs, guide, licences, packages, test, SDKs
  sdk      lint, check and test the SDKs for Python and Node
  openapi  validate the OpenAPI document, and test a server against it
  book     render the guide into target/book/
  package  pack every published crate and build it from its package
  page     lint and check the scripts of the dashboard
  dist     pack each executable and the SDKs into dist/
  vendor   fetch the files of others that the server sends to browsers
  screenshots  take the pictures of the dashboard anew
  help     print this

`cargo xtask <COMMAND> --help` says more about one of them.";

fn main() -> ExitCode {
    match dispatch(env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            error.exit_code()
        }
    }
}

fn dispatch(mut args: Vec<String>) -> Result<(), Error> {
    if args.is_empty() {
        return Err(Error::Usage(format!("a command is missing\n\n{USAGE}")));
    }
    let command = args.remove(0);
    match command.as_str() {
        "help" | "--help" | "-h" => say(USAGE),
        "run" if asks_for_help(&args) => say(run::HELP),
        "run" => run::run(&args),
        "test" if asks_for_help(&args) => say(test::HELP),
        "test" => test::run(&args),
        "bench" if asks_for_help(&args) => say(bench::HELP),
        "bench" => bench::run(&args),
        "chaos" if asks_for_help(&args) => say(chaos::HELP),
        "chaos" => chaos::run(&args),
        "fuzz" if asks_for_help(&args) => say(fuzz::HELP),
        "fuzz" => fuzz::run(&args),
        "ci" if asks_for_help(&args) => say(ci::HELP),
        "ci" => takes_nothing("ci", &args).and_then(|()| ci::run()),
        "sdk" if asks_for_help(&args) => say(sdk::HELP),
        "sdk" => sdk::run(&args),
        "openapi" if asks_for_help(&args) => say(openapi::HELP),
        "openapi" => takes_nothing("openapi", &args).and_then(|()| openapi::run()),
        "book" if asks_for_help(&args) => say(book::HELP),
        "book" => takes_nothing("book", &args).and_then(|()| book::run()),
        "package" if asks_for_help(&args) => say(package::HELP),
        "package" => takes_nothing("package", &args).and_then(|()| package::run()),
        "page" if asks_for_help(&args) => say(page::HELP),
        "page" => takes_nothing("page", &args).and_then(|()| page::check()),
        "screenshots" if asks_for_help(&args) => say(page::PICTURES),
        "screenshots" => takes_nothing("screenshots", &args).and_then(|()| page::pictures()),
        "dist" if asks_for_help(&args) => say(dist::HELP),
        "dist" => takes_nothing("dist", &args).and_then(|()| dist::run()),
        "vendor" if asks_for_help(&args) => say(vendor::HELP),
        "vendor" => vendor::run(&args),
        _ => Err(Error::Usage(format!("there is no command `{command}`\n\n{USAGE}"))),
    }
}

fn say(text: &str) -> Result<(), Error> {
    println!("{text}");
    Ok(())
}

/// Returns whether the task itself is asked; what follows `--` belongs to the program that it starts.
fn asks_for_help(args: &[String]) -> bool {
    args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--help" || arg == "-h")
}

fn takes_nothing(command: &str, args: &[String]) -> Result<(), Error> {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(Error::Usage(format!(
            "`{command}` takes no arguments, but was given `{arg}`; see `cargo xtask {command} --help`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_unknown_command_is_answered_with_the_usage() {
        let error = dispatch(words("frobnicate")).unwrap_err().to_string();
        assert!(error.contains("`frobnicate`") && error.contains("Usage: cargo xtask"), "{error}");
    }

    #[test]
    fn a_missing_command_is_answered_with_the_usage() {
        let error = dispatch(Vec::new()).unwrap_err().to_string();
        assert!(error.contains("Usage: cargo xtask"), "{error}");
    }

    #[test]
    fn an_argument_that_nobody_reads_is_refused() {
        let error = dispatch(words("ci --fast")).unwrap_err().to_string();
        assert!(error.contains("`--fast`"), "{error}");
    }

    #[test]
    fn help_after_two_dashes_is_for_the_server() {
        assert!(asks_for_help(&words("--listen 127.0.0.1:1 --help")));
        assert!(!asks_for_help(&words("-- --help")));
    }
}
