//! The daemon's sockets: made here, or opened by systemd and handed over; and the word to systemd that the
//! daemon is ready.

mod activation;
mod bind;
mod modules;
mod notify;

pub use activation::{Activated, ActivationError, Inherited, inherited};
pub use bind::SocketError;
pub(crate) use bind::bind;
pub(crate) use modules::ModuleSockets;
pub use notify::{NotifyError, notify};
