//! What the system makes of a file that it is asked to execute: a program, a script, or whatever is registered for its kind.
//! Refuses to know what is started, and when.

pub(crate) mod binfmt;
pub(crate) mod elf;
pub(crate) mod reach;
#[cfg(test)]
pub(crate) mod scratch;
pub(crate) mod script;
