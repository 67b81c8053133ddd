//! `procpool serve` as a program embeds it: on a Unix socket, by a line that tells when it is there, and no longer than the program lives.

mod embedded;
mod first_line;
mod parents;
mod sockets;
