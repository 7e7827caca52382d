//! Tells systemd how the daemon is: one datagram to the socket that `NOTIFY_SOCKET` names.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Says `state`, such as `READY=1`. Nothing is said where nobody asked (`socket` is absent or empty).
pub fn notify(socket: Option<&str>, state: &str) -> Result<(), NotifyError> {
    let Some(place) = socket.filter(|place| !place.is_empty()) else { return Ok(()) };
    let failed = |source| NotifyError { place: place.to_owned(), source };
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(place),
    };
    let datagram = UnixDatagram::unbound().map_err(failed)?;
    datagram.send_to_addr(state.as_bytes(), &address.map_err(failed)?).map_err(failed)?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("systemd cannot be told at {place}: {source}")]
pub struct NotifyError {
    place: String,
    source: io::Error,
}
