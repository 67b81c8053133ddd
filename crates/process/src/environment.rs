//! The environment of a worker: only the variables of the coordinator that are on a short list.
//!
//! A service's environment is full of secrets, and a worker may run third-party code.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The variables that a worker inherits. They name the places of programs and libraries, the user, and the
/// language and time zone. Others name the place for temporary files and how a Rust program reports a panic.
const INHERITED: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "LLVM_PROFILE_FILE",
];

fn is_inherited(key: &str) -> bool {
    INHERITED.contains(&key) || key.starts_with("LC_")
}

/// Returns the environment of a worker: the variables on the list, and those that its pool adds to the list
/// (`more`). The variables that its pool sets (`own`) override both.
pub(crate) fn of_worker(more: &[String], own: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let listed = |key: &str| is_inherited(key) || more.iter().any(|name| name == key);
    let inherited = std::env::vars_os().filter(|(key, _)| key.to_str().is_some_and(listed));
    // `execve` accepts a duplicate variable, and a program then reads the first one.
    let once: BTreeMap<_, _> = inherited.chain(own.iter().cloned()).collect();
    once.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pools_own_variable_stands_there_once_and_has_the_last_word() {
        let own = [("PATH", "/first"), ("PATH", "/own")].map(|(key, value)| (key.into(), value.into()));
        let paths: Vec<_> = of_worker(&[], &own).into_iter().filter(|(key, _)| key == "PATH").collect();
        assert_eq!(paths, [("PATH".into(), "/own".into())]);
    }

    #[test]
    fn secrets_stay_behind_and_locale_comes_along() {
        assert!(is_inherited("PATH") && is_inherited("LC_ALL"));
        assert!(!is_inherited("AWS_SECRET_ACCESS_KEY") && !is_inherited("PROCPOOL_SOCKET"));
    }
}
