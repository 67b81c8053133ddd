//! Shuts itself in by Landlock and becomes the program that its arguments name: that one may read and run what programs
//! need, and open nothing else.

use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The oldest version that covers all that a worker could open.
const VERSION: ABI = ABI::V3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let program = args.next().ok_or("usage: bench-landlock PROGRAM [ARGUMENT…]")?;
    let places = ["/usr".as_ref(), "/lib".as_ref(), "/lib64".as_ref(), program.as_os_str()];
    let rules = path_beneath_rules(places, AccessFs::from_read(VERSION));
    let rules = Ruleset::default().handle_access(AccessFs::from_all(VERSION))?.create()?.add_rules(rules)?;
    if rules.restrict_self()?.ruleset == RulesetStatus::NotEnforced {
        return Err("this kernel has no Landlock".into());
    }
    Err(Command::new(program).args(args).exec().into())
}
