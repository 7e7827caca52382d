//! Where to listen, as people write it: `IP:PORT`, `[v6]:PORT`, `localhost:PORT` for the loopback, `:PORT` for every
//! interface, or `off`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// This listener is not wanted.
    Off,
    /// Every interface, IPv4 and IPv6.
    Everywhere {
        port: u16,
    },
    /// Whatever `localhost` may stand for: 127.0.0.1, and ::1 where there is IPv6. Many a client tries only one of them.
    Loopback {
        port: u16,
    },
    One(SocketAddr),
}

impl Address {
    pub fn port(self) -> Option<u16> {
        match self {
            Address::Off => None,
            Address::Everywhere { port } | Address::Loopback { port } => Some(port),
            Address::One(address) => Some(address.port()),
        }
    }

    /// The same place on another port; `off` stays off.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        match self {
            Address::Off => Address::Off,
            Address::Everywhere { .. } => Address::Everywhere { port },
            Address::Loopback { .. } => Address::Loopback { port },
            Address::One(address) => Address::One(SocketAddr::new(address.ip(), port)),
        }
    }

    /// What the socket is bound to; all interfaces are the IPv6 wildcard, which takes IPv4 as well.
    pub(super) fn socket_address(self) -> Option<SocketAddr> {
        match self {
            Address::Off => None,
            Address::Everywhere { port } => Some(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)),
            Address::Loopback { port } => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
            Address::One(address) => Some(address),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "off" {
            return Ok(Address::Off);
        }
        let address = match (text.strip_prefix(':'), text.strip_prefix("localhost:")) {
            (Some(port), _) => number(port).map(|port| Address::Everywhere { port }),
            (None, Some(port)) => number(port).map(|port| Address::Loopback { port }),
            (None, None) => text.parse().ok().map(Address::One),
        };
        address.ok_or_else(|| AddressError { text: text.chars().take(80).collect() })
    }
}

/// `parse` would take a sign.
fn number(port: &str) -> Option<u16> {
    port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())?
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Off => f.write_str("off"),
            Address::Everywhere { port } => write!(f, ":{port}"),
            Address::Loopback { port } => write!(f, "localhost:{port}"),
            Address::One(address) => address.fmt(f),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an address to listen on: write IP:PORT, [IPv6]:PORT, localhost:PORT, :PORT for all interfaces, or off"
)]
pub struct AddressError {
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        for text in ["off", ":443", "127.0.0.1:8883", "[::1]:0", "0.0.0.0:5671", "localhost:0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let everywhere: Address = ":443".parse().unwrap();
        assert_eq!((everywhere.port(), everywhere.with_port(8443).to_string()), (Some(443), ":8443".into()));
    }

    #[test]
    fn anything_else_is_told_how_to_write_it() {
        for text in [
            "",
            ":",
            ":x",
            ":+1",
            ":65536",
            "443",
            "localhost",
            "localhost:+1",
            "127.0.0.1",
            "::1:443",
            "OFF",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "{text:?} is not an address to listen on: write IP:PORT, [IPv6]:PORT, localhost:PORT, :PORT for all interfaces, or off"
                )
            );
        }
    }
}
