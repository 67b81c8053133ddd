//! The registry's rules over this storage: the same tests, word for word.

mod tested;

#[path = "../../../registry/tests/behaviour/ages.rs"]
mod ages;
#[path = "../../../registry/tests/behaviour/bounds.rs"]
mod bounds;
#[path = "../../../registry/tests/behaviour/cancelling.rs"]
mod cancelling;
#[path = "../../../registry/tests/behaviour/desk.rs"]
mod desk;
#[path = "../../../registry/tests/behaviour/keys.rs"]
mod keys;
#[path = "../../../registry/tests/behaviour/lists.rs"]
mod lists;
#[path = "../../../registry/tests/behaviour/restarting.rs"]
mod restarting;
#[path = "../../../registry/tests/behaviour/transitions.rs"]
mod transitions;
#[path = "../../../registry/tests/behaviour/watching.rs"]
mod watching;
