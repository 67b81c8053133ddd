//! The lower bound of every contestant: the kernel's part of a row, done with as little as possible around
//! it.

mod echo;
mod log;
mod nats;
mod server;
mod spawn;

pub use echo::Echo;
pub use log::Log;
pub use nats::Nats;
pub use server::Server;
pub use spawn::spawn_and_wait;
