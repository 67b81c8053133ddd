//! Opens the configuration to the fuzz targets: text in, checked limits or an error's text out. Not compiled otherwise.

use crate::config::parse;
use procpool_coordinator::PoolLimits;

/// Reads a configuration whose file is called `procpool.toml`, and returns each pool's name and limits in the order in
/// which they are served. Looks for none of the files that it names.
///
/// # Errors
/// With the text that a person is shown.
pub fn configuration(text: &str) -> Result<Vec<(String, PoolLimits)>, String> {
    let pools = parse(text).map_err(|error| error.to_string())?.pools;
    Ok(pools.into_iter().map(|pool| (pool.name, pool.limits)).collect())
}
