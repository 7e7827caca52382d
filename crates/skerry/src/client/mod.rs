//! The service API from the other side: how commands speak to a hub, ours or a compatible one.

mod login;
mod session;
mod tls;

pub use session::{Client, Response, segment};
