//! The client's side of a hub's protocols, over real sockets.
//!
//! [`Client`] drives the machine of `skerry_mqtt`, [`amqp::Client`] that of `skerry_amqp`, over TCP or
//! TLS, inside a WebSocket or not, through an HTTP proxy or not. Neither has a task of its own, nor a buffer while it is idle, so that a
//! process can hold ten thousand of them: whoever owns one calls its `event`, which reads, writes and
//! keeps the connection alive. [`Identity`] makes the CONNECT and the tokens of a device,
//! [`TlsOptions`] says whom to trust.
#![forbid(unsafe_code)]

pub mod amqp;
mod client;
mod error;
mod identity;
mod link;
mod place;
mod relay;
mod tls;
mod websocket;
mod wire;

pub use client::Client;
pub use error::Error;
pub use identity::{Identity, Proof, Token};
pub use place::Place;
pub use relay::Relay;
pub use tls::{ClientCertificate, TlsError, TlsOptions};
pub use websocket::Tunnel;
