//! Opening a listening socket, with errors that an operator can act on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::Address;

/// Connections that the system keeps for us while we are busy accepting others.
const BACKLOG: i32 = 1024;

/// `None` for an address that is off. Needs a tokio runtime around it.
pub(crate) fn bind(address: Address) -> Result<Option<TcpListener>, BindError> {
    let Some(wanted) = address.socket_address() else { return Ok(None) };
    let listener = match listen(wanted) {
        // A machine without IPv6 still has all its interfaces.
        Err(error) if is_without_ipv6(&error, address) => listen(SocketAddr::from(([0; 4], wanted.port()))),
        other => other,
    };
    listener.map(Some).map_err(|source| BindError::new(address, source))
}

fn is_without_ipv6(error: &io::Error, address: Address) -> bool {
    let unsupported = matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::AddrNotAvailable);
    matches!(address, Address::Everywhere { .. })
        && (unsupported || error.raw_os_error() == Some(EAFNOSUPPORT))
}

/// Linux's number; the standard library has no kind for it.
const EAFNOSUPPORT: i32 = 97;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The socket cannot be opened. [`BindError::PermissionDenied`] is what a caller may answer with another
/// port; a busy port is a mistake to be told.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "this user may not listen on {address}: start as root, allow it with `setcap cap_net_bind_service=+ep` on the program, or choose a port above 1023"
    )]
    PermissionDenied { address: Address },
    #[error(
        "cannot listen on {address}: another program uses the port; find it with `ss -ltnp sport = :{port}` and stop it, or choose another address"
    )]
    Busy { address: Address, port: u16 },
    #[error(
        "cannot listen on {address}: this machine has no such address; list its addresses with `ip address`, or use :{port} for all"
    )]
    NoSuchAddress { address: Address, port: u16 },
    #[error("cannot listen on {address}: {source}")]
    Other { address: Address, source: io::Error },
}

impl BindError {
    fn new(address: Address, source: io::Error) -> Self {
        let port = address.port().unwrap_or_default();
        match source.kind() {
            ErrorKind::PermissionDenied => Self::PermissionDenied { address },
            ErrorKind::AddrInUse => Self::Busy { address, port },
            ErrorKind::AddrNotAvailable => Self::NoSuchAddress { address, port },
            _ => Self::Other { address, source },
        }
    }

    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::PermissionDenied { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_needs_more_rights_is_told_apart() {
        let error = BindError::new(Address::Everywhere { port: 443 }, ErrorKind::PermissionDenied.into());
        assert!(error.is_permission_denied());
        assert_eq!(
            error.to_string(),
            "this user may not listen on :443: start as root, allow it with `setcap cap_net_bind_service=+ep` \
             on the program, or choose a port above 1023"
        );
    }
}
