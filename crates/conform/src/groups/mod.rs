//! All checks, by subject.

mod arenas;
mod attached;
mod batches;
mod control;
mod ends;
mod handshake;
mod hostile;
mod jobs;
mod logs;
mod messages;
mod outcomes;
mod page;
mod parts;
mod payloads;
mod saved;
mod start;
mod streams;

use crate::check::Group;

/// Returns all checks, in the order in which they are run.
pub fn groups() -> &'static [Group] {
    &[
        start::GROUP,
        handshake::GROUP,
        jobs::GROUP,
        payloads::GROUP,
        parts::GROUP,
        outcomes::GROUP,
        hostile::GROUP,
        control::GROUP,
        streams::GROUP,
        batches::GROUP,
        logs::GROUP,
        messages::GROUP,
        ends::GROUP,
        page::GROUP,
        arenas::GROUP,
        saved::GROUP,
        attached::GROUP,
    ]
}
