//! The arguments of `procpool report`.

use super::remote::Remote;
use clap::Args;

pub(crate) const HELP: &str = "\
The page has pools, workers, deaths, quarantine and jobs of this moment, and the
server's answers for programs. It needs no other file and runs no script. It has
no payloads, but what workers wrote to standard error is in it. Parts that the
token may not see are left out, and the page says so.

Example:
  procpool report > report.html";

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
}
