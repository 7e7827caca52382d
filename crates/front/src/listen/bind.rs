//! Opening a listening socket, with errors that an operator can act on.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::Address;

/// Connections that the system keeps for us while we are busy accepting others.
const BACKLOG: i32 = 1024;

/// Tries for a port that is free under every address of the loopback, where any will do.
const ANY_PORT_TRIES: usize = 16;

/// One place, or two that are one to whoever connects.
pub(crate) struct Listener {
    first: TcpListener,
    second: Option<TcpListener>,
}

impl Listener {
    /// Nothing is lost when this is dropped.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let Some(second) = &self.second else { return self.first.accept().await };
        tokio::select! {
            accepted = self.first.accept() => accepted,
            accepted = second.accept() => accepted,
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.first.local_addr()
    }
}

/// `None` for an address that is off. Needs a tokio runtime around it.
pub(crate) fn bind(address: Address) -> Result<Option<Listener>, BindError> {
    let Some(wanted) = address.socket_address() else { return Ok(None) };
    let listener = match (address, listen(wanted)) {
        // A machine without IPv6 still has all its interfaces.
        (Address::Everywhere { port }, Err(error)) if is_without_ipv6(&error) => {
            alone(listen(([0; 4], port).into()))
        }
        (Address::Loopback { port: 0 }, first) => on_any_port(first),
        (Address::Loopback { .. }, first) => first.and_then(with_ipv6),
        (_, listener) => alone(listener),
    };
    listener.map(Some).map_err(|source| BindError::new(address, source))
}

fn alone(listener: io::Result<TcpListener>) -> io::Result<Listener> {
    listener.map(|first| Listener { first, second: None })
}

/// The same port of `::1`, where there is one.
fn with_ipv6(first: TcpListener) -> io::Result<Listener> {
    let port = first.local_addr()?.port();
    match listen(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(second) => Ok(Listener { first, second: Some(second) }),
        Err(error) if is_without_ipv6(&error) => alone(Ok(first)),
        Err(error) => Err(error),
    }
}

fn on_any_port(first: io::Result<TcpListener>) -> io::Result<Listener> {
    let mut listener = first.and_then(with_ipv6);
    for _ in 1..ANY_PORT_TRIES {
        match &listener {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            _ => break,
        }
        listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).and_then(with_ipv6);
    }
    listener
}

fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(EAFNOSUPPORT)
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

    #[tokio::test]
    async fn whatever_localhost_stands_for_is_the_same_place() {
        let listener = bind(Address::Loopback { port: 0 }).unwrap().unwrap();
        let port = listener.local_addr().unwrap().port();
        let has_ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let all =
            [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
        for address in &all[..1 + usize::from(has_ipv6)] {
            let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            assert_eq!(connected.unwrap().local_addr().unwrap(), accepted.unwrap().1);
        }
        let error = bind(Address::Loopback { port }).map(drop).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("cannot listen on localhost:{port}: another program"))
        );
    }
}
