//! From an address in a configuration to TLS streams, with everything between bounded.

mod accept;
mod address;
mod bind;
mod gate;

pub use address::{Address, AddressError};
pub use bind::BindError;
pub use gate::ConnectionLimits;

pub(crate) use accept::{Acceptor, Stopping, TlsTcp};
pub(crate) use bind::bind;
pub(crate) use gate::Gate;
