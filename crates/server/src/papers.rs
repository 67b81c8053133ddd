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
