//! Executables that change under a pool, or cannot be started: what runs, and what is said.

mod binfmt;
mod causes;
mod changes;
mod checks;
mod pins;
mod releases;
mod scripts;
