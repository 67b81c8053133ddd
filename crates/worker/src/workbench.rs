//! [`Workbench`]: everything that running a job needs besides its function. Both a coordinator's session and
//! a replay use it.

use crate::arenas::Arenas;
use crate::board::Board;
use crate::outlet::Outlet;
use crate::startup::Startup;
use std::sync::Arc;

/// Shared by a session, or a replay, and the contexts of its jobs.
#[derive(Clone, Debug)]
pub(crate) struct Workbench {
    pub(crate) startup: Arc<Startup>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) board: Arc<Board>,
    pub(crate) arenas: Arc<Arenas>,
}

impl Workbench {
    pub(crate) fn new(startup: Startup, outlet: Outlet, board: Arc<Board>) -> Self {
        Self { startup: Arc::new(startup), outlet: Arc::new(outlet), board, arenas: Arc::default() }
    }
}
