//! `procpool run`: one job in one worker, its output on standard output.

use crate::cli::RunArgs;
use crate::config::{self, Config};
use crate::error::Error;
use crate::input::{self, InputError};
use crate::signals::Signals;
use procpool_coordinator::{PoolConfig, RawPool};
use procpool_protocol::engine::JobLimits;
use procpool_protocol::printable::printable_json;
use procpool_protocol::{Encoding, Payload};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How long the worker may take to exit after its only job.
const EXIT: Duration = Duration::from_secs(2);

/// A checked command line: a pool of one worker and the input for it.
#[derive(Debug)]
pub(crate) struct Order {
    pool: PoolConfig,
    input: Payload,
}

impl Order {
    /// Reads configuration and input; nothing is started yet.
    pub(crate) fn read(args: &RunArgs) -> Result<Self, Error> {
        if args.input == "-" && args.config.as_deref().is_some_and(config::is_standard_input) {
            return Err(InputError::Taken.into());
        }
        let config = Config::load(args.config.as_deref())?;
        let unknown = || Error::UnknownPool { name: args.pool.clone(), known: config.names() };
        let spec = config.pool(&args.pool).ok_or_else(unknown)?;
        let mut pool = spec.resolve()?;
        pool.limits.min_workers = 1;
        pool.limits.max_workers = 1;
        pool.limits.timeout = args.timeout.map_or(pool.limits.timeout, |bound| bound.0);
        let input = match args.input.as_str() {
            "-" => input::read_all(io::stdin().lock(), pool.limits.max_payload)?,
            text => text.as_bytes().to_vec(),
        };
        Ok(Self { pool, input: input::checked(input)? })
    }
}

/// Runs the job, unless a signal comes first.
pub(crate) async fn run(order: Order) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    tokio::select! {
        done = execute(order) => done.map(|()| ExitCode::SUCCESS),
        // Dropping the job drops the pool, and that kills the worker.
        stop = signals.stop() => Ok(stop.exit_code()),
    }
}

async fn execute(order: Order) -> Result<(), Error> {
    let pool = RawPool::start(order.pool).await?;
    let result = match pool.submit(order.input, Encoding::Json, JobLimits::default()) {
        Ok(accepted) => accepted.outcome.await.result.map_err(|error| *error),
        Err(refused) => Err(refused),
    };
    // Told before the worker is sent away: nobody has to wait for that.
    let told = result.map_err(Error::Job).and_then(|output| write(&output).map_err(Error::Output));
    pool.shutdown(EXIT).await;
    told
}

fn write(output: &Payload) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match output.encoding {
        // A person may see it: it is written such that nothing in it turns or drives the terminal, and means the same.
        Encoding::Json => writeln!(stdout, "{}", printable_json(&String::from_utf8_lossy(&output.bytes)))?,
        _ => stdout.write_all(&output.bytes)?,
    }
    stdout.flush()
}
