//! The contracts of an executable that has several jobs.

use procpool::Job;

/// Doubles a number.
#[derive(Debug)]
pub struct Double;

impl Job for Double {
    const NAME: &'static str = "double";
    type Input = u64;
    type Output = u64;
}

/// Says a text louder, by the mark in the worker data, and dies of an empty one.
#[derive(Debug)]
pub struct Shout;

impl Job for Shout {
    const NAME: &'static str = "shout";
    const VERSION: u32 = 2;
    type Input = String;
    type Output = String;
}
