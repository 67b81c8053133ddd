//! `procpool conform`: checks a worker with the conformance kit. Everything that it checks is in the kit.

use crate::cli::conform::{ConformArgs, ReportFormat};
use crate::error::Error;
use crate::input;
use procpool_conform::Subject;
use procpool_conform::report::{Format, list, run_and_report};
use std::io;
use std::process::ExitCode;

/// Runs the checks, or lists them.
pub(crate) fn conform(args: ConformArgs) -> Result<ExitCode, Error> {
    let mut stdout = io::stdout().lock();
    let only = args.only.as_deref();
    if args.list {
        list(only, &mut stdout).map_err(Error::Output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut subject = Subject::new(args.command);
    if let Some(text) = args.any {
        input::checked(text.clone().into_bytes())?;
        subject = subject.with_input(text);
    }
    if let Some(job) = args.job {
        subject = subject.with_job(job);
    }
    let format = match args.format {
        ReportFormat::Text => Format::People,
        ReportFormat::Tap => Format::Tap,
        ReportFormat::Junit => Format::Junit,
    };
    let passed = run_and_report(&subject, only, format, &mut stdout).map_err(Error::Conform)?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
