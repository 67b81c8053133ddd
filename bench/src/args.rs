//! The request of the command line.

use clap::Parser;
use std::path::PathBuf;

/// Measures procpool beside its peers and its floors, in turns, and says which goals are met.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask bench", version)]
pub struct Args {
    /// Rows to measure, or groups of rows; all of them if none is named.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Measure the pools and servers of Node and Python too, those that can be had: what is missing is installed by name.
    #[arg(long)]
    pub peers: bool,

    /// A fifth of the work: good enough to see that everything runs, too little to judge by.
    #[arg(long)]
    pub quick: bool,

    /// Say which rows and groups there are.
    #[arg(long)]
    pub list: bool,

    /// Where results and plots go.
    #[arg(long, value_name = "DIR", default_value = "bench/results")]
    pub results: PathBuf,
}

impl Args {
    /// Returns this number, or a fifth of it where the run should be quick.
    pub fn effort(&self, full: usize) -> usize {
        if self.quick { (full / 5).max(1) } else { full }
    }

    pub fn rounds(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }
}
