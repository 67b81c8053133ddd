//! The papers beside the command, made of its own definition: completions for shells, and manual pages.

use crate::cli::Cli;
use crate::error::Error;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "procpool", &mut text);
    let written = io::stdout().lock().write_all(&text);
    written.map_err(Error::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `procpool.1` and a page for each command below it.
pub(crate) fn man(directory: &Path) -> Result<ExitCode, Error> {
    let failed = |reason| Error::Man { directory: directory.to_owned(), reason };
    clap_mangen::generate_to(Cli::command(), directory).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    /// The commands that are clients of a server.
    const CLIENTS: [&str; 8] = ["job", "pool", "worker", "deaths", "schedules", "config", "batch", "health"];

    /// Adds each command below this one, and each option of its own, that `page` does not name.
    fn missing(command: &Command, path: &str, page: &str, found: &mut Vec<String>) {
        if !page.contains(&format!("{path} ")) && !page.contains(&format!("{path}`")) {
            found.push(path.to_owned());
        }
        let options = command.get_arguments().filter_map(|argument| argument.get_long());
        let options = options.filter(|name| !page.contains(&format!("--{name}")));
        found.extend(options.map(|name| format!("{path} --{name}")));
        for below in command.get_subcommands() {
            missing(below, &format!("{path} {}", below.get_name()), page, found);
        }
    }

    #[test]
    fn every_command_and_option_of_a_client_is_in_the_guide() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/command-line.md");
        let page = std::fs::read_to_string(page).unwrap();
        let mut found = Vec::new();
        for name in CLIENTS {
            missing(Cli::command().find_subcommand(name).unwrap(), name, &page, &mut found);
        }
        // The forms stand there by their short option.
        found.retain(|it| !it.ends_with(" --output"));
        assert_eq!(found, [""; 0]);
    }
}
