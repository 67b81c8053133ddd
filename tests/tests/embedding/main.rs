//! `procpool serve` as a program embeds it: on a Unix socket, which is its user's alone.

mod embedded;
mod sockets;
