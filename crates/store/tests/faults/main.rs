//! Faults: what a store keeps, and what it says.

// Numbers of jobs and lengths are small, and the registry returns with an error.
#![allow(clippy::cast_possible_truncation, clippy::result_large_err)]

mod child;
mod clocks;
mod content;
mod flips;
mod full;
mod harness;
mod kills;
mod model;
mod opening;
mod pages;
mod powercut;
mod random;
mod shim;
mod syncs;
