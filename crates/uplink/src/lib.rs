//! The client's side of a hub's protocols, over real sockets.
//!
//! [`Client`] drives the machine of `skerry_mqtt` over TCP or TLS, or inside of a WebSocket. It has no task of its own and no
//! buffer while it is idle, so that a process can hold ten thousand of them: whoever owns one calls
//! [`Client::event`], which reads, writes and keeps the connection alive. [`Identity`] makes the
//! CONNECT of a device, [`TlsOptions`] says whom to trust.
#![forbid(unsafe_code)]

mod client;
mod error;
mod identity;
mod link;
mod place;
mod tls;
mod websocket;

pub use client::Client;
pub use error::Error;
pub use identity::{Identity, Proof};
pub use place::Place;
pub use tls::{ClientCertificate, TlsError, TlsOptions};
pub use websocket::WebSocket;
