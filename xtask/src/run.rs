//! `cargo xtask run`: a release build, three requests to try, and then this process is the server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;

use crate::error::Error;
use crate::{cargo, os};

pub(crate) const HELP: &str = "\
Builds the server and its workers in release and serves on 127.0.0.1:3000

Usage: cargo xtask run [--] [ARGS]

ARGS go to `procpool serve`, for example
  --listen 127.0.0.1:4000   another address
  --config procpool.toml    your own pools; the address is then the file's
  -- --help                 all that the server understands

Ctrl-C ends the server: running jobs finish, the workers exit.";

const BUILD: &[&str] = &["--release", "-p", "procpool-server"];

const LISTEN: &str = "127.0.0.1:3000";

pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let built = cargo::build(BUILD)?;
    cargo::build_workers()?;
    let mut server = Command::new(&cargo::find(&built, "procpool")?.path);
    server.arg("serve");
    match listen(args) {
        Listen::Default => {
            server.args(["--listen", LISTEN]);
            println!("{}", try_this(LISTEN));
        }
        Listen::Given(address) => println!("{}", try_this(address)),
        Listen::Unknown => {}
    }
    os::become_program({
        server.args(args);
        server
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Listen<'a> {
    /// Nobody said where.
    Default,
    /// The arguments say where.
    Given(&'a str),
    /// Something else decides: a configuration file, or the arguments only ask for help.
    Unknown,
}

fn listen(args: &[String]) -> Listen<'_> {
    if let Some(address) = value_of("--listen", args).or_else(|| value_of("-l", args)) {
        return Listen::Given(address);
    }
    let asks = |arg: &String| ["--help", "-h", "--version", "-V"].contains(&arg.as_str());
    let config = value_of("--config", args).or_else(|| value_of("-c", args));
    if config.is_some() || args.iter().any(asks) {
        return Listen::Unknown;
    }
    Listen::Default
}

/// Returns the value of `--flag VALUE` or `--flag=VALUE`.
fn value_of<'a>(flag: &str, args: &'a [String]) -> Option<&'a str> {
    args.iter().enumerate().find_map(|(at, arg)| match arg.strip_prefix(flag)? {
        "" => args.get(at + 1).map(String::as_str),
        rest => rest.strip_prefix('='),
    })
}

/// Printed just before the server starts: it listens some milliseconds later, sooner than a person
/// can type.
fn try_this(listen: &str) -> String {
    let address = reachable(listen);
    format!(
        "Try, from another terminal:\n  \
         curl {address}/compute\n  \
         curl -d 40 {address}/v1/pools/fib/jobs\n  \
         curl -d '\"ping\"' {address}/v1/pools/ping/jobs\n"
    )
}

/// Every address of this machine is a place to listen, but none to connect to.
fn reachable(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => {
            let loopback = match address.ip() {
                IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
            };
            SocketAddr::new(loopback, address.port()).to_string()
        }
        _ => listen.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_address_is_read_in_both_spellings() {
        assert_eq!(listen(&words("-v --listen 127.0.0.1:4000")), Listen::Given("127.0.0.1:4000"));
        assert_eq!(listen(&words("--listen=[::1]:4000 -v")), Listen::Given("[::1]:4000"));
    }

    #[test]
    fn a_configuration_file_keeps_its_own_address() {
        assert_eq!(listen(&words("--config procpool.toml")), Listen::Unknown);
        assert_eq!(listen(&words("-c procpool.toml")), Listen::Unknown);
        assert_eq!(listen(&words("-l 127.0.0.1:1 -c p.toml")), Listen::Given("127.0.0.1:1"));
        assert_eq!(listen(&words("--config=p.toml --listen 127.0.0.1:1")), Listen::Given("127.0.0.1:1"));
    }

    #[test]
    fn without_arguments_the_address_is_the_documented_one() {
        assert_eq!(listen(&words("-v")), Listen::Default);
        assert!(try_this(LISTEN).contains("curl -d 40 127.0.0.1:3000/v1/pools/fib/jobs"));
    }

    #[test]
    fn the_lines_to_try_name_an_address_that_answers() {
        assert!(try_this("0.0.0.0:80").contains("curl 127.0.0.1:80/compute"));
        assert!(try_this("[::]:80").contains("curl [::1]:80/compute"));
        assert!(try_this("localhost:80").contains("curl localhost:80/compute"));
    }
}
