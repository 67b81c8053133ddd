//! `procpool serve` as a program embeds it: on a Unix socket, by a line that tells when it is there.

mod embedded;
mod first_line;
mod sockets;
