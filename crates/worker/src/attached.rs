//! A worker that no coordinator spawned. A service manager, a container or a debugger started it, and it
//! attaches to a pool by the name of a socket.
//!
//! The token is in a file beside the socket, unless `PROCPOOL_TOKEN_FILE` names another one.

use crate::ending::WorkerError;
use crate::frames::FrameWriter;
use crate::handshake::{Opening, Sockets};
use crate::os::Socket;
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::{Attach, Connection};
use procpool_protocol::message::json_frame;
use procpool_protocol::preamble::Preamble;
use std::path::{Path, PathBuf};

/// Environment variable: the file with the token, if it is not beside the socket.
const TOKEN_FILE: &str = "PROCPOOL_TOKEN_FILE";

/// Attaches, and waits without a limit until the pool has a vacant place for this worker.
pub(crate) fn attach(socket: &Path) -> Result<Opening, WorkerError> {
    let token = token(socket)?;
    let connect = |connection| -> Result<Socket, WorkerError> {
        let failed = |reason| WorkerError::Attach { path: socket.into(), reason };
        let attach = Attach { connection, token: token.clone(), process: std::process::id().to_string() };
        let attach = json_frame(Kind::Attach, &attach).map_err(WorkerError::Send)?;
        let stream = Socket::connect(socket).map_err(failed)?;
        FrameWriter::new(stream.clone()).greet(Preamble::ours(), &attach).map_err(failed)?;
        Ok(stream)
    };
    let (jobs, control) = (connect(Connection::Jobs)?, connect(Connection::Control)?);
    Opening::of_attached(Sockets { jobs, control })
}

fn token(socket: &Path) -> Result<String, WorkerError> {
    let beside = || {
        let mut name = socket.as_os_str().to_owned();
        name.push(".token");
        PathBuf::from(name)
    };
    let file = std::env::var_os(TOKEN_FILE).map_or_else(beside, PathBuf::from);
    let token = std::fs::read_to_string(&file);
    let token = token.map_err(|reason| WorkerError::Token { socket: socket.into(), file, reason })?;
    Ok(token.trim().to_owned())
}
