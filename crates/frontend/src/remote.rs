//! The other end of a connection that requests come on: an address over TCP, a process on a Unix socket.

use crate::access::{Principal, Scopes};
use crate::credentials::Credentials;
use crate::owner::{Ends, Owners};
use crate::peer::PeerKey;
use crate::wire::Wire;
use http::Extensions;
use procpool_protocol::engine::ClientName;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::OnceCell;

/// The other end as the kernel names it when it accepts a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FarEnd {
    Address(IpAddr),
    Process(Credentials),
}

/// The other end of a connection. One for all of its requests.
pub(crate) struct Peer {
    end: FarEnd,
    /// Not to hold the connection open.
    wire: Weak<Wire>,
    client: ClientName,
    /// The names of its certificate, once the handshake is done.
    names: OnceLock<Vec<String>>,
    /// The user of the process, if the connection came by a Unix socket.
    user: Option<Principal>,
    /// Whose process is at the other end, once an order has had the kernel asked: that never changes, so who may give no order
    /// and asks all the time has it asked once.
    owner: OnceCell<u32>,
}

impl FarEnd {
    /// Returns the address whose connections are counted together, if that is one.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Process(_) => None,
        }
    }
}

impl Peer {
    pub(crate) fn at(end: FarEnd, wire: &Arc<Wire>) -> Arc<Self> {
        let client = match end {
            FarEnd::Address(address) => PeerKey::of(address).to_string().as_str().into(),
            FarEnd::Process(process) => client_of(process),
        };
        let user = match end {
            FarEnd::Address(_) => None,
            FarEnd::Process(process) => Some(Principal::user(process.uid, Scopes::ANONYMOUS)),
        };
        Arc::new(Self {
            end,
            wire: Arc::downgrade(wire),
            client,
            names: OnceLock::new(),
            user,
            owner: OnceCell::new(),
        })
    }

    /// Returns the process, if the connection came by a Unix socket.
    pub(crate) fn process(&self) -> Option<Credentials> {
        match self.end {
            FarEnd::Process(process) => Some(process),
            FarEnd::Address(_) => None,
        }
    }

    pub(crate) fn is_certified_as(&self, names: Vec<String>) {
        // There is one handshake.
        let _ = self.names.set(names);
    }

    /// Returns the names of its certificate, if it has one.
    pub(crate) fn certified_names(&self) -> Option<&[String]> {
        self.names.get().map(Vec::as_slice).filter(|names| !names.is_empty())
    }

    /// Returns the user of that process, who may do what everybody may: the request may come through a proxy.
    pub(crate) fn user(&self) -> Option<&Principal> {
        self.user.as_ref()
    }

    /// Returns both ends of a TCP connection.
    pub(crate) fn ends(&self) -> Option<Ends> {
        self.wire.upgrade()?.ends().ok()
    }

    /// Returns the user whose process is at the other end of a connection with these `ends`, or `None` where
    /// the kernel does not say so for certain.
    pub(crate) async fn owner(&self, ends: Ends, owners: &Owners) -> Option<u32> {
        self.owner.get_or_try_init(async || owners.of(ends).await.ok_or(())).await.ok().copied()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            FarEnd::Address(address) => address.fmt(out),
            FarEnd::Process(_) => out.write_str("unix"),
        }
    }
}

/// The process at the other end of the orders socket, which the kernel has named and the socket has let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator(pub(crate) Credentials);

/// Returns the client of a request as pools distinguish clients: by address over TCP, by user on a Unix
/// socket.
pub(crate) fn client(extensions: &Extensions) -> Option<ClientName> {
    if let Some(peer) = extensions.get::<Arc<Peer>>() {
        return Some(peer.client.clone());
    }
    extensions.get().map(|Operator(process)| client_of(*process))
}

fn client_of(process: Credentials) -> ClientName {
    format!("user {}", process.uid).as_str().into()
}
