//! The rules of the registry, one at a time: what is offered and reported, and what comes of it.

mod ages;
mod bounds;
mod cancelling;
mod desk;
mod keys;
mod lists;
mod restarting;
mod tested;
mod transitions;
mod watching;
