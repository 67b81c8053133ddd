//! The kinds of files that the system can execute: a program, a script, or a file whose kind is
//! registered.

pub(crate) mod binfmt;
pub(crate) mod elf;
pub(crate) mod reach;
#[cfg(test)]
pub(crate) mod scratch;
pub(crate) mod script;
