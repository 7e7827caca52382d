//! The front door: listeners, TLS and HTTP, with a bound on everything a stranger can do.
//!
//! ```text
//! Options ──► Front::bind ──► run(shutdown)          TlsMaterial: certificates that keep themselves good
//!                  └──► Handle: figures, addresses   HttpService: what stands behind
//! ```
//!
//! This crate knows nothing of devices, hubs or tokens. It turns addresses into streams (`listen`), strangers
//! into TLS peers (`tls`) and bytes into whole requests (`http`), and hands them to the service behind it.
//! MQTT and AMQP will stand beside `http` and share the other two.
#![forbid(unsafe_code)]

mod figures;
mod front;
mod http;
mod listen;
mod tls;

pub use crate::http::{
    Body, BodyCut, BodyGone, BodyLimits, BodySender, HttpLimits, HttpService, Refusal, Request, Response,
};
pub use figures::{Figure, Figures};
pub use front::{DRAIN, Front, Handle, Options, StartError};
pub use listen::{Address, AddressError, BindError, ConnectionLimits};
pub use tls::{
    Alpn, Authority, AuthorityError, CertificateError, Check, FileError, Issued, OperatorFiles,
    SERVER_LIFETIME, TlsError, TlsMaterial, TlsOptions,
};
