//! The client against a server that plays recorded answers: what goes over the wire, and what becomes of each answer.

mod answers;
mod fake;
mod following;
mod streams;
