//! The error of the system behind one of SQLite, which rusqlite does not pass on.

#![allow(unsafe_code)]

use rusqlite::{Connection, ffi};

/// Returns the number of the error that the last failed call to the system left in a connection. `0` if there was none.
pub(crate) fn error_of(connection: &Connection) -> i32 {
    // SAFETY: nothing is done with the handle that would change or close the connection.
    let handle = unsafe { connection.handle() };
    // SAFETY: the handle is that of a connection which is open as long as it is borrowed, and only a number is read.
    unsafe { ffi::sqlite3_system_errno(handle) }
}
