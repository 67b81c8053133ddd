//! Names for the calls of stacks, from `procpool-symbolize`, beside this executable or on the search path. All pools
//! share it. It starts with the first stack.

use procpool_coordinator::{CallNames, Executable};
use std::sync::OnceLock;

const EXECUTABLE: &str = "procpool-symbolize";

/// Returns the names for a pool.
pub(crate) fn of_calls() -> CallNames {
    static NAMES: OnceLock<CallNames> = OnceLock::new();
    let names = NAMES.get_or_init(|| match Executable::find(EXECUTABLE) {
        Ok(executable) => CallNames::by_process(executable),
        Err(_) => {
            CallNames::missing(format!("{EXECUTABLE} is neither beside procpool nor on the search path"))
        }
    });
    names.clone()
}
